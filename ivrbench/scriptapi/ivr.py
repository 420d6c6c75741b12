"""The module `ivr` as scripts import it: functions, constants, types (ivr-api §1)."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi import headers
from ivrbench.scriptapi.arguments import need_int, need_str
from ivrbench.scriptapi.host import the_host
from ivrbench.scriptapi.running import current

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AUDIO_READ",
    "AUDIO_WRITE",
    "FUNCTIONS",
    "HungUp",
    "IvrModule",
    "createThread",
    "getAppParam",
    "getHeader",
    "getHeaders",
    "getSessionParam",
    "log",
    "monitorFinish",
    "monitorLog",
    "monitorLogAdd",
    "semserror",
    "sendMessage",
    "setIgnoreSigchld",
]

AUDIO_READ: Final = 1
AUDIO_WRITE: Final = 2
_LOWEST_LEVEL: Final = 3


class semserror(Exception):  # the name is part of the API
    """Raised with a dict `{"code": int, "reason": str, "hdrs": str}`: the reply the engine gives.

    In the INVITE path it refuses the call with that reply; elsewhere it ends the session.
    """


semserror.__module__ = "ivr"


class HungUp(Exception):  # the name is part of the API
    """The call is over: what a waiting `async def` handler gets, and need not catch."""


HungUp.__module__ = "ivr"


class IvrModule(ModuleType):
    """The type of the module `ivr`: `config` exists only while a script is being imported."""

    def __getattr__(self, name: str) -> dict[str, str]:
        """Settings of `NAME.conf` of the script that is being imported, as `config`."""
        if name != "config":
            raise AttributeError(f"module 'ivr' has no attribute {name!r}", name=name, obj=self)
        where = current.get()
        if where is None or where.loading is None:
            raise AttributeError(
                "module 'ivr' has no attribute 'config' once the script is loaded; "
                "use the global `config` of the script"
            )
        return where.loading.config


def log(level: int, msg: str, /) -> None:
    """Write a log line: 0 error, 1 warning, 2 information, 3 debug; others are clamped."""
    number = need_int("log", 1, level)
    text = need_str("log", 2, msg)
    the_host().log(max(0, min(number, _LOWEST_LEVEL)), text)


def getHeader(hdrs: str, name: str, /) -> str:
    """Value of the first header called `name` in a block of header lines, "" if none."""
    return headers.first_header(need_str("getHeader", 1, hdrs), need_str("getHeader", 2, name))


def getHeaders(hdrs: str, name: str, /) -> str:
    """Values of all headers called `name`, joined with ", "."""
    return headers.all_headers(need_str("getHeaders", 1, hdrs), need_str("getHeaders", 2, name))


def getSessionParam(hdrs: str, name: str, /) -> str:
    """A parameter of P-App-Param in a block of header lines, "" if absent (API before 1.5)."""
    need_str("getSessionParam", 1, hdrs)
    return headers.session_param(hdrs, need_str("getSessionParam", 2, name))


def getAppParam(name: str, /) -> str:
    """`getAppParam` of the call whose handler is running, "" outside of handlers."""
    need_str("getAppParam", 1, name)
    where = current.get()
    return where.port.app_param(name) if where is not None and where.port is not None else ""


def createThread(function: Callable[[], object], /) -> None:
    """Have a function run in a thread of its own, from the moment the script has loaded.

    Only at a script's module level; later calls do nothing but leave a warning in the log.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(function):
        raise TypeError(f"createThread() argument 1 must be callable, not {function!r}")
    where = current.get()
    if where is None or where.loading is None:
        name = getattr(function, "__name__", repr(function))
        the_host().log(
            1,
            f"createThread({name}) has no effect: it works only at a script's module level, "
            "while the script is being loaded",
        )
        return
    where.loading.threads.append(function)


def setIgnoreSigchld(ignore: int, /) -> None:
    """Accepted for old scripts; a child process that ends never disturbs this server."""
    need_int("setIgnoreSigchld", 1, ignore)


def sendMessage(dest: str, msg: str, /) -> None:
    """Post to the session whose local tag is `dest`: it gets `onIvrMessage(msg)`."""
    the_host().send_message(need_str("sendMessage", 1, dest), need_str("sendMessage", 2, msg))


def monitorLog(callid: str, property: str, value: str, /) -> None:
    """Set a property of a session in the monitoring store.

    Args:
        callid: the session's local tag, or any other name.
        property: its name.
        value: replaces what was there.
    """
    _monitor("monitorLog", callid, property, value, added=False)


def monitorLogAdd(callid: str, property: str, value: str, /) -> None:
    """Append a value to a property of a session in the monitoring store."""
    _monitor("monitorLogAdd", callid, property, value, added=True)


def monitorFinish(callid: str, /) -> None:
    """Mark a session of the monitoring store as finished."""
    the_host().monitor_finish(need_str("monitorFinish", 1, callid))


def _monitor(function: str, callid: str, name: str, value: str, *, added: bool) -> None:
    for position, argument in enumerate((callid, name, value), 1):
        need_str(function, position, argument)
    the_host().monitor(callid, name, value, added=added)


FUNCTIONS: Final = (
    log,
    getHeader,
    getHeaders,
    getSessionParam,
    getAppParam,
    createThread,
    setIgnoreSigchld,
    sendMessage,
    monitorLog,
    monitorLogAdd,
    monitorFinish,
)
"""What the module `ivr` offers."""
