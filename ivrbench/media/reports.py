"""RTCP of one call: reports every five seconds or so, BYE at the end, round-trip time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SdesItem,
    SenderReport,
    SourceDescription,
    build_description,
    build_rtcp,
    ntp_from_unix,
    ntp_middle,
    parse_rtcp,
    round_trip_s,
)

if TYPE_CHECKING:
    import random

    from ivrbench.rtp.rtcp import RtcpPacket

__all__ = ["Reception", "RtcpReporter"]

INTERVAL_S: Final = 5.0
"""RFC 3550 §6.2: the minimum between reports, on average."""
CNAME: Final = 1
"""SDES item type (RFC 3550 §12.2)."""


class Reception:
    """What a report needs to know about the stream that is received."""

    __slots__ = ("expected", "highest", "jitter_ts", "received", "ssrc")

    def __init__(
        self, ssrc: int, highest: int, expected: int, received: int, jitter_ts: int
    ) -> None:
        self.ssrc = ssrc
        self.highest = highest
        """Extended highest sequence number."""
        self.expected = expected
        self.received = received
        self.jitter_ts = jitter_ts


class RtcpReporter:
    """Builds and reads the RTCP of one call.

    Args:
        ssrc: of the stream we send.
        random_source: for the intervals and the CNAME.
        wall_offset_s: what to add to `now` for seconds since 1970.
    """

    def __init__(self, ssrc: int, random_source: random.Random, wall_offset_s: float) -> None:
        self._ssrc = ssrc
        self._random = random_source
        self._wall_offset_s = wall_offset_s
        # RFC 7022 §4.2: a CNAME that lives as long as the session, at least 96 random bits.
        cname = random_source.getrandbits(96).to_bytes(12, "big").hex().encode()
        self._description = build_description(SourceDescription((SdesItem(ssrc, CNAME, cname),)))
        self._last_sr = 0
        self._last_sr_at = 0.0
        self._expected_before = 0
        self._received_before = 0
        self.rtt_s: float | None = None
        self.invalid = 0
        """Datagrams that are not RTCP."""

    def next_interval_s(self) -> float:
        """RFC 3550 §6.2: between half and one and a half of the interval, by chance."""
        return INTERVAL_S * (0.5 + self._random.random())

    def report(
        self,
        now: float,
        *,
        rtp_ts: int,
        packets: int,
        octets: int,
        sending: bool,
        reception: Reception | None,
        goodbye: bool = False,
    ) -> bytes:
        """The compound packet that is due.

        Args:
            now: seconds.
            rtp_ts: our RTP clock now.
            packets: packets sent since the call began.
            octets: payload bytes sent.
            sending: we sent since the last report.
            reception: about what we receive, None before the first packet.
            goodbye: the call ends.
        """
        blocks = (self._block(reception, now),) if reception is not None else ()
        ntp = ntp_from_unix(now + self._wall_offset_s)
        first: RtcpPacket
        if sending:
            first = SenderReport(
                self._ssrc, ntp, rtp_ts, packets & 0xFFFF_FFFF, octets & 0xFFFF_FFFF, blocks
            )
        else:
            first = ReceiverReport(self._ssrc, blocks)
        parts = (first, Goodbye((self._ssrc,))) if goodbye else (first,)
        return build_rtcp(parts, self._description)

    def receive(self, data: bytes, arrived: float) -> None:
        """Take a datagram from the peer's RTCP port.

        Args:
            data: the datagram; garbage is counted and dropped.
            arrived: when it came, on the clock of `report`.
        """
        packets = parse_rtcp(data)
        if packets is None:
            self.invalid += 1
            return
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._last_sr = ntp_middle(packet.ntp_timestamp)
                self._last_sr_at = arrived
            if isinstance(packet, SenderReport | ReceiverReport):
                self._note_round_trip(packet.reports, arrived)

    def _note_round_trip(self, blocks: tuple[ReportBlock, ...], arrived: float) -> None:
        for block in blocks:
            if block.ssrc == self._ssrc:
                rtt_s = round_trip_s(block, ntp_from_unix(arrived + self._wall_offset_s))
                if rtt_s is not None:
                    self.rtt_s = rtt_s

    def _block(self, reception: Reception, now: float) -> ReportBlock:
        # RFC 3550 A.3
        expected = reception.expected - self._expected_before
        lost = expected - (reception.received - self._received_before)
        self._expected_before = reception.expected
        self._received_before = reception.received
        all_lost = reception.expected - reception.received
        waited_s = max(0.0, now - self._last_sr_at)
        return ReportBlock(
            ssrc=reception.ssrc,
            fraction_lost=min((lost << 8) // expected, 255) if expected > 0 and lost > 0 else 0,
            lost=min(max(all_lost, -0x80_0000), 0x7F_FFFF),
            highest_sequence=reception.highest & 0xFFFF_FFFF,
            jitter_ts=reception.jitter_ts,
            last_report=self._last_sr,
            delay=min(round(waited_s * 65_536), 0xFFFF_FFFF) if self._last_sr else 0,
        )
