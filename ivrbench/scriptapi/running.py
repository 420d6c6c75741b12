"""Whose code is running: which script, and which call if one of its handlers runs.

The engine sets `current` before it calls into a script; `ivr.log`, `ivr.createThread`,
`ivr.config` and the global `getAppParam` look it up. It is a context variable, so it is right in a
handler's thread, in an `async def` handler on the loop, and in a thread that loads a script.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.port import CallPort

__all__ = ["Loading", "Where", "current"]


@dataclass(slots=True)
class Loading:
    """What a script's module level sees and leaves behind while it is imported."""

    config: dict[str, str]
    """`ivr.config`; visible only until the import is over."""
    threads: list[Callable[[], object]] = field(default_factory=list)
    """Functions given to `ivr.createThread`."""


@dataclass(frozen=True, slots=True)
class Where:
    """Code of one generation of a script, running for a call or for none."""

    script: str
    generation: int
    port: CallPort | None = None
    """The call whose handler runs; None while loading and in threads of `createThread`."""
    loading: Loading | None = None


current: ContextVar[Where | None] = ContextVar("ivrbench_script_running", default=None)
"""None: no script's code is running in this thread or task."""
