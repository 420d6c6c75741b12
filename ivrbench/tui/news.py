"""Sentences that stay on the strip for a while: what a reload did, what a handler raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.tui.text import count

if TYPE_CHECKING:
    from ivrbench.observe.events import ConfigChanged, HandlerRaised, ScriptFailed, ScriptLoaded
    from ivrbench.observe.snapshot import ScriptView
    from ivrbench.tui.theme import Glyphs

__all__ = ["NEWS_S", "News", "config_text", "failed_text", "loaded_text", "raised_text"]

NEWS_S = 8.0
"""How long a piece of news stays on the strip."""


@dataclass(frozen=True, slots=True)
class News:
    """One sentence that stays on the strip for `NEWS_S`."""

    at_s: float
    text: str
    role: str = ""


def config_text(glyphs: Glyphs, event: ConfigChanged) -> tuple[str, str]:
    """`ivr.conf` was saved: what changed, and what waits for a restart; with its role."""
    if event.error:
        return f"{glyphs.bad} ivr.conf is not used: {event.error}", "bad"
    changed = len(event.applied) + len(event.needs_restart)
    text = f"ivr.conf: {count(changed, 'setting')} changed"
    if not event.needs_restart:
        return f"{glyphs.ok} {text}", "ok"
    n_later, names = len(event.needs_restart), ", ".join(event.needs_restart)
    verb = "needs" if n_later == 1 else "need"
    return f"{glyphs.warn} {text}, {n_later} {verb} a restart ({names})", "warn"


def raised_text(glyphs: Glyphs, event: HandlerRaised) -> str:
    """A handler raised: which, where, and what became of the call."""
    return (
        f"{glyphs.bad} {event.leg} {event.handler} raised {event.error_type} "
        f"{glyphs.dot} {event.file.rpartition('/')[2]}:{event.line} "
        f"{glyphs.dot} {event.then}"
    )


def failed_text(glyphs: Glyphs, event: ScriptFailed) -> str:
    """A version did not load: why, and what serves."""
    serving = event.serving_generation
    then = f"@{serving} keeps serving" if serving else "calls are refused"
    where = f" line {event.line}" if event.line else ""
    return (
        f"{glyphs.bad} {event.script}@{event.generation} FAILED{where} "
        f"{event.error_type} {event.message} {glyphs.dot} {then}"
    )


def loaded_text(glyphs: Glyphs, event: ScriptLoaded, script: ScriptView) -> str:
    """A version loaded: how quickly, why, and which calls stay on older ones."""
    older = [g for g in script.generations if g.state == "older"]
    calls = f" {glyphs.dot} {count(script.live_calls, 'call')}" if script.live_calls else ""
    on_older = ", ".join(f"{g.live_calls} on @{g.generation}" for g in older)
    because = f": {event.because}" if event.because else ""
    return (
        f"{glyphs.ok} {event.script}@{event.generation} loaded in {event.load_ms:.0f} ms"
        f"{because}{calls}" + (f" ({on_older})" if on_older else "")
    )
