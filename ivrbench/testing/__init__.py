"""Calls as tests: engine, callers and networks for pytest, in virtual time or on real sockets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.errors import ExpectationFailed
    from ivrbench.testing.bench import Bench
    from ivrbench.testing.callee import Callee
    from ivrbench.testing.caller import Caller, Recording
    from ivrbench.testing.live import LiveBench
    from ivrbench.testing.network import BadNetwork
    from ivrbench.testing.scripts import IvrScripts

__all__ = [
    "BadNetwork",
    "Bench",
    "Callee",
    "Caller",
    "ExpectationFailed",
    "IvrScripts",
    "LiveBench",
    "Recording",
]

_HOMES = {
    "BadNetwork": "ivrbench.testing.network",
    "Bench": "ivrbench.testing.bench",
    "Callee": "ivrbench.testing.callee",
    "Caller": "ivrbench.testing.caller",
    "ExpectationFailed": "ivrbench.errors",
    "IvrScripts": "ivrbench.testing.scripts",
    "LiveBench": "ivrbench.testing.live",
    "Recording": "ivrbench.testing.caller",
}


def __getattr__(name: str) -> object:
    """Load a name when it is asked for: pytest loads this package in every run."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
