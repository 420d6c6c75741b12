"""RtpStream: the audio of one call, both ways, a frame of 20 ms at a time; no socket, no clock."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import FRAME_MS
from ivrbench.audio.tones import dtmf_tone
from ivrbench.rtp.dtmf import EventPacket, dtmf_packets
from ivrbench.rtp.packet import RtpPacket
from ivrbench.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SdesItem,
    SenderReport,
    SourceDescription,
    build_rtcp,
    is_rtcp,
    ntp_from_unix,
    parse_rtcp,
    round_trip_s,
)
from ivrbench.rtp.sequence import sequence_add, timestamp_add

from .codec import CODECS, Line, at_rate, rate_of
from .hearing import Ear, Hearing
from .levels import LevelWindow

if TYPE_CHECKING:
    from ivrbench.sdp.description import Codec
    from ivrbench.sdp.negotiate import Agreement
    from ivrbench.sip.flow import Address

    from .facts import Figures
    from .keys import Press
    from .voice import Frame, Speaker

__all__ = ["FRAME_S", "RtpStream", "StreamIdentity"]

FRAME_S: Final = FRAME_MS / 1000
CNAME: Final = 1  # RFC 3550 §6.5.1
FIRST_REPORT_S: Final = 2.5
# We differ: RFC 3550 §6.2 spreads reports at random, as large groups need.
REPORT_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """Where a stream's numbers begin; random, so that nobody can guess them (RFC 3550 §5.1)."""

    ssrc: int = field(default_factory=lambda: secrets.randbits(32))
    first_sequence: int = field(default_factory=lambda: secrets.randbits(16))
    first_timestamp: int = field(default_factory=lambda: secrets.randbits(32))
    cname: str = field(default_factory=lambda: secrets.token_hex(8))


class RtpStream:
    """One call's audio.

    Call `run_frame` every 20 ms once `agree` was called, and send what `rtp_to_send` and
    `rtcp_to_send` give.

    Args:
        speaker: what we say.
        ears: get each frame heard: a recorder, a loudspeaker.
        codecs: what may be agreed on, all of one sample rate.
        wall_minus_now_s: wall clock minus the clock of `now`, for the time stamps of RTCP.
        identity: where the numbers begin.
    """

    def __init__(
        self,
        speaker: Speaker,
        ears: tuple[Ear, ...] = (),
        *,
        codecs: tuple[Codec, ...] = CODECS[""],
        wall_minus_now_s: float = 0.0,
        identity: StreamIdentity | None = None,
    ) -> None:
        self.codecs = codecs
        self.rate_hz = rate_of(codecs)
        """Sample rate of the frames."""
        self._frame_samples = self.rate_hz * FRAME_MS // 1000
        self._line: Line | None = None
        self._speaker = at_rate(speaker, self.rate_hz)
        self._wall_minus_now_s = wall_minus_now_s
        self._identity = identity or StreamIdentity()
        self._sequence = self._identity.first_sequence
        self._timestamp = self._identity.first_timestamp
        self._marker = True
        self._key_packets: deque[EventPacket] = deque()
        self._key_timestamp = 0
        self._agreement: Agreement | None = None
        self._hearing = Hearing(ears, self._frame_samples)
        self._tone: deque[Frame] = deque()
        self.muted = False
        """True: silence is sent instead of what the speaker says; keys are still sent."""
        self.rtcp_broken = False
        """True: no reports are sent, and those that come are not read."""
        self.said = LevelWindow()
        """Levels of what is sent."""
        self._rtp_out: list[tuple[bytes, Address]] = []
        self._rtcp_out: list[tuple[bytes, Address]] = []
        self._sent_packets = self._sent_octets = self._reported_packets = 0
        self._report_s = 0.0
        self._last_frame_s = 0.0
        self._rtt_ms: float | None = None

    @property
    def _frame_ts(self) -> int:
        """A frame on the RTP clock."""
        return self._line.frame_ts if self._line is not None else self._frame_samples

    @property
    def sending(self) -> bool:
        """True while the other side wants to hear us."""
        return self._agreement is not None and self._agreement.direction.sends

    @property
    def first_packet_s(self) -> float | None:
        """When the first packet of audio came, None if none did."""
        return self._hearing.first_packet_s

    @property
    def first_sound_s(self) -> float | None:
        """When something that is not silence was first heard, None if nothing was."""
        return self._hearing.first_sound_s

    def agree(self, agreement: Agreement, now: float) -> None:
        """Go on with what offer and answer agreed on."""
        before, self._agreement = self._agreement, agreement
        if before is None:
            self._report_s = now + FIRST_REPORT_S
        if self._line is None or before is None or before.codec.name != agreement.codec.name:
            self._line = Line(agreement.codec, agreement.peer_fmtp)
        self._hearing.agree(agreement, self._line)

    def receive_rtp(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram of the RTP port; what is not our call's audio is dropped."""
        if self._agreement is not None and self._agreement.rtcp_mux and is_rtcp(data):
            self.receive_rtcp(data, source, now)
        else:
            self._hearing.receive(data, source, now)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram of the RTCP port; what is not from the other side is dropped."""
        agreement = self._agreement
        if agreement is None or self.rtcp_broken or source[0] != agreement.remote_rtcp[0]:
            return
        for packet in parse_rtcp(data) or ():
            if isinstance(packet, SenderReport):
                self._hearing.receive_report(packet, now)
            if isinstance(packet, SenderReport | ReceiverReport):
                self._note_round_trip(packet.reports, now)

    def next_key_heard(self) -> tuple[int, int] | None:
        """The next key the other side pressed, as (key, milliseconds); None if that was all."""
        return self._hearing.next_key()

    def press(self, press: Press) -> bool:
        """Send a key as RFC 4733 events, beginning with the next frame.

        Returns:
            False if the other side takes no such events.
        """
        if self._agreement is None or self._agreement.dtmf_pt is None:
            return False
        self._key_packets.extend(self._packets_of(press, self._agreement))
        self._key_timestamp = self._timestamp
        return True

    def hold_on(self, before: Press, now: Press) -> None:
        """Hold the key that is being sent longer than `press` or `sound_key` was told."""
        if self._key_packets and self._agreement is not None:
            n_sent = len(self._packets_of(before, self._agreement)) - len(self._key_packets)
            self._key_packets = deque(self._packets_of(now, self._agreement)[n_sent:])
        elif self._tone:
            # Its frames so far are whole periods of neither tone: the phase goes on, not anew.
            n_left = len(self._tone)
            self._tone.clear()
            self.sound_key(now)
            n_sent = before.duration_ms // FRAME_MS - n_left
            self._tone = deque(list(self._tone)[n_sent:])

    def _packets_of(self, press: Press, agreement: Agreement) -> list[EventPacket]:
        clock_hz = agreement.dtmf_clock_rate_hz
        return dtmf_packets(press.key, press.duration_ms, ptime_ms=FRAME_MS, clock_rate_hz=clock_hz)

    def speak(self, speaker: Speaker) -> None:
        """Say something else from now on."""
        self._speaker = at_rate(speaker, self.rate_hz)

    def sound_key(self, press: Press) -> None:
        """Send a key as its two tones, beginning with the next frame."""
        samples = dtmf_tone(press.key, press.duration_ms, rate_hz=self.rate_hz)
        whole = len(samples) // self._frame_samples * self._frame_samples
        self._tone.extend(samples[:whole].reshape(-1, self._frame_samples))

    def next_edge(self) -> tuple[bool, float] | None:
        """Where sound next began (True) or ended (False) at our ear; None if that was all."""
        return self._hearing.next_edge()

    def levels(self) -> tuple[tuple[float, float], tuple[float, float], int]:
        """RMS and peak of what was said and heard since the last look; milliseconds buffered."""
        return self.said.take(), self._hearing.window.take(), self._hearing.buffer_ms

    def run_frame(self, now: float) -> None:
        """Say and hear one frame."""
        samples = self._speaker.next_frame(self._frame_samples)
        if self.muted:
            samples = np.zeros(self._frame_samples, np.int16)
        if self._tone:
            samples = self._tone.popleft()
        self.said.add(samples)
        agreement = self._agreement
        if agreement is not None and agreement.direction.sends:
            self._send_frame(agreement, samples)
        else:
            self._marker = True
        self._timestamp = timestamp_add(self._timestamp, self._frame_ts)
        self._last_frame_s = now
        self._hearing.run_frame(now)
        if agreement is not None and self._report_s <= now:
            self._report_s += REPORT_INTERVAL_S
            self._send_report(agreement, now)

    def skip(self, frames: int) -> None:
        """Leave out frames there was no time for; the RTP clock goes on."""
        self._timestamp = timestamp_add(self._timestamp, frames * self._frame_ts)

    def end(self, now: float) -> None:
        """Say goodbye by RTCP (RFC 3550 §6.3.7)."""
        if self._agreement is not None:
            self._send_report(self._agreement, now, Goodbye((self._identity.ssrc,)))
            self._agreement = None

    def rtp_to_send(self) -> list[tuple[bytes, Address]]:
        """RTP packets to send now; each is given once."""
        out, self._rtp_out = self._rtp_out, []
        return out

    def rtcp_to_send(self) -> list[tuple[bytes, Address]]:
        """RTCP packets to send now; each is given once."""
        out, self._rtcp_out = self._rtcp_out, []
        return out

    def figures(self) -> Figures:
        """What was heard and sent up to now."""
        return replace(self._hearing.figures(), sent=self._sent_packets, rtt_ms=self._rtt_ms)

    def _send_frame(self, agreement: Agreement, samples: Frame) -> None:
        if self._key_packets and agreement.dtmf_pt is not None:
            event = self._key_packets.popleft()
            timestamp = timestamp_add(self._key_timestamp, event.timestamp_offset)
            self._send(agreement, agreement.dtmf_pt, timestamp, event.payload, event.marker)
            # RFC 3551 §4.1: the marker shows where audio begins again after a gap.
            self._marker = True
            return
        assert self._line is not None, "it comes with the agreement"
        payload = self._line.encode(samples)
        pt = agreement.codec.payload_type
        self._send(agreement, pt, self._timestamp, payload, self._marker)
        self._marker = False

    def _send(
        self, agreement: Agreement, pt: int, timestamp: int, payload: bytes, marker: bool
    ) -> None:
        packet = RtpPacket(pt, self._sequence, timestamp, self._identity.ssrc, payload, marker)
        self._rtp_out.append((packet.to_bytes(), agreement.remote_rtp))
        self._sequence = sequence_add(self._sequence, 1)
        self._sent_packets += 1
        self._sent_octets += len(payload)

    def _send_report(self, agreement: Agreement, now: float, *more: RtcpPacket) -> None:
        if self.rtcp_broken:
            return
        identity = self._identity
        blocks = self._hearing.report(now)
        report: RtcpPacket = ReceiverReport(identity.ssrc, blocks)
        # RFC 3550 §6.4: a sender report if something was sent since the last one.
        if self._sent_packets > self._reported_packets:
            self._reported_packets = self._sent_packets
            report = self._sender_report(blocks, now)
        name = SdesItem(identity.ssrc, CNAME, identity.cname.encode())
        data = build_rtcp([report, SourceDescription((name,)), *more])
        # RFC 5761 §3: where both share a port, it is one port at either end.
        out = self._rtp_out if agreement.rtcp_mux else self._rtcp_out
        out.append((data, agreement.remote_rtcp))

    def _sender_report(self, blocks: tuple[ReportBlock, ...], now: float) -> SenderReport:
        passed_ts = round((now - self._last_frame_s) * self._frame_ts * 1000 / FRAME_MS)
        return SenderReport(
            ssrc=self._identity.ssrc,
            ntp_timestamp=self._ntp(now),
            rtp_timestamp=timestamp_add(self._timestamp, passed_ts - self._frame_ts),
            packets=self._sent_packets,
            octets=self._sent_octets,
            reports=blocks,
        )

    def _note_round_trip(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            seconds = round_trip_s(block, self._ntp(now))
            if block.ssrc == self._identity.ssrc and seconds is not None:
                self._rtt_ms = seconds * 1000

    def _ntp(self, now: float) -> int:
        return ntp_from_unix(now + self._wall_minus_now_s)
