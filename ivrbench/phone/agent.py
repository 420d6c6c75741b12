"""The test phone as a process: sockets, clock, signals, and what people read while it calls."""

from __future__ import annotations

from .options import CallOptions

__all__ = ["CallOptions", "run"]


def run(options: CallOptions) -> int:
    """Make one call and return when it is over.

    Args:
        options: what to call and how.

    Returns:
        The exit code: 0 answered and ended normally, 1 refused, 2 the options cannot be used,
        3 no network, no port or nobody answers at all, 130 interrupted.
    """
    raise NotImplementedError
