"""KeySender: the phone's keys, one after the other, as events, as INFO or as tones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.audio.frame import FRAME_MS
from ivrbench.rtp.info import build_dtmf_relay

from .facts import KeyPressed, Noted
from .keys import KeyQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .keys import Press, Step
    from .rtp_stream import RtpStream

__all__ = ["KeySender"]


class KeySender:
    """Presses the keys that wait.

    Args:
        stream: where events and tones go.
        by: how keys are sent, one of `observe.phones.KEYS_BY`; may be changed at any time.
        send_info: sends the body of an INFO request, at the time given.
    """

    def __init__(
        self, stream: RtpStream, by: str, send_info: Callable[[bytes, float], None]
    ) -> None:
        self._stream = stream
        self.by = by
        self._send_info = send_info
        self._queue = KeyQueue(FRAME_MS)

    def add(self, steps: Iterable[Step]) -> None:
        """Press these after those still waiting."""
        self._queue.add(steps)

    def hold_on(self, name: str) -> None:
        """The key repeats on the keyboard: it is held longer, if it is still down."""
        held = self._queue.hold_on(name)
        if held is not None:
            self._stream.hold_on(*held)

    def run_frame(self, now: float) -> KeyPressed | Noted | None:
        """Move on by one frame; gives what happened if a key went down."""
        press = self._queue.next_frame()
        return None if press is None else self._press(press, now)

    def _press(self, press: Press, now: float) -> KeyPressed | Noted:
        if self.by == "inband":
            way = "in-band"
            self._stream.sound_key(press)
        elif self.by != "info" and self._stream.press(press):
            way = "RFC 4733"
        elif self.by == "rfc4733":
            return Noted(f"key {press.name} not sent: no RFC 4733 was agreed on")
        else:
            way = "SIP INFO"
            self._send_info(build_dtmf_relay(press.key, press.duration_ms), now)
        return KeyPressed(press.name, press.duration_ms, way)
