"""The dial box of the Call screen: whom to call, how, and who takes what scripts call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.phone_choice import idle_phone
from ivrbench.tui.text import Line, fit, line

if TYPE_CHECKING:
    from ivrbench.tui.model import Model

__all__ = ["dial_lines"]


def dial_lines(model: Model, width: int) -> list[Line]:
    """Whom to call and how, with the keys that change it."""
    phone = model.phone
    switches = phone.switches if phone is not None and phone.ended is None else None
    voice = switches.voice if switches else model.phone_voice or "microphone"
    keys_by = switches.keys_by if switches else model.phone_keys_by or "auto"
    network = "good"
    if switches and (switches.loss_percent or switches.delay_ms or switches.jitter_ms):
        network = (
            f"lose {switches.loss_percent:g} %, delay {switches.delay_ms}, "
            f"jitter {switches.jitter_ms} ms"
        )
    if switches and switches.rtcp_broken:
        network = f"no RTCP, {network}"
    rows = (
        ("d", "to", model.dial_target or "no script"),
        ("v", "say", voice),
        ("g", "codec", model.sound.codec.upper() or "PCMU, PCMA"),
        ("k", "keys by", {"auto": "RFC 4733 or INFO"}.get(keys_by, keys_by)),
        ("n", "network", network),
        ("o", "sound", _sound_text(model)),
        ("w", "callee", _callee_text(model)),
    )
    lines = [
        line((f" {key} ", "accent"), (f"{name:8}", "dim"), fit(value, max(0, width - 12)))
        for key, name, value in rows
    ]
    on = "on" if model.redial_on_reload else "off"
    lines.append(line((" ^R", "accent"), (f" on reload [{on}]", "")))
    return lines


def _callee_text(model: Model) -> str:
    """What becomes of calls that scripts make."""
    idle = idle_phone(model)
    if idle is None:
        return "not here"
    if idle.started.target:
        return f"is {idle.started.target.partition(':')[2]}"
    answers = idle.started.answers
    words = {"ring": "rings here", "answer": "answers", "never": "rings, never answers"}
    return words.get(answers) or f"refuses with {answers}"


def _sound_text(model: Model) -> str:
    """The cards of the call that is up, else those of the next one."""
    phone, chosen = model.phone, model.sound
    if phone is not None and phone.ended is None and phone.switches is not None:
        switches = phone.switches
        names = dict.fromkeys(name for name in (switches.microphone, switches.speaker) if name)
        return ", ".join(names) or "no card"
    if not chosen.used:
        return "no card"
    names = dict.fromkeys(name or "system's choice" for name in (chosen.microphone, chosen.speaker))
    return ", ".join(names)
