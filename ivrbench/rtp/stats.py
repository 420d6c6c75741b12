"""What one direction of an RTP stream did: counts, loss, jitter (RFC 3550 §6.4.1)."""

from __future__ import annotations

from typing import Final

from ivrbench.rtp.rtcp import ReportBlock, SenderReport, ntp_middle
from ivrbench.rtp.sequence import Arrival, SequenceTracker, timestamp_diff

__all__ = ["ReceptionStats"]

JITTER_GAIN: Final = 16  # RFC 3550 A.8
MAX_LOST: Final = 0x7FFFFF  # 24 bits, signed
MIN_LOST: Final = -0x800000
DELAY_UNITS_PER_S: Final = 65_536  # RFC 3550 §6.4.1: DLSR counts 1/65536 s
MAX_DELAY: Final = 0xFFFFFFFF


class ReceptionStats:
    """Counts the packets of one received stream and writes report blocks about it."""

    def __init__(self, ssrc: int, clock_rate_hz: int = 8000) -> None:
        """Begin to count.

        Args:
            ssrc: the stream.
            clock_rate_hz: its RTP clock.
        """
        self.ssrc = ssrc
        self.clock_rate_hz = clock_rate_hz
        self.sequences = SequenceTracker()
        self.octets = 0
        """Payload bytes received."""
        self._jitter_ts = 0.0
        self._last: tuple[int, float] | None = None  # RTP timestamp, arrival time
        self._reported_expected = 0
        self._reported_received = 0
        self._last_report: tuple[int, float] | None = None  # middle NTP bits, arrival time

    def __repr__(self) -> str:
        return f"<ReceptionStats ssrc={self.ssrc:08x} {self.sequences!r} {self.jitter_ms:.1f} ms>"

    @property
    def jitter_ms(self) -> float:
        """Inter-arrival jitter in milliseconds."""
        return self._jitter_ts * 1000 / self.clock_rate_hz

    def receive(self, sequence: int, timestamp: int, payload_bytes: int, now: float) -> Arrival:
        """Count one packet.

        Args:
            sequence: its sequence number.
            timestamp: its RTP timestamp.
            payload_bytes: length of its payload.
            now: when it came, seconds.

        Returns:
            How it fits into the stream.
        """
        arrival = self.sequences.receive(sequence)
        if arrival is Arrival.SUSPECT:
            return arrival
        self.octets += payload_bytes
        if arrival is Arrival.RESTARTED:
            self._jitter_ts, self._last = 0.0, None
            self._reported_expected = self._reported_received = 0
        if arrival is not Arrival.DUPLICATE:
            self._update_jitter(timestamp, now)
        return arrival

    def _update_jitter(self, timestamp: int, now: float) -> None:
        if self._last is not None and timestamp != self._last[0]:
            # RFC 3550 A.8; packets of one timestamp (RFC 4733 events) say nothing about transit.
            sent_ts = timestamp_diff(timestamp, self._last[0])
            passed_ts = (now - self._last[1]) * self.clock_rate_hz
            self._jitter_ts += (abs(passed_ts - sent_ts) - self._jitter_ts) / JITTER_GAIN
        if self._last is None or timestamp != self._last[0]:
            self._last = (timestamp, now)

    def receive_report(self, report: SenderReport, now: float) -> None:
        """Note the peer's sender report, so that the peer can tell the round trip from ours."""
        self._last_report = (ntp_middle(report.ntp_timestamp), now)

    def report(self, now: float) -> ReportBlock:
        """Return a report block about the time since the last one.

        Args:
            now: seconds, the clock of `receive`.
        """
        sequences = self.sequences
        # RFC 3550 A.3
        expected = sequences.expected - self._reported_expected
        lost = expected - (sequences.received - self._reported_received)
        self._reported_expected = sequences.expected
        self._reported_received = sequences.received
        last_report, delay = 0, 0
        if self._last_report is not None:
            last_report = self._last_report[0]
            waited_s = max(now - self._last_report[1], 0.0)
            delay = min(round(waited_s * DELAY_UNITS_PER_S), MAX_DELAY)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min((lost << 8) // expected, 255) if expected > 0 and lost > 0 else 0,
            lost=min(max(sequences.lost, MIN_LOST), MAX_LOST),
            highest_sequence=sequences.highest & 0xFFFFFFFF,
            jitter_ts=min(int(self._jitter_ts), 0xFFFFFFFF),
            last_report=last_report,
            delay=delay,
        )
