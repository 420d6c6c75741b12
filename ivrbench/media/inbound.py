"""The peer's packets of one call, as far as they are not ordinary: sequence, source, keys.

RFC 3550 A.1 for one packet at a time; `receive.py` does the same for the ordinary ones in bulk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.audio.codecs.comfort_noise import STATIC_PT as COMFORT_NOISE_PT
from ivrbench.audio.codecs.comfort_noise import ComfortNoise
from ivrbench.media import messages
from ivrbench.media.codecs import packet_ts
from ivrbench.media.receive import (
    LATE_LIMIT,
    Placed,
    arrival_s,
    delay,
    note_arrival,
    place,
    restart,
    unsync,
)
from ivrbench.media.reports import Reception
from ivrbench.rtp import dtmf
from ivrbench.rtp.packet import RtpPacket, parse_rtp

if TYPE_CHECKING:
    from ivrbench.media.lane import Lane
    from ivrbench.media.messages import SetSwitches, StreamParams
    from ivrbench.media.outbox import Outbox
    from ivrbench.media.reports import RtcpReporter
    from ivrbench.media.sockets import Address

__all__ = ["Inbound"]

HISTORY_BITS = 64
RTCP_TYPES = range(192, 224)
"""RFC 5761 §4: the second byte of RTCP on a shared port; RTP has no such payload types there."""
MAX_DROPOUT = 3000
"""RFC 3550 A.1: a larger jump in sequence is another stream, or garbage."""


class Inbound:
    """What comes in for one call.

    Args:
        number: the call.
        stream: what offer/answer agreed.
        outbox: where events go.
        reporter: takes RTCP that comes through the RTP port.
    """

    def __init__(
        self, number: int, stream: StreamParams, outbox: Outbox, reporter: RtcpReporter
    ) -> None:
        self.number = number
        self.stream = stream
        self.switches = messages.SetSwitches(number)
        self.source: Address | None = None
        """Where accepted packets come from."""
        self.late = 0
        self.duplicate = 0
        self.invalid = 0
        self.heard = False
        """A valid packet came from the present source."""
        self._outbox = outbox
        self._reporter = reporter
        self._keys = dtmf.DtmfReceiver(stream.dtmf_clock_rate_hz)
        self._expected_before = 0
        self._counting = False
        self._tone = -1
        """The key that is heard down in the audio, -1 for none."""
        self._suspect_seq = -1
        self._far_seq = -1
        self._late_run = 0
        self._late_received = -1
        self._timed_out_since = -1.0

    def sit(self, lane: Lane, row: int) -> None:
        """The call's columns are in this row from now on."""
        self.lane, self.row = lane, row

    def agree(self, stream: StreamParams, now: float) -> None:
        """Offer/answer completed again."""
        old, self.stream = self.stream, stream
        if stream.dtmf_in != old.dtmf_in:
            self.release_keys(now)
        if stream.dtmf_clock_rate_hz != old.dtmf_clock_rate_hz:
            self.release_keys(now)
            self._keys = dtmf.DtmfReceiver(stream.dtmf_clock_rate_hz)

    def switch(self, switches: SetSwitches, now: float) -> None:
        """The script changed what may pass."""
        self.switches = switches
        if not switches.detect_keys or not switches.attached:
            self.release_keys(now)

    def may_be_peer(self, data: bytes) -> bool:
        """Whether this is RTP of a payload type that was agreed."""
        packet = parse_rtp(data)
        known = (self.stream.audio_in, self.stream.dtmf_in)
        return packet is not None and packet.payload_type in known

    def accept(self, data: bytes, now: float) -> None:
        """Take a packet from the peer that the lane did not recognise at once."""
        if len(data) > 1 and data[1] in RTCP_TYPES:
            self._reporter.receive(data, arrival_s(self.lane, self.row, now))
            self.lane.busy.add(self.row)  # the audio that came with it is still to be read
            return
        packet = parse_rtp(data)
        if packet is None:
            self.invalid += 1
        elif packet.payload_type == self.stream.audio_in:
            self._accept_audio(packet, now)
        elif packet.payload_type == self.stream.dtmf_in:
            self._accept_key(packet, now)
        elif packet.payload_type == COMFORT_NOISE_PT:
            self._accept_noise(packet, now)
        else:
            self.invalid += 1

    def _accept_key(self, packet: RtpPacket, now: float) -> None:
        switches = self.switches
        deaf = not self.lane.hears[self.row]
        if not switches.attached or (deaf and not switches.keys_while_deaf):
            return
        if self._count(packet, now) and switches.detect_keys:
            self._keys.receive(packet.payload, packet.timestamp, now)
            self._tell_keys(now)

    def _accept_noise(self, packet: RtpPacket, now: float) -> None:
        """The peer is silent and says how that sounds."""
        lane, row = self.lane, self.row
        if lane.hears[row] and self._count(packet, now):
            known = lane.noises.get(row)
            noise = known[0] if known else ComfortNoise(lane.codec.rate_hz, seed=self.number)
            noise.receive(packet.payload)
            lane.noises[row] = noise, int(lane.end[row])

    def _accept_audio(self, packet: RtpPacket, now: float) -> None:
        lane, row = self.lane, self.row
        if not lane.hears[row] or not self._count(packet, now):
            return
        note_arrival(lane, row, packet.timestamp, now)
        if not lane.synced[row]:
            restart(lane, row, packet.timestamp)
        if packet_ts(lane.codec, packet.payload) < lane.frame_ts:
            lane.busy.add(row)
        placed = place(lane, row, packet.timestamp, packet.payload)
        if placed is Placed.LATE:
            self.late += 1
            if not packet.marker and delay(lane, row, packet.timestamp):
                placed = place(lane, row, packet.timestamp, packet.payload)
        if placed is Placed.LATE:
            again = packet.marker or self._is_late_again()
        else:
            # One packet from far ahead may be garbage, two in sequence are a new clock.
            again = placed is Placed.FAR and packet.sequence == (self._far_seq + 1) & 0xFFFF
            self._far_seq = packet.sequence if placed is Placed.FAR else -1
        if again:
            restart(lane, row, packet.timestamp)
            place(lane, row, packet.timestamp, packet.payload)

    def _is_late_again(self) -> bool:
        """Whether this late packet is the last of several with none in time between them."""
        received = int(self.lane.received[self.row])
        in_a_row = received == self._late_received + 1
        self._late_run = self._late_run + 1 if in_a_row else 1
        self._late_received = received
        return self._late_run >= LATE_LIMIT

    def _count(self, packet: RtpPacket, now: float) -> bool:
        """Sequence numbers (RFC 3550 A.1). False: a copy, or no part of the stream."""
        lane, row = self.lane, self.row
        if not self._counting or packet.ssrc != int(lane.rx_ssrc[row]):
            self._begin_stream(packet, now)
            return True
        ahead = (packet.sequence - int(lane.max_seq[row])) & 0xFFFF
        behind = -ahead & 0xFFFF
        history = int(lane.history[row])
        if behind < HISTORY_BITS:
            if history >> behind & 1:
                self.duplicate += 1
                lane.busy.add(row)
                return False
            lane.history[row] = history | 1 << behind
        elif ahead < MAX_DROPOUT:
            lane.history[row] = (history << ahead | 1) & 0xFFFF_FFFF_FFFF_FFFF
            lane.cycles[row] += packet.sequence < int(lane.max_seq[row])
            lane.max_seq[row] = packet.sequence
        elif packet.sequence == self._suspect_seq:
            self._begin_stream(packet, now)
            return True
        else:
            self._suspect_seq = (packet.sequence + 1) & 0xFFFF
            self.invalid += 1
            return False
        lane.received[row] += 1
        self._note_heard(now)
        return True

    def _begin_stream(self, packet: RtpPacket, now: float) -> None:
        """First packet, another SSRC, or a sequence that began anew."""
        lane, row = self.lane, self.row
        self._expected_before = self.expected
        lane.rx_ssrc[row] = packet.ssrc
        lane.max_seq[row] = lane.base_seq[row] = packet.sequence
        lane.cycles[row] = 0
        lane.history[row] = 1
        lane.received[row] += 1
        unsync(lane, row)
        self._counting = True
        self._suspect_seq = -1
        self._keys.reset()
        self._tell_keys(now)
        self._note_heard(now)

    def _note_heard(self, now: float) -> None:
        self.lane.last_rx[self.row] = now
        if not self.heard and self.source is not None:
            self.heard = True
            self._outbox.say(messages.RtpStarted(self.number, self.source, now))

    # -- keys

    def check_keys(self, now: float) -> None:
        """Release a key whose packets stopped coming."""
        self._keys.on_deadline(now)
        self._tell_keys(now)

    def release_keys(self, now: float) -> None:
        """The key that is down counts as released; what follows is a new one."""
        self._keys.reset()
        self._tell_keys(now)
        self.forget_tones()

    def _tell_keys(self, now: float) -> None:
        while (event := self._keys.next_event()) is not None:
            self.tell_key(event, now)
        if self._keys.deadline() is None:
            self.lane.held_keys.discard(self.row)
        else:
            self.lane.held_keys.add(self.row)

    def tell_key(
        self, event: dtmf.KeyPressed | dtmf.KeyReleased, now: float, *, inband: bool = False
    ) -> None:
        """Report a key that went down or up, in packets or in the audio."""
        if isinstance(event, dtmf.KeyPressed):
            self._tone = event.key if inband else self._tone
            self._outbox.say(messages.KeyPressed(self.number, event.key, now, inband))
            return
        self._tone = -1 if inband else self._tone
        released = messages.KeyReleased(self.number, event.key, event.duration_ms, now, inband)
        self._outbox.say(released)

    def forget_tones(self) -> None:
        """The audio is not searched for keys any more; one that is down counts as released."""
        lane, row = self.lane, self.row
        if row not in lane.toned:
            return
        lane.toned.discard(row)
        lane.hearing.reset(row)
        if self._tone >= 0:
            now = self._outbox.now
            self.tell_key(dtmf.KeyReleased(self._tone, 0), now, inband=True)

    # -- counts

    def check_timeout(self, now: float) -> None:
        """No packet for too long; said once until packets come again."""
        last_rx = float(self.lane.last_rx[self.row])
        if last_rx != self._timed_out_since:
            self._timed_out_since = last_rx
            self._outbox.say(messages.RtpTimedOut(self.number, now))

    @property
    def expected(self) -> int:
        """Packets that should have come, by their sequence numbers (RFC 3550 A.3)."""
        if not self._counting:
            return 0
        lane, row = self.lane, self.row
        return self._expected_before + self._highest - int(lane.base_seq[row]) + 1

    @property
    def _highest(self) -> int:
        return int(self.lane.cycles[self.row]) * 65536 + int(self.lane.max_seq[self.row])

    def reception(self) -> Reception | None:
        """For RTCP; None before the first packet."""
        if not self._counting:
            return None
        lane, row = self.lane, self.row
        return Reception(
            ssrc=int(lane.rx_ssrc[row]),
            highest=self._highest,
            expected=self.expected,
            received=int(lane.received[row]),
            jitter_ts=int(lane.jitter[row]),
        )
