"""The Python API of IVR scripts: the modules `ivr` and `log`, and what scripts find in them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ivrbench.scriptapi import ivr, log
from ivrbench.scriptapi.host import set_host
from ivrbench.scriptapi.python2 import restore_names
from ivrbench.scriptapi.stubs import TYPES

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import HostPort

__all__ = ["install"]


def install(host: HostPort) -> None:
    """Put the modules `ivr` and `log` into `sys.modules` and take `sys.excepthook` over.

    Done once, after the SIP listeners are up (scripts read the address at their import) and
    before the first script is loaded.

    Args:
        host: the engine.
    """
    set_host(host)
    restore_names()
    module = ivr.IvrModule("ivr", "The IVR server, as scripts see it.")
    names: dict[str, object] = {
        "AUDIO_READ": ivr.AUDIO_READ,
        "AUDIO_WRITE": ivr.AUDIO_WRITE,
        "LOCAL_SIP_IP": host.local_sip_ip,
        "LOCAL_SIP_PORT": host.local_sip_port,
        "SEMS_LOG_LEVEL": host.log_level,
        "semserror": ivr.semserror,
        "HungUp": ivr.HungUp,
    }
    names |= {function.__name__: function for function in ivr.FUNCTIONS}
    names |= {cls.__name__: cls for cls in TYPES}
    vars(module).update(names)
    log_module = log.make_module(module)
    sys.modules["ivr"] = module
    sys.modules["log"] = log_module
    sys.excepthook = log.log_excepthook
    log.debug("Python-Ivr logging started")
