"""Keys we press towards the peer: telephone-events instead of audio (RFC 4733)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ivrbench.rtp import dtmf
from ivrbench.rtp.packet import RtpPacket

if TYPE_CHECKING:
    from ivrbench.media.lane import Lane
    from ivrbench.media.messages import SendKeys, StreamParams

__all__ = ["KeysOut"]


class KeysOut:
    """The packets that are still to be sent, one in each period."""

    def __init__(self) -> None:
        self._packets: deque[dtmf.EventPacket | None] = deque()
        self._begun_ts = 0

    def __len__(self) -> int:
        """Periods that are taken."""
        return len(self._packets)

    def add(self, command: SendKeys, stream: StreamParams, step_ms: int) -> bool:
        """Queue keys.

        Args:
            command: which.
            stream: what was agreed.
            step_ms: a packet's length.

        Returns:
            Whether there is anything to send.
        """
        if stream.dtmf_payload_type < 0:
            return False
        for key in command.keys:
            if not 0 <= key <= dtmf.FLASH:
                continue
            packets = dtmf.dtmf_packets(
                key, command.duration_ms, ptime_ms=step_ms, clock_rate_hz=stream.dtmf_clock_rate_hz
            )
            self._packets.extend(packets)
            # The copies of the last packet already take two periods of the gap.
            pause = max(1, -(-command.gap_ms // step_ms) - 2)
            self._packets.extend([None] * pause)
        return bool(self._packets)

    def next(self, lane: Lane, row: int, stream: StreamParams, ssrc: int) -> bytes | None:
        """The packet of this period; None: audio, in a gap between keys."""
        packet = self._packets.popleft()
        if packet is None:
            return None
        if packet.marker:
            self._begun_ts = int(lane.tx_ts[row])
        return RtpPacket(
            payload_type=stream.dtmf_payload_type,
            sequence=int(lane.seq[row]),
            timestamp=(self._begun_ts + packet.timestamp_offset) & 0xFFFF_FFFF,
            ssrc=ssrc,
            payload=packet.payload,
            marker=packet.marker,
        ).to_bytes()
