"""The timeline of a call, as lines for people: what a failed expectation shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.observe import events
from ivrbench.observe.history import KEY_NAMES
from ivrbench.testing.stage import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["script_line", "short", "timeline", "title"]

LINES: Final = 25
"""So many lines, the newest, are shown."""
MAX_ARGUMENTS: Final = 40
"""Letters of a handler's arguments: onInvite gets all headers."""


def timeline(
    steps: Iterable[tuple[float, events.Event | Step]], leg: str, who: object
) -> tuple[str, ...]:
    """The last lines of a call.

    Args:
        steps: moments in seconds, and what happened then.
        leg: whose events.
        who: whose own steps.
    """
    names: dict[int, str] = {}
    lines: list[str] = []
    for at_s, event in steps:
        if isinstance(event, Step):
            if event.who is who:
                lines.append(f"{at_s:9.3f}  {event.text}")
            continue
        if getattr(event, "leg", "") != leg:
            continue
        if isinstance(event, events.ItemEnqueued):
            names[event.item] = f"▶ {title(event)}" if event.play else f"● {event.record}"
        line = _line(event, names)
        if line:
            lines.append(f"{at_s:9.3f}  {line}")
    return tuple(lines[-LINES:])


def script_line(told: Iterable[events.Event], leg: str) -> str:
    """The last thing the script did: "onDtmf(11, 100)  pin_collect.py:88".

    A handler is told of when it is over; while one runs it is what it asked for last.
    """
    found = ""
    for event in told:
        if getattr(event, "leg", "") != leg:
            continue
        if isinstance(event, events.ApiCalled):
            found = _api(event).strip()
        elif isinstance(event, (events.HandlerCalled, events.HandlerRaised)):
            found = _called(event) if event.handler != "__new__" else found
    return found


def short(name: str) -> str:
    """A file's name without its folder."""
    return Path(name).name


def title(item: events.ItemEnqueued) -> str:
    """What an item plays, for people: a file's name, or a text in quotation marks."""
    return f'"{item.text}"' if item.text else short(item.play)


def _line(event: events.Event, names: dict[int, str]) -> str:
    words = _WORDS.get(type(event))
    if words is not None:
        return words(event)
    if isinstance(event, events.ItemStarted):
        return names.get(event.item, "▶ ?")
    if isinstance(event, events.ItemEnded):
        because = f", {event.because}" if event.because else ""
        name = names.get(event.item, "▶ ?")
        return f"{name} is over: {event.reason} after {event.played_ms} ms{because}"
    return ""


def _called(event: events.HandlerCalled | events.HandlerRaised) -> str:
    arguments = event.arguments
    if len(arguments) > MAX_ARGUMENTS:
        arguments = arguments[:MAX_ARGUMENTS] + "…"
    return f"{event.handler}({arguments})  {short(event.file)}:{event.line}"


def _raised(event: events.HandlerRaised) -> str:
    return f"{_called(event)} raised {event.error_type}: {event.message}; {event.then}"


def _traced(event: events.SipTraced) -> str:
    again = " again" if event.retransmission else ""
    return f"{'>' if event.sent else '<'} {event.summary}{again}"


def _api(event: events.ApiCalled) -> str:
    return f"    {event.name}({event.arguments})  {short(event.file)}:{event.line}"


def _recorded(event: events.RecordingEnded) -> str:
    return f"{event.error or 'recorded'}: {short(event.file)}, {event.length_ms} ms"


# Any: each takes the event it stands under.
_WORDS: dict[type, Callable[..., str]] = {
    events.SipTraced: _traced,
    events.HandlerCalled: lambda e: "" if e.handler == "__new__" else _called(e),
    events.HandlerRaised: _raised,
    events.ApiCalled: _api,
    events.KeyReceived: lambda e: f"key {KEY_NAMES[e.key]} reached the engine",
    events.LogWritten: lambda e: f"log: {e.text}",
    events.LegWarned: lambda e: f"! {e.text}" if e.text else "",
    events.LegEnded: lambda e: f"the call is over: {e.by}, {e.code} {e.reason}".rstrip(),
    events.RecordingEnded: _recorded,
}
