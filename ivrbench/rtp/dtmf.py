"""Keys as RFC 4733 telephone events: the receiving state machine and the packets to send.

Key numbers are the event codes: 0 to 9, 10 for `*`, 11 for `#`, 12 to 15 for A to D, 16 for flash.
"""

from __future__ import annotations

import enum
import struct
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.sequence import timestamp_diff

__all__ = [
    "FLASH",
    "KEY_NAMES",
    "DtmfReceiver",
    "EventPacket",
    "KeyPressed",
    "KeyReleased",
    "TelephoneEvent",
    "dtmf_packets",
    "key_from_name",
    "key_name",
    "parse_event",
]

KEY_NAMES: Final = "0123456789*#ABCD"
FLASH: Final = 16
RELEASE_AFTER_S: Final = 0.1  # as the reference server: 90 to 100 ms without a packet
MAX_DURATION_TS: Final = 0xFFFF  # sixteen bits
OLD_EVENT_S: Final = 10.0  # a timestamp this little behind is a late packet, not a new key
END_PACKETS: Final = 3  # RFC 4733 §2.5.1.4: the last packet is sent three times
DEFAULT_VOLUME: Final = 10  # -10 dBm0

_EVENT: Final = struct.Struct("!BBH")
_END_BIT: Final = 0x80
_VOLUME_MASK: Final = 0x3F


def key_name(key: int) -> str:
    """Return what a key is called: `0` to `9`, `*`, `#`, `A` to `D`, `flash`."""
    return "flash" if key == FLASH else KEY_NAMES[key]


def key_from_name(name: str) -> int | None:
    """Return the number of a key by its one character, None if there is no such key."""
    key = KEY_NAMES.find(name.upper()) if len(name) == 1 else -1
    return key if key >= 0 else None


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key went down."""

    key: int
    """Key number."""


@dataclass(frozen=True, slots=True)
class KeyReleased:
    """A key went up."""

    key: int
    """Key number."""
    duration_ms: int
    """How long it was down."""


class TelephoneEvent(NamedTuple):
    """The payload of one telephone-event packet (RFC 4733 §2.3)."""

    key: int
    """Event code."""
    end: bool
    """True once the key is up."""
    volume: int
    """Power in -dBm0, 0 to 63."""
    duration_ts: int
    """How long the key has been down, in RTP ticks since the packet's timestamp."""

    def to_bytes(self) -> bytes:
        """Return the payload."""
        flags = self.volume & _VOLUME_MASK | (_END_BIT if self.end else 0)
        return _EVENT.pack(self.key, flags, self.duration_ts)


def parse_event(payload: bytes) -> TelephoneEvent | None:
    """Read a telephone-event payload, None if it is too short."""
    if len(payload) < _EVENT.size:
        return None
    key, flags, duration_ts = _EVENT.unpack_from(payload)
    return TelephoneEvent(key, bool(flags & _END_BIT), flags & _VOLUME_MASK, duration_ts)


class _Key(enum.Enum):
    UP = "up"
    DOWN = "down"


class DtmfReceiver:
    """Turns telephone-event packets into one press and one release per key.

    A key is down from its first packet, whichever that is. It is up at a packet with the E bit,
    at a packet of another key, or 100 ms after its last packet. Call `next_event` until it
    returns None after each `receive` and `on_deadline`, and `on_deadline` when `deadline` passes.
    """

    def __init__(self, clock_rate_hz: int = 8000) -> None:
        """Begin with no key down.

        Args:
            clock_rate_hz: RTP clock of the telephone events.
        """
        self.clock_rate_hz = clock_rate_hz
        self._state = _Key.UP
        self._key = 0
        self._timestamp: int | None = None  # of the newest key or segment, down or up
        self._base_ts = 0  # length of the finished segments of a long key
        self._duration_ts = 0
        self._last_s = 0.0
        self._events: deque[KeyPressed | KeyReleased] = deque()

    def __repr__(self) -> str:
        return f"<DtmfReceiver key {self._key} {self._state.value}>"

    def receive(self, payload: bytes, timestamp: int, now: float) -> None:
        """Take one packet; anything that is no key is ignored.

        Args:
            payload: the telephone-event payload.
            timestamp: the packet's RTP timestamp, which names the press.
            now: when it came, seconds.
        """
        event = parse_event(payload)
        if event is None or event.key > FLASH:
            return
        if timestamp == self._timestamp:
            # Copies of an ended event and late packets of a key given up are known here.
            if self._state is _Key.DOWN and event.key == self._key:
                self._go_on(event, now)
        elif self._is_next_segment(event, timestamp):
            self._timestamp = timestamp
            self._base_ts += MAX_DURATION_TS
            self._duration_ts = 0
            self._go_on(event, now)
        elif not self._is_old(timestamp):
            self._release()
            self._press(event, timestamp, now)

    def next_event(self) -> KeyPressed | KeyReleased | None:
        """Return the next thing that happened, None if that was all."""
        return self._events.popleft() if self._events else None

    def deadline(self) -> float | None:
        """Return when `on_deadline` wants to be called, None while no key is down."""
        return self._last_s + RELEASE_AFTER_S if self._state is _Key.DOWN else None

    def on_deadline(self, now: float) -> None:
        """Release a key whose packets stopped coming."""
        deadline = self.deadline()
        if deadline is not None and now >= deadline:
            self._release()

    def reset(self) -> None:
        """Release a key that is down and forget the stream: a new one begins."""
        self._release()
        self._timestamp = None

    def _press(self, event: TelephoneEvent, timestamp: int, now: float) -> None:
        self._state = _Key.DOWN
        self._key, self._timestamp = event.key, timestamp
        self._base_ts = self._duration_ts = 0
        self._events.append(KeyPressed(event.key))
        self._go_on(event, now)

    def _go_on(self, event: TelephoneEvent, now: float) -> None:
        self._last_s = now
        self._duration_ts = max(self._duration_ts, event.duration_ts)
        if event.end:
            self._release()

    def _release(self) -> None:
        if self._state is _Key.UP:
            return
        self._state = _Key.UP
        ticks = self._base_ts + self._duration_ts
        self._events.append(KeyReleased(self._key, round(ticks * 1000 / self.clock_rate_hz)))

    def _is_next_segment(self, event: TelephoneEvent, timestamp: int) -> bool:
        # RFC 4733 §2.5.1.3: a key longer than the field can say goes on in a new segment, whose
        # timestamp is the end of the one before.
        return (
            self._state is _Key.DOWN
            and self._timestamp is not None
            and event.key == self._key
            and timestamp_diff(timestamp, self._timestamp) == MAX_DURATION_TS
        )

    def _is_old(self, timestamp: int) -> bool:
        if self._timestamp is None:
            return False
        behind_ts = timestamp_diff(self._timestamp, timestamp)
        return 0 < behind_ts < OLD_EVENT_S * self.clock_rate_hz


class EventPacket(NamedTuple):
    """One packet of a key to be sent; the next one follows a packet time later."""

    payload: bytes
    """The telephone-event payload."""
    marker: bool
    """Marker bit: True on the first packet of the key."""
    timestamp_offset: int
    """What to add to the RTP timestamp at which the key went down."""


def dtmf_packets(
    key: int,
    duration_ms: int,
    *,
    ptime_ms: int = 20,
    clock_rate_hz: int = 8000,
    volume: int = DEFAULT_VOLUME,
) -> list[EventPacket]:
    """Return the packets that send a key, one for each packet time.

    All carry the RTP timestamp at which the key went down (plus `timestamp_offset` for keys
    longer than 65535 ticks), while sequence numbers go on counting. The last packet comes
    three times; the audio clock keeps running meanwhile.

    Args:
        key: key number, 0 to 16.
        duration_ms: how long it is down; at least one packet time is sent.
        ptime_ms: packet time.
        clock_rate_hz: RTP clock of the telephone events.
        volume: power in -dBm0, 0 to 63.

    Raises:
        LocalProtocolError: there is no such key.
    """
    if not 0 <= key <= FLASH:
        raise LocalProtocolError(f"There is no key number {key}.")
    step_ts = ptime_ms * clock_rate_hz // 1000
    total_ts = max(duration_ms * clock_rate_hz // 1000, step_ts)
    packets: list[EventPacket] = []
    for reached_ts in (*range(step_ts, total_ts, step_ts), *[total_ts] * END_PACKETS):
        # RFC 4733 §2.5.1.3: each segment but the last is as long as the field can say.
        segment = (reached_ts - 1) // MAX_DURATION_TS
        offset_ts = segment * MAX_DURATION_TS
        end = reached_ts == total_ts
        event = TelephoneEvent(key, end, volume, reached_ts - offset_ts)
        packets.append(EventPacket(event.to_bytes(), not packets, offset_ts))
    return packets
