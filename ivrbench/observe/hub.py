"""The hub: the engine publishes each event once, every client gets it at its own pace."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ivrbench.observe import wire
from ivrbench.observe.commands import Watch
from ivrbench.observe.events import COALESCING, Event, LegMeasured, Stamped
from ivrbench.observe.snapshot import WholeLegs

if TYPE_CHECKING:
    from collections.abc import Callable

    from msgspec import Raw

    from ivrbench.clock import Clock
    from ivrbench.observe.commands import Answered
    from ivrbench.observe.history import History
    from ivrbench.observe.snapshot import LegView

__all__ = ["MAX_BEHIND_S", "MAX_QUEUED_FACTS", "MAX_WHOLE_LEGS", "Feed", "Hub"]

MAX_BEHIND_S = 10.0
"""A client whose oldest unsent fact is older than this is cut."""
MAX_QUEUED_FACTS = 200_000
"""1 000 calls/s × 20 facts each × 10 s."""
MAX_WHOLE_LEGS = 100
"""Legs that a newcomer gets with timeline and messages, about 30 kB each; the others are brief
until it watches them. Encoding a snapshot keeps the engine's loop from its work."""
MAX_BATCH_EVENTS = 1_000
"""Events in one frame, so that the client shows something before all have come."""

_COALESCING = frozenset(COALESCING)


class _Queued:
    """An event on its way; encoded when the first client sends it, then shared."""

    __slots__ = ("encoded", "now_s", "stamped")

    def __init__(self, stamped: Stamped, now_s: float) -> None:
        self.stamped = stamped
        self.now_s = now_s
        self.encoded: Raw | None = None

    def raw(self) -> Raw:
        if self.encoded is None:
            self.encoded = wire.encode_event(self.stamped)
        return self.encoded


class Feed:
    """One client's queue. Facts wait in order; of coalescing events only the newest waits.

    Args:
        wake: called when there is something to take, or when the client is cut.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._facts: deque[_Queued] = deque()
        self._newest: dict[tuple[type, str], _Queued] = {}
        self._answers: list[bytes] = []
        self._whole: list[LegView] = []
        self.brief: set[str] = set()
        """Legs of which it knows only what the list shows."""
        self.watch = Watch()
        self.is_cut = False
        """True: too far behind; close the connection, the client comes back for a snapshot."""
        self.coalesced = 0
        """Events replaced by a newer one before they were sent."""

    def put(self, queued: _Queued) -> None:
        """Queue one event."""
        event = queued.stamped.event
        if type(event) in _COALESCING:
            if isinstance(event, LegMeasured) and not self._watches(event.leg):
                return
            key = (type(event), getattr(event, "phone", "") or getattr(event, "leg", ""))
            self.coalesced += self._newest.pop(key, None) is not None
            self._newest[key] = queued
        else:
            self._facts.append(queued)
            if self._is_behind(queued.now_s):
                self.cut()
        self._wake()

    def answer(self, answered: Answered) -> None:
        """Queue an answer; it goes out after the events before it."""
        self._answers.append(wire.frame(answered))
        self._wake()

    def tell_whole(self, legs: list[LegView]) -> None:
        """Queue legs; they are encoded when they go out, after all events that made them."""
        self._whole += legs
        self._wake()

    def cut(self) -> None:
        """Give the client up: what it has not got is dropped."""
        self.is_cut = True
        self._facts.clear()
        self._newest.clear()
        self._wake()

    def take(self) -> list[bytes]:
        """Everything that waits, as frames ready to send."""
        waiting = sorted((*self._facts, *self._newest.values()), key=lambda q: q.stamped.seq)
        self._facts.clear()
        self._newest.clear()
        frames = [
            wire.batch_frame([queued.raw() for queued in waiting[at : at + MAX_BATCH_EVENTS]])
            for at in range(0, len(waiting), MAX_BATCH_EVENTS)
        ]
        if self._whole:
            frames.append(wire.frame(WholeLegs(self._whole)))
            self._whole.clear()
        frames += self._answers
        self._answers.clear()
        return frames

    def _watches(self, leg: str) -> bool:
        return self.watch.all_legs or leg in self.watch.legs

    def _is_behind(self, now_s: float) -> bool:
        oldest_s = self._facts[0].now_s
        return now_s - oldest_s > MAX_BEHIND_S or len(self._facts) > MAX_QUEUED_FACTS


class Hub:
    """Stamps events, folds them into the history and hands them to every client.

    Call it on the engine's loop only. Without clients an event costs its fold and no more.

    Args:
        clock: for the stamps and for telling who is behind.
        history: the state that newcomers get.
        on_watch: called with the legs that some client wants levels of (True as the second
            argument: of all legs), when that changes.
    """

    def __init__(
        self,
        clock: Clock,
        history: History,
        on_watch: Callable[[frozenset[str], bool], None] | None = None,
    ) -> None:
        self._clock = clock
        self.history = history
        self.on_watch = on_watch
        self.on_inspect: Callable[[frozenset[str]], None] | None = None
        """Called with legs whose attributes a client wants and none wanted before."""
        self.inspected: frozenset[str] = frozenset()
        """Legs whose attributes some client wants."""
        self._feeds: list[Feed] = []
        self._watched: tuple[frozenset[str], bool] = (frozenset(), False)
        self.on_event: Callable[[Stamped], None] | None = None
        """Called with every event, for whoever counts in the engine's own process."""
        self.clients_behind = 0
        """Clients cut because they were too far behind."""
        self.clients_garbled = 0
        """Clients cut because they sent something unusable."""

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._feeds)

    def publish(self, event: Event) -> Stamped:
        """Tell everyone what happened.

        Returns:
            The event with its number and time.
        """
        stamped = Stamped(self.history.seq + 1, self._clock.wall(), event)
        self.history.apply(stamped)
        if self.on_event is not None:
            self.on_event(stamped)
        if self._feeds:
            queued = _Queued(stamped, self._clock.now())
            for feed in self._feeds:
                feed.put(queued)
            if any(feed.is_cut for feed in self._feeds):
                self._drop_cut()
        return stamped

    def connect(self, wake: Callable[[], None]) -> tuple[bytes, Feed]:
        """A new client.

        Args:
            wake: called when the feed has something to take.

        Returns:
            The snapshot, framed, and the feed of everything after it.
        """
        feed = Feed(wake)
        self._feeds.append(feed)
        snapshot = self.history.snapshot(MAX_WHOLE_LEGS)
        legs = (*snapshot.live.values(), *snapshot.done.values())
        feed.brief = {leg.name for leg in legs if leg.brief}
        return wire.frame(snapshot), feed

    def disconnect(self, feed: Feed) -> None:
        """A client went away; also right for one that was cut."""
        if feed in self._feeds:
            self._feeds.remove(feed)
        self._update_watch()

    def watch(self, feed: Feed, command: Watch) -> None:
        """A client wants levels of these legs, and of no others any more.

        Those that it knows only in brief it gets whole.
        """
        feed.watch = command
        wanted = feed.brief.intersection((*command.legs, *command.inspected))
        if wanted:
            feed.brief -= wanted
            legs = (self.history.leg(name) for name in sorted(wanted))
            feed.tell_whole([leg for leg in legs if leg is not None])
        self._update_watch()

    def _drop_cut(self) -> None:
        for feed in [feed for feed in self._feeds if feed.is_cut]:
            self.clients_behind += 1
            self.disconnect(feed)

    def _update_watch(self) -> None:
        legs = frozenset(leg for feed in self._feeds for leg in feed.watch.legs)
        watched = (legs, any(feed.watch.all_legs for feed in self._feeds))
        if watched != self._watched:
            self._watched = watched
            if self.on_watch is not None:
                self.on_watch(*watched)
        before = self.inspected
        self.inspected = frozenset(leg for feed in self._feeds for leg in feed.watch.inspected)
        if self.on_inspect is not None and self.inspected - before:
            self.on_inspect(self.inspected - before)
