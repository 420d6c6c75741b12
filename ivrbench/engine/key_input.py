"""KeyInput: the keys of one call from all sources, one `onDtmf` per press."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import KeyReceived
from ivrbench.rtp.dtmf import KEY_NAMES, KeyPressed, KeyReleased
from ivrbench.rtp.keys import KeyAggregator, KeySource, ReportAt

if TYPE_CHECKING:
    import asyncio

    from ivrbench.media import messages

    from .session import Session

__all__ = ["KeyInput"]

SOURCE_NAMES: Final = {
    KeySource.RTP: "RFC 4733",
    KeySource.INFO: "INFO",
    KeySource.INBAND: "in-band",
}
MAX_KEYS_KEPT: Final = 256
"""For the call record; a caller leaning on the keypad does not fill the memory."""


class KeyInput:
    """Joins what RTP, tones and SIP INFO tell and hands each key to the script once.

    Args:
        session: whose keys.
    """

    def __init__(self, session: Session) -> None:
        settings = session.board.settings
        self._session = session
        self._aggregator: KeyAggregator | None = None
        self._settle_ms = settings.dtmf_settle_ms
        self._report = ReportAt(settings.dtmf_report)
        self._timer: asyncio.TimerHandle | None = None
        self.pressed = ""
        """Keys so far, as people write them."""

    def receive_rtp(self, event: messages.KeyPressed | messages.KeyReleased) -> None:
        """The media worker saw, or heard, a key go down or up."""
        if hasattr(event, "duration_ms"):
            seen: KeyPressed | KeyReleased = KeyReleased(event.key, event.duration_ms)
        else:
            seen = KeyPressed(event.key)
        source = KeySource.INBAND if event.inband else KeySource.RTP
        self._keys().receive(seen, source, event.at_s)
        self._report_keys()

    def receive_info(self, key: int, duration_ms: int) -> None:
        """A SIP INFO brought a key."""
        self._keys().receive_info(key, duration_ms, self._session.board.now())
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
        session = self._session
        while (report := keys.next_event()) is not None:
            if not session.port.switches.detect_keys:
                continue
            name = KEY_NAMES[report.key] if report.key < len(KEY_NAMES) else "flash"
            if len(self.pressed) < MAX_KEYS_KEPT:
                self.pressed += name[0]
            source = SOURCE_NAMES[report.source]
            session.board.publish(
                KeyReceived(session.leg.name, report.key, report.duration_ms, source)
            )
            because = f"key {name}"
            if not session.port.waits.take_key(report.key, report.duration_ms, because):
                session.tell_key(report.key, report.duration_ms, because)
        self._arm(keys.deadline())

    def _arm(self, deadline_s: float | None) -> None:
        self.close()
        if deadline_s is not None:
            delay_s = max(0.0, deadline_s - self._session.board.now())
            self._timer = self._session.board.loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._keys().on_deadline(self._session.board.now())
        self._report_keys()
