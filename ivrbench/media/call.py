"""One call in the worker: what is rare, odd or slow about it. The rest is its lane's row."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ivrbench.media import messages
from ivrbench.media.coder import Coder
from ivrbench.media.inbound import Inbound
from ivrbench.media.keying import Keying
from ivrbench.media.keys_out import KeysOut
from ivrbench.media.playlist import Item, Playlist
from ivrbench.media.receive import unsync
from ivrbench.media.reports import RtcpReporter
from ivrbench.media.silence import watch_silence
from ivrbench.media.srtp import is_dtls
from ivrbench.media.tally import counts_of
from ivrbench.media.tape import Tape
from ivrbench.media.transmit import audio_packet

if TYPE_CHECKING:
    import random

    from ivrbench.media.dtls import Dtls
    from ivrbench.media.lane import Lane
    from ivrbench.media.levels import Meter
    from ivrbench.media.messages import (
        SendKeys,
        SetSwitches,
        StreamParams,
    )
    from ivrbench.media.mixing import Member
    from ivrbench.media.outbox import Outbox
    from ivrbench.media.recorder import Recorder
    from ivrbench.media.rooms import RoomTable
    from ivrbench.media.sockets import Address, Datagram, RtcpSocket, RtpSocket

__all__ = ["Call"]


class Call:
    """State of one call beside its row.

    Args:
        number: the engine's number.
        sockets: its RTP and RTCP ports; the call closes them.
        outbox: where its events go.
        random_source: for SSRC, first sequence number and timestamp (RFC 3550 §5.1).
        wall_offset_s: what to add to `now` for seconds since 1970.
        rooms: where it meets others.
        dtls: makes DTLS handshakes; None if we have no certificate.
    """

    def __init__(
        self,
        number: int,
        sockets: tuple[RtpSocket, RtcpSocket],
        stream: StreamParams,
        outbox: Outbox,
        random_source: random.Random,
        wall_offset_s: float,
        rooms: RoomTable,
        dtls: Dtls | None = None,
    ) -> None:
        self.number = number
        self.keying = Keying(*sockets, dtls)
        self.stream = stream
        self.switches = messages.SetSwitches(number)
        self.ssrc = random_source.getrandbits(32)
        self.reporter = RtcpReporter(self.ssrc, random_source, wall_offset_s)
        self.inbound = Inbound(number, stream, outbox, self.reporter)
        self.peer: Address | None = None
        """Where we send to and accept from; the RTP socket is connected to it."""
        self.meters: tuple[Meter, Meter] | None = None
        """Levels in and out, while the call is watched."""
        self.tape: Tape | None = None
        """What the whole call is recorded into."""
        self.member: Member | None = None
        """Its place in a room, if it is in one."""
        self._rooms = rooms
        self._outbox = outbox
        self._random = random_source
        self._latched = False
        self.keys_out = KeysOut()
        self._sent_reported = 0
        self.foreign = 0
        """Packets that were not the peer's."""

    def __repr__(self) -> str:
        return f"Call({self.number}, {self.lane!r} row {self.row}, peer={self.peer})"

    # -- its place

    def enter(self, lane: Lane, now: float) -> None:
        """Sit down in a fresh row. Raises MediaError: the codec's library is missing."""
        coder = self._coder(lane, self.stream)
        row = lane.add(self)
        self._sit(lane, row, coder)
        self.playlist = Playlist(lane, row, self)
        lane.seq[row] = self._random.getrandbits(16)
        lane.tx_ts[row] = self._random.getrandbits(32)
        lane.rtcp_at[row] = now + self.reporter.next_interval_s() / 2  # RFC 3550 §6.2
        self.agree(self.stream, now)

    def move(self, lane: Lane, stream: StreamParams) -> None:
        """Change to another lane because codec or packet length changed. Raises as `enter`."""
        old_lane, old_row = self.lane, self.row
        coder = self._coder(lane, stream)
        row = lane.add(self)
        lane.adopt(row, old_lane, old_row)
        unsync(lane, row)  # the jitter buffer held the other codec
        self._sit(lane, row, coder)
        self.playlist.move(lane, row)
        if old_row in old_lane.toned:
            lane.toned.add(row)
            lane.hearing.reset(row)
        if old_row in old_lane.held_keys:
            lane.held_keys.add(row)
        if self.keys_out:
            lane.keying.add(row)
        if self.meters is not None:
            lane.watched.add(row)
        if self.member is not None:
            lane.members[row] = self.member
            lane.members_changed = True
        if self.tape is not None:
            lane.taped.add(row)
        if old_row in old_lane.hushed:
            watch_silence(lane, row, old_lane.hushed[old_row])
        old_lane.remove(old_row)
        self._rooms.refit(self)

    def _sit(self, lane: Lane, row: int, coder: Coder | None) -> None:
        self.lane, self.row = lane, row
        lane.coders[row] = coder
        self.inbound.sit(lane, row)
        self.keying.sit(lane, row)

    @staticmethod
    def _coder(lane: Lane, stream: StreamParams) -> Coder | None:
        if lane.codec.law is not None:
            return None
        return Coder(lane.codec, stream.fmtp, lane.ptime_ms)

    def agree(self, stream: StreamParams, now: float) -> None:
        """Offer/answer completed: take over address, payload types and direction."""
        old, self.stream = self.stream, stream
        self.keying.agree(stream)
        if stream.remote_rtp is not None and (
            self.peer is None or stream.remote_rtp != old.remote_rtp
        ):
            self._latched = False
            self._connect(stream.remote_rtp)
        self.inbound.agree(stream, now)
        lane, row = self.lane, self.row
        lane.tx["b1"][row] = stream.payload_type
        lane.tx["ssrc"][row] = self.ssrc
        if stream.audio_in != lane.rx_pt[row]:
            lane.rx_pt[row] = stream.audio_in
            unsync(lane, row)
        coder = lane.coders[row]
        if coder is not None and stream.fmtp != old.fmtp:
            lane.coders[row] = self._coder(lane, stream)
            unsync(lane, row)
        self.keying.begin(stream)
        self.refresh()

    def check_keys_agreed(self) -> None:
        """Tell once what DTLS agreed on, or that it failed."""
        if self.keying.secure is None:
            return
        if (keys := self.keying.new_keys()) is not None:
            self._outbox.say(messages.KeysAgreed(self.number, keys))
        if self.keying.awaits_keys and (reason := self.keying.failure()):
            self._outbox.say(messages.KeysFailed(self.number, reason, self._outbox.now))

    def switch(self, switches: SetSwitches, now: float) -> None:
        """The script changed what may pass."""
        self.switches = switches
        self.inbound.switch(switches, now)
        self.refresh()

    def refresh(self) -> None:
        """Work out from stream and switches what the row does."""
        lane, row, stream, switches = self.lane, self.row, self.stream, self.switches
        attached = switches.attached
        sends = attached and not switches.muted and stream.send and self.peer is not None
        if sends and not lane.sends[row]:
            # RFC 3551 §4.1: marked is the first packet after a time in which none were sent.
            lane.marked.add(row)
        hears = attached and switches.receiving and stream.receive
        if hears and not lane.hears[row]:
            lane.last_rx[row] = self._outbox.now
        if not hears:
            unsync(lane, row)
        lane.runs[row] = attached
        lane.sends[row] = sends
        lane.hears[row] = hears
        lane.timeout_s[row] = stream.dead_rtp_s if hears else 0.0
        toned = hears and stream.dtmf_inband and switches.detect_keys
        if toned and row not in lane.toned:
            lane.toned.add(row)
            lane.hearing.reset(row)
        elif not toned:
            self.inbound.forget_tones()
        lane.changed = True

    def close(self, now: float) -> None:
        """Say goodbye and give everything back except what the disk still has to confirm."""
        self.playlist.flush("closed")
        self.record(None, "closed")
        self._rooms.leave(self)
        self.inbound.release_keys(now)
        self.send_report(now, goodbye=True)
        counts = counts_of(self)
        self.lane.remove(self.row)
        self.keying.close()
        self._outbox.say_in_order(self.number, messages.CallClosed(self.number, counts))
        # The worker runs without garbage collection: no reference cycle may stay.
        del self.playlist

    # -- the playlist's owner

    def item_started(self) -> None:
        """The current item's first frame goes out now."""
        item = self.playlist.current
        if item is not None and not item.started:
            item.started = True
            self._outbox.say(messages.ItemStarted(self.number, item.number, self._outbox.now))

    def item_ended(self, item: Item, reason: str, played_ms: int, error: str) -> None:
        """Report an item's end, once its recording is on disk."""
        token = recorded_ms = 0
        if item.recorder is not None and item.records:
            token = self._outbox.token()
            recorded_ms = item.recorded_ms
            item.recorder.seal(token)
        event = messages.ItemEnded(
            self.number, item.number, reason, played_ms, recorded_ms, self._outbox.now, error
        )
        self._outbox.say_in_order(self.number, event, token)

    def queue_emptied(self) -> None:
        """Report that nothing is left to play."""
        self._outbox.say_in_order(self.number, messages.QueueEmptied(self.number, self._outbox.now))

    def enter_room(self, item: Item) -> None:
        """An item that brings the call into a room begins."""
        self._rooms.join(item.room, self, hears=item.hears, speaks=item.speaks)
        self._rooms.mute(self, item.muted)

    def mute_in_room(self, item: int, muted: bool) -> None:
        """Let the others in the room of an item not hear the call, or again."""
        if self.playlist.mute(item, muted):
            self._rooms.mute(self, muted)

    def leave_room(self, item: Item) -> None:
        """It is over."""
        if self.member is not None and self.member.room == item.room:
            self._rooms.leave(self)

    def left_room(self, why: str) -> None:
        """Taken out of the room by somebody else: the item that brought the call there ends."""
        item = self.playlist.current
        if item is not None and item.room:
            self.playlist.end("error", why)

    def record(self, recorder: Recorder | None, reason: str = "stopped") -> None:
        """Record the whole call, or no more."""
        old, self.tape = self.tape, Tape(recorder) if recorder is not None else None
        if recorder is None:
            self.lane.taped.discard(self.row)
        else:
            self.lane.taped.add(self.row)
        if old is not None:
            old.recorder.in_use = False
            token = self._outbox.token()
            event = messages.CallRecorded(self.number, old.recorder.number, reason, old.recorded_ms)
            self._outbox.say_in_order(self.number, event, token)
            old.recorder.seal(token)

    # -- packets of others

    def accept_stray(self, datagram: Datagram, now: float) -> None:
        """Take a packet that did not come from the peer, or came before we knew the peer."""
        if self.keying.secure is not None and is_dtls(datagram.data):
            self._accept_stray_handshake(datagram)
        elif datagram.source == self.peer:
            self.inbound.accept(datagram.data, now)
        elif self._may_latch(datagram) and self._connect(datagram.source):
            self._latched = True
            self.refresh()
            self.inbound.accept(datagram.data, now)
        else:
            self.foreign += 1

    def _accept_stray_handshake(self, datagram: Datagram) -> None:
        secure = self.keying.secure
        assert secure is not None, "only encrypted calls have handshakes"
        if datagram.source == self.peer or (
            self._can_latch and self.keying.awaits_keys and self._connect(datagram.source)
        ):
            self._latched = self._latched or datagram.source != self.stream.remote_rtp
            self.refresh()
            secure.reveal(datagram.data)
        else:
            self.foreign += 1

    def _may_latch(self, datagram: Datagram) -> bool:
        return self._can_latch and self.inbound.may_be_peer(datagram.data)

    @property
    def _can_latch(self) -> bool:
        return self.stream.latch and not self._latched and not self.inbound.heard

    def _connect(self, peer: Address) -> bool:
        try:
            self.keying.rtp.connect(peer)
        except OSError:  # no route, or an address that cannot be one
            return False
        self.peer = self.inbound.source = peer
        self.inbound.heard = False
        self.lane.changed = True
        return True

    # -- keys

    def send_keys(self, command: SendKeys) -> None:
        """Queue telephone-events to be sent instead of audio."""
        if self.keys_out.add(command, self.stream, self.lane.ptime_ms):
            self.lane.keying.add(self.row)
            self.lane.changed = True

    def send_keying(self) -> None:
        """Send this period's packet of a row that is busy with keys."""
        lane, row = self.lane, self.row
        event = self.keys_out.next(lane, row, self.stream, self.ssrc)
        data: bytes | memoryview = audio_packet(lane, row) if event is None else event
        with contextlib.suppress(OSError):
            self.keying.rtp.send(data)
        if not self.keys_out:
            lane.keying.discard(row)
            lane.changed = True

    # -- reports

    def send_report(self, now: float, *, goodbye: bool = False) -> None:
        """Send the RTCP that is due, and set the time of the next."""
        lane, row = self.lane, self.row
        lane.rtcp_at[row] = now + self.reporter.next_interval_s()
        to = self._rtcp_peer()
        if to is None or self.peer is None or not self.switches.attached:
            return
        sent = int(lane.sent[row])
        data = self.reporter.report(
            now,
            rtp_ts=int(lane.tx_ts[row]),
            packets=sent,
            octets=int(lane.octets[row]),
            sending=sent > self._sent_reported,
            reception=self.inbound.reception(),
            goodbye=goodbye,
        )
        self._sent_reported = sent
        with contextlib.suppress(OSError):
            if self.stream.rtcp_mux:
                self.keying.rtp.send(data)
            else:
                self.keying.rtcp.send_to(data, to)

    def accept_rtcp(self, datagram: Datagram, now: float) -> None:
        """Take a packet from the RTCP port; other machines than the peer are not heard."""
        to = self._rtcp_peer()
        if to is None or datagram.source[0] != to[0]:
            self.foreign += 1
        else:
            self.reporter.receive(datagram.data, now)

    def _rtcp_peer(self) -> Address | None:
        if self._latched and self.peer is not None:
            return self.peer[0], self.peer[1] + 1
        return self.stream.remote_rtcp
