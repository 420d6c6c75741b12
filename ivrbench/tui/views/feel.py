"""How long things take a caller, always with the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.feel import key_feels, mouth_to_ear
from ivrbench.tui.text import cells

if TYPE_CHECKING:
    from ivrbench.observe.feel import KeyFeel
    from ivrbench.observe.snapshot import LegView, PhoneView
    from ivrbench.tui.model import Model

__all__ = ["feel_text", "way_text"]


def feel_text(model: Model, width: int) -> str:
    """The last key's way to the caller's ear with its parts, and the worst one."""
    phone = model.phone
    if phone is None:
        return ""
    feels = [feel for feel in key_feels(phone, model.phone_leg) if feel.sound_ms is not None]
    if not feels:
        return ""
    last = feels[-1]
    worst = max(feel.sound_ms or 0.0 for feel in feels)
    parts = {
        "tone": last.tone_ms,
        "settle": last.settle_ms,
        "script": last.script_ms,
        "audio": last.audio_ms or 0.0,
    }
    sound = _sound(last)
    return _first_that_fits(
        width,
        f"key→sound {sound} = {_named(parts)}, worst {worst:.0f} ms",
        f"key→sound {sound} = {_named(parts)} ms",
        f"key→sound {sound} = {_bare(parts)}, worst {worst:.0f} ms",
        f"key→sound {sound} = {_bare(parts)}",
    )


def way_text(phone: PhoneView, leg: LegView | None, width: int) -> str:
    """The way of a voice with its parts, "" while nothing is known."""
    way = mouth_to_ear(phone, leg)
    if way is None:
        return ""
    parts = {
        "mic": way.mic_ms,
        "packet": way.packet_ms,
        "path": way.path_ms,
        "buffer": way.buffer_ms,
        "speaker": way.speaker_ms,
    }
    return _first_that_fits(
        width,
        f"mouth→ear ≈ {way.total_ms:.0f} ms = {_named(parts)}",
        f"mouth→ear ≈ {way.total_ms:.0f} = {_bare(parts)}",
    )


def _sound(feel: KeyFeel) -> str:
    about = "" if feel.measured else "≈ "
    return f"{about}{feel.sound_ms or 0:.0f}"


def _named(parts: dict[str, float]) -> str:
    return " + ".join(f"{name} {ms:.0f}" for name, ms in parts.items())


def _bare(parts: dict[str, float]) -> str:
    """The parts in their order, which the help page tells."""
    return "+".join(f"{ms:.0f}" for ms in parts.values())


def _first_that_fits(width: int, *texts: str) -> str:
    return next((text for text in texts if cells(text) <= width), texts[-1])
