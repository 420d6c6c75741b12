"""Logging: one logger per layer (`ivrbench.sip`, `ivrbench.script`, …), one line per fact.

Modules log with `logging.getLogger("ivrbench.LAYER")` and `%`-style arguments. What belongs to a
call is logged through `for_leg`, so that the line and the workbench know the leg.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "LEVELS",
    "LineFormatter",
    "LogLine",
    "configure",
    "for_leg",
    "line_of",
    "set_level",
    "tee",
]

ROOT: Final = "ivrbench"
LEVELS: Final = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""`logging`'s level for each of ours: 0 error, 1 warning, 2 information, 3 debug."""
_NAMES: Final = ("ERROR", "WARN", "INFO", "DEBUG")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log record in the project's terms."""

    at_s: float
    """Wall clock, seconds since 1970."""
    level: int
    """0 error, 1 warning, 2 information, 3 debug."""
    source: str
    """The layer: "sip", "rtp", "script", …"""
    text: str
    leg: str = ""
    script: str = ""
    detail: str = ""
    """More lines, such as a traceback."""


def line_of(record: logging.LogRecord) -> LogLine:
    """A `logging` record as a `LogLine`."""
    detail = record.exc_text or ""
    if record.exc_info and not detail:
        detail = logging.Formatter().formatException(record.exc_info)
    text, _, more = record.getMessage().partition("\n")
    return LogLine(
        at_s=record.created,
        level=next((i for i, level in enumerate(LEVELS) if record.levelno >= level), 3),
        source=record.name.removeprefix(f"{ROOT}."),
        text=text,
        leg=getattr(record, "leg", ""),
        script=getattr(record, "script", ""),
        detail="\n".join(part for part in (more, detail) if part),
    )


class LineFormatter(logging.Formatter):
    """`19:41:55.310 INFO  sip    c12 the text`; details on indented lines below."""

    def format(self, record: logging.LogRecord) -> str:
        line = line_of(record)
        clock = time.strftime("%H:%M:%S", time.localtime(line.at_s))
        leg = f"{line.leg} " if line.leg else ""
        head = f"{clock}.{int(line.at_s * 1000) % 1000:03} {_NAMES[line.level]:5}"
        lines = [f"{head} {line.source:6} {leg}{line.text}"]
        lines += [f"    {more}" for more in line.detail.splitlines()]
        return "\n".join(lines)


class _Tee(logging.Handler):
    """Hands each line to a function; used to publish log lines as events."""

    def __init__(self, take: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(line_of(record))


def configure(level: int, stream: TextIO) -> None:
    """Send the log to `stream`, in place of where it went before.

    Args:
        level: 0 errors only … 3 everything.
        stream: where lines go; the engine's is stderr, so that stdout stays free for data.
    """
    logger = logging.getLogger(ROOT)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logger.addHandler(handler)
    logger.propagate = False
    set_level(level)


def set_level(level: int) -> None:
    """Change how much is logged; takes effect at once."""
    logging.getLogger(ROOT).setLevel(LEVELS[level])


def tee(take: Callable[[LogLine], None]) -> Callable[[], None]:
    """Also hand every line to `take`, from the thread that logs it.

    Returns:
        a function that ends it.
    """
    handler = _Tee(take)
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    return lambda: logger.removeHandler(handler)


def for_leg(
    logger: logging.Logger, leg: str, script: str = ""
) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry the leg's name ("c12") and its script."""
    extra: dict[str, Any] = {"leg": leg, "script": script}  # Any: logging's own type for it
    return logging.LoggerAdapter(logger, extra)
