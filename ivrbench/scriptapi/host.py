"""The engine behind the module `ivr`: set once, by `install`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import HostPort

__all__ = ["set_host", "the_host"]

_installed: list[HostPort] = []


def set_host(host: HostPort) -> None:
    """Make `host` the one scripts talk to."""
    _installed[:] = [host]


def the_host() -> HostPort:
    """The engine.

    Raises:
        RuntimeError: the module `ivr` is not installed.
    """
    if not _installed:
        raise RuntimeError("no engine: scriptapi.install() was not called")
    return _installed[0]
