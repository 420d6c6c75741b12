"""How events about legs change a `History`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from ivrbench.observe._fold_scripts import call_ended, call_started, generation_of
from ivrbench.observe.events import (
    ApiCalled,
    HandlerCalled,
    HandlerRaised,
    HandlerStarted,
    ItemEnded,
    ItemEnqueued,
    ItemStarted,
    KeyReceived,
    LegChanged,
    LegEnded,
    LegMeasured,
    LegsJoined,
    LegStarted,
    LegWarned,
    MediaAgreed,
    MediaEnded,
    MediaRestored,
    QueueFlushed,
    RecordingEnded,
    SipTraced,
    Stamped,
)
from ivrbench.observe.snapshot import HandlerStats, ItemView, LegView

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.history import History

__all__ = ["FOLDS", "KEY_NAMES", "keep_fact", "keep_message"]

KEY_NAMES = "0123456789*#ABCDF"
"""Key codes 0 to 16 as people write them; F is the hook flash."""

MAX_TIMELINE = 200
"""Events kept of one leg; about 200 × 150 bytes on the wire."""
MAX_ITEMS = 100
"""Playlist items kept of one leg; ended ones fall out first."""
MAX_KEYS = 64
MAX_LEG_MESSAGES = 200
"""SIP messages kept of one leg; a call of an hour with INFO keys and session timers has that."""
MAX_LEG_SIP_BYTES = 262_144  # 200 × about 1 300 bytes
FIRST_MESSAGES = 20
"""How the call began is never dropped: INVITE to ACK, with retransmissions."""


_UNHEARD = LegMeasured(
    leg="",
    in_dbfs=-100.0,
    in_peak_dbfs=-100.0,
    out_dbfs=-100.0,
    out_peak_dbfs=-100.0,
    item=0,
    position_ms=0,
    recorded_ms=0,
    buffer_ms=0,
    received=0,
    sent=0,
    lost=0,
    late=0,
    foreign=0,
    jitter_ms=0.0,
    rtt_ms=-1.0,
)
"""Levels of a leg that nobody watched."""


def keep_message(leg: LegView, stamped: Stamped) -> None:
    """Add one SIP message to its leg; between the first ones and the newest the oldest go."""
    leg.sip.append(stamped)
    while len(leg.sip) > FIRST_MESSAGES + 1 and (
        len(leg.sip) > MAX_LEG_MESSAGES or _sip_bytes(leg) > MAX_LEG_SIP_BYTES
    ):
        del leg.sip[FIRST_MESSAGES]
        leg.sip_dropped += 1


def _sip_bytes(leg: LegView) -> int:
    return sum(len(s.event.raw) for s in leg.sip if isinstance(s.event, SipTraced))


def _started(history: History, stamped: Stamped, event: LegStarted) -> None:
    leg = LegView(event, stamped.at_s)
    leg.timeline.append(stamped)
    history.live[event.leg] = leg
    call_started(history, event.script, event.generation)


def _changed(history: History, stamped: Stamped, event: LegChanged) -> None:
    leg = history.live.get(event.leg)
    if leg is None:
        return
    leg.state, leg.code, leg.reason = event.state, event.code, event.reason
    if event.state in ("up", "held") and not leg.answered_at_s:
        leg.answered_at_s = stamped.at_s
    keep_fact(leg, stamped)


def _ended(history: History, stamped: Stamped, event: LegEnded) -> None:
    leg = history.live.get(event.leg)
    if leg is None:
        return
    leg.state, leg.ended, leg.running = "done", event, None
    leg.code, leg.reason = event.code, event.reason
    for item in leg.items:
        if not item.is_over:
            item.state, item.because = "closed", "call ended"
    keep_fact(leg, stamped)
    history.finish(leg)
    call_ended(history, leg.started.script, leg.started.generation)


def _joined(history: History, stamped: Stamped, event: LegsJoined) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    before, after = history.leg(leg.joined), history.leg(event.other)
    if before is not None:
        before.joined = ""
    leg.joined, leg.is_direct = event.other, event.past_us
    if after is not None:
        after.joined, after.is_direct = event.leg, event.past_us
    keep_fact(leg, stamped)


def _warned(history: History, stamped: Stamped, event: LegWarned) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        leg.warning = event.text
        keep_fact(leg, stamped)


def _agreed(history: History, stamped: Stamped, event: MediaAgreed) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        leg.media = event
        keep_fact(leg, stamped)


def _measured(history: History, _: Stamped, event: LegMeasured) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        leg.measured = event


def _media_ended(history: History, _: Stamped, event: MediaEnded) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    last = leg.measured or _UNHEARD
    leg.measured = structs.replace(
        last,
        **{name: getattr(event, name) for name in event.__struct_fields__},
    )


def _enqueued(history: History, stamped: Stamped, event: ItemEnqueued) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    leg.items.append(ItemView(event))
    if len(leg.items) > MAX_ITEMS:
        over = next((i for i, item in enumerate(leg.items) if item.is_over), 0)
        del leg.items[over]
    keep_fact(leg, stamped)


def _item_started(history: History, stamped: Stamped, event: ItemStarted) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    item = _item(leg, event.item)
    if item is not None:
        item.state = "playing"
    keep_fact(leg, stamped)


def _item_ended(history: History, stamped: Stamped, event: ItemEnded) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    item = _item(leg, event.item)
    if item is not None:
        item.state, item.because = event.reason, event.because
        item.played_ms, item.recorded_ms = event.played_ms, event.recorded_ms
    keep_fact(leg, stamped)


def _item(leg: LegView, number: int) -> ItemView | None:
    return next((i for i in reversed(leg.items) if i.enqueued.item == number), None)


def _key(history: History, stamped: Stamped, event: KeyReceived) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    name = KEY_NAMES[event.key] if 0 <= event.key < len(KEY_NAMES) else "?"
    leg.keys = (leg.keys + name)[-MAX_KEYS:]
    leg.last_key = event
    keep_fact(leg, stamped)


def _handler_started(history: History, _: Stamped, event: HandlerStarted) -> None:
    leg = history.live.get(event.leg)
    if leg is not None:
        leg.running = event


def _handler_called(history: History, stamped: Stamped, event: HandlerCalled) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        _returned(leg, event.call, stamped)
        # What waited held nothing up.
        _count(history, leg, event.handler, 0.0 if event.waited else event.elapsed_ms)


def _handler_raised(history: History, stamped: Stamped, event: HandlerRaised) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        _returned(leg, event.call, stamped)
        leg.raised += 1
        _count(history, leg, event.handler, event.elapsed_ms, raised=1)


def _returned(leg: LegView, call: int, stamped: Stamped) -> None:
    if leg.running is not None and leg.running.call == call:
        leg.running = None
    keep_fact(leg, stamped)


def _count(
    history: History, leg: LegView, handler: str, elapsed_ms: float, raised: int = 0
) -> None:
    generation = generation_of(history, leg.started.script, leg.started.generation)
    if generation is not None:
        stats = generation.handlers.setdefault(handler, HandlerStats())
        stats.calls += 1
        stats.raised += raised
        stats.last_ms = elapsed_ms
        stats.worst_ms = max(stats.worst_ms, elapsed_ms)


def _fact(
    history: History, stamped: Stamped, event: QueueFlushed | ApiCalled | MediaRestored
) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        keep_fact(leg, stamped)


def keep_fact(leg: LegView, stamped: Stamped) -> None:
    """Add an event to the leg's timeline; the oldest fall out."""
    leg.timeline.append(stamped)
    # A quarter at a time: trimming costs nothing per event.
    if len(leg.timeline) > MAX_TIMELINE + MAX_TIMELINE // 4:
        del leg.timeline[:-MAX_TIMELINE]


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    LegStarted: _started,
    LegChanged: _changed,
    LegEnded: _ended,
    LegsJoined: _joined,
    LegWarned: _warned,
    MediaAgreed: _agreed,
    LegMeasured: _measured,
    MediaEnded: _media_ended,
    ItemEnqueued: _enqueued,
    ItemStarted: _item_started,
    ItemEnded: _item_ended,
    QueueFlushed: _fact,
    MediaRestored: _fact,
    KeyReceived: _key,
    HandlerStarted: _handler_started,
    HandlerCalled: _handler_called,
    HandlerRaised: _handler_raised,
    ApiCalled: _fact,
    RecordingEnded: _fact,
}
"""By event class, hence `Any`."""
