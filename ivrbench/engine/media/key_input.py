"""KeyInput: the keys of one call from all sources, one `onDtmf` per press."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from weakref import ref

from ivrbench.observe.events import KeyReceived
from ivrbench.rtp.dtmf import KEY_NAMES, KeyPressed, KeyReleased
from ivrbench.rtp.keys import KeyAggregator, KeySource, ReportAt

if TYPE_CHECKING:
    import asyncio

    from ivrbench.media import messages

    from ..leg import Leg
    from ..switchboard import Switchboard

__all__ = ["KeyInput", "KeyOwner"]

SOURCE_NAMES: Final = {
    KeySource.RTP: "RFC 4733",
    KeySource.INFO: "INFO",
    KeySource.INBAND: "in-band",
}
MAX_KEYS_KEPT: Final = 256
"""For the call record; a caller leaning on the keypad does not fill the memory."""


class KeyOwner(Protocol):
    """Whose keys they are."""

    @property
    def board(self) -> Switchboard:
        """The engine."""

    @property
    def leg(self) -> Leg:
        """The leg they come from."""

    @property
    def hears_keys(self) -> bool:
        """Somebody wants to hear of them."""

    def tell_key(self, key: int, duration_ms: int, because: str) -> None:
        """One press; `because` is for people: "key 1"."""

    def key_released(self, key: int, duration_ms: int) -> None:
        """RFC 4733 or INFO told that a key is up again; it may not have been told as a press."""


class KeyInput:
    """Joins what RTP, tones and SIP INFO tell and hands each key to the script once.

    Args:
        owner: whose keys.
    """

    def __init__(self, owner: KeyOwner) -> None:
        settings = owner.board.settings
        self._of = ref(owner)  # it has us, and must not wait for the collector
        self._aggregator: KeyAggregator | None = None
        self._settle_ms = settings.dtmf_settle_ms
        self._report = ReportAt(settings.dtmf_report)
        self._timer: asyncio.TimerHandle | None = None
        self.pressed = ""
        """Keys so far, as people write them."""

    @property
    def _owner(self) -> KeyOwner:
        owner = self._of()
        assert owner is not None, "it closes its keys when it goes"
        return owner

    def receive_rtp(self, event: messages.KeyPressed | messages.KeyReleased) -> None:
        """The media worker saw, or heard, a key go down or up."""
        if hasattr(event, "duration_ms"):
            seen: KeyPressed | KeyReleased = KeyReleased(event.key, event.duration_ms)
        else:
            seen = KeyPressed(event.key)
        source = KeySource.INBAND if event.inband else KeySource.RTP
        if isinstance(seen, KeyReleased) and not event.inband:
            self._owner.key_released(event.key, seen.duration_ms)
        self._keys().receive(seen, source, event.at_s)
        self._report_keys()

    def receive_info(self, key: int, duration_ms: int) -> None:
        """A SIP INFO brought a key."""
        self._owner.key_released(key, duration_ms)
        self._keys().receive_info(key, duration_ms, self._owner.board.now())
        self._report_keys()

    def flush(self) -> None:
        """Who saw the keys that are down sees no more of them: they count as released."""
        if self._aggregator is not None:
            self._aggregator.flush()
            self._report_keys()

    def close(self) -> None:
        """No more keys."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _keys(self) -> KeyAggregator:
        # Made with the first key: most calls of a busy machine never press one.
        if self._aggregator is None:
            self._aggregator = KeyAggregator(self._settle_ms, self._report)
        return self._aggregator

    def _report_keys(self) -> None:
        keys = self._keys()
        owner = self._owner
        while (report := keys.next_event()) is not None:
            if not owner.hears_keys:
                continue
            name = KEY_NAMES[report.key] if report.key < len(KEY_NAMES) else "flash"
            if len(self.pressed) < MAX_KEYS_KEPT:
                self.pressed += name[0]
            source = SOURCE_NAMES[report.source]
            owner.board.publish(KeyReceived(owner.leg.name, report.key, report.duration_ms, source))
            owner.tell_key(report.key, report.duration_ms, f"key {name}")
        self._arm(keys.deadline())

    def _arm(self, deadline_s: float | None) -> None:
        self.close()
        if deadline_s is not None:
            delay_s = max(0.0, deadline_s - self._owner.board.now())
            self._timer = self._owner.board.loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._keys().on_deadline(self._owner.board.now())
        self._report_keys()
