"""The media plane: all calls' RTP, playlists and recordings, without process, socket or clock.

`tick(now)` is called every 5 ms; a call with packets of 20 ms has its turn in every fourth tick,
so that all calls' packets are spread over the 20 ms. Nothing a peer sends, and no disk, makes
`tick` raise.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.media.call import Call
from ivrbench.media.disk import DirectWriter
from ivrbench.media.lane import TICK_MS, Lane
from ivrbench.media.lanes import LaneTable
from ivrbench.media.levels import Meter
from ivrbench.media.listening import call_at, find_listeners, listen
from ivrbench.media.mixing import regroup
from ivrbench.media.outbox import Outbox
from ivrbench.media.playlist import Item
from ivrbench.media.playout import ADAPT_MS, adapt, play_out
from ivrbench.media.receive import read_packets
from ivrbench.media.recorders import RecorderTable
from ivrbench.media.rooms import RoomTable
from ivrbench.media.silence import watch_silence
from ivrbench.media.tally import report_on
from ivrbench.media.transmit import transmit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ivrbench.media.dtls import Dtls
    from ivrbench.media.messages import Command, MediaEvent
    from ivrbench.media.recorder import Recorder
    from ivrbench.media.sockets import Poller, RtcpSocket, RtpSocket

__all__ = ["TICK_S", "MediaPlane"]

TICK_S = TICK_MS / 1000
"""Four in a packet of 20 ms; measured best: more cost in fixed work, fewer make bursts."""
CARE_EVERY = 8
"""Timeouts and RTCP are looked at every so many periods: 160 ms for packets of 20 ms."""
MAX_STRAYS = 8
"""Packets of strangers looked at in one tick, for each port: a flood must not eat the tick."""


class MediaPlane:
    """All calls of one worker.

    Args:
        arena: the prompts' bytes.
        poller: tells which seldom used sockets have something to read.
        writer: writes the recordings; by default at once, in the tick.
        random_source: for SSRCs and intervals.
        wall_offset_s: what to add to `now` for seconds since 1970, for RTCP.
        in_threads: do what takes long (DTLS handshakes) in threads; by default in the tick.
    """

    def __init__(
        self,
        arena: NDArray[np.uint8],
        poller: Poller,
        *,
        writer: DirectWriter | None = None,
        random_source: random.Random | None = None,
        wall_offset_s: float = 0.0,
        in_threads: bool = False,
    ) -> None:
        self._poller = poller
        self._writer = writer if writer is not None else DirectWriter()
        self._random = random_source if random_source is not None else random.SystemRandom()
        self._wall_offset_s = wall_offset_s
        self._in_threads = in_threads
        self._dtls: Dtls | None = None
        self._calls: dict[int, Call] = {}
        self._lanes = LaneTable(arena)
        self._outbox = Outbox()
        self._recorders = RecorderTable(self._writer, self._outbox)
        self._recorders.stopped = self._recorder_stopped
        self._rooms = RoomTable(arena, self._outbox)
        self._ticks = 0
        self._watched: tuple[int, ...] = ()
        self._watch_every_s = 0.0
        self._watch_at = 0.0
        self.packets_in = 0
        self.packets_out = 0
        self._plane_commands: dict[type, Callable[[Any, Sequence[Any]], None]] = {
            messages.OpenCall: self._open_call,
            messages.PauseRecorder: lambda c, _: self._recorders.pause(c.recorder, c.paused),
            messages.SealRecorder: lambda c, _: self._recorders.seal(c.recorder),
            messages.OpenRecorder: lambda c, attached: self._recorders.open(c, attached[0]),
            messages.CloseRecorder: lambda c, _: self._recorders.close(c.recorder),
            messages.PlayInRoom: lambda c, _: self._rooms.play(c),
            messages.FlushRoom: lambda c, _: self._rooms.flush(c.room),
            messages.RecordRoom: self._record_room,
            messages.CloseRoom: lambda c, _: self._rooms.close(c.room),
            messages.UseCertificate: self._use_certificate,
            messages.WatchCalls: self._watch_calls,
        }
        self._call_commands: dict[type, Callable[[Call, Any], None]] = {
            messages.UpdateCall: self._update_call,
            messages.CloseCall: self._close_call,
            messages.PlayItem: self._play_item,
            messages.FlushQueue: lambda call, _: call.playlist.flush("flushed"),
            messages.SeekItem: lambda call, c: call.playlist.seek(c.item, c.position_samples),
            messages.SetLoop: lambda call, c: call.playlist.set_loop(c.item, c.loop),
            messages.SetSwitches: lambda call, c: call.switch(c, self._outbox.now),
            messages.SendKeys: lambda call, c: call.send_keys(c),
            messages.ConnectCalls: self._connect,
            messages.RecordCall: self._record_call,
            messages.WatchSilence: lambda call, c: watch_silence(call.lane, call.row, c.limit_ms),
            messages.MuteMember: lambda call, c: call.mute_in_room(c.item, c.muted),
        }

    def __repr__(self) -> str:
        return f"MediaPlane({self.n_calls} calls, {len(self._recorders)} recorders)"

    @property
    def n_calls(self) -> int:
        """Calls that are open."""
        return len(self._calls)

    @property
    def n_recorders(self) -> int:
        """Recorders that are open."""
        return len(self._recorders)

    def apply(self, command: Command, now: float, attached: Sequence[Any] = ()) -> None:
        """Obey one command of the engine. What is about a call that is over does nothing.

        Args:
            command: what to do.
            now: seconds.
            attached: for `OpenCall` an `RtpSocket` and an `RtcpSocket`, for `OpenRecorder` a
                `RecordingFile`; they become the plane's.
        """
        self._outbox.now = now
        about_call = self._call_commands.get(type(command))
        if about_call is None:
            self._plane_commands[type(command)](command, attached)
            return
        call = self._calls.get(command.call)  # type: ignore[union-attr]  # these all have one
        if call is not None:
            about_call(call, command)

    def tick(self, now: float) -> list[MediaEvent]:
        """Do 5 ms worth of work.

        Args:
            now: seconds of a monotonic clock.

        Returns:
            What happened since the last tick.
        """
        self._outbox.now = now
        self._ticks += 1
        if self._rooms:
            self._rooms.settle(self._ticks)
        for lane in self._lanes.due(self._ticks):
            self._run(lane, now, self._ticks // lane.period_ticks)
        self._read_rare(now)
        self._recorders.settle()
        if self._watched and now >= self._watch_at - TICK_S / 2:
            self._report_watched(now)
        return self._outbox.take()

    def skip(self, n_ticks: int) -> None:
        """Leave ticks out because their time is over: RTP clocks go on, nothing is sent."""
        for _ in range(n_ticks):
            self._ticks += 1
            for lane in self._lanes.due(self._ticks):
                lane.tx_ts[: lane.n] += lane.frame_ts
                lane.behind = True

    def skip_idle(self, n_ticks: int) -> int:
        """Leave out the next ticks as far as nothing is to be done in them; for virtual time.

        It must be sure that no command and no packet comes before them, and that recordings are
        written at once.

        Args:
            n_ticks: so many at most.

        Returns:
            How many were left out.
        """
        if self._rooms or self._watched or self._poller.ready():
            return 0
        skipped = min(n_ticks, self._lanes.idle_ticks(self._ticks + 1, n_ticks))
        self._ticks += skipped
        return skipped

    def close(self, now: float) -> list[MediaEvent]:
        """End all calls and recorders and wait for the disk.

        Returns:
            The last events.
        """
        for number in list(self._calls):
            self.apply(messages.CloseCall(number), now)
        self._rooms.close_all()
        self._recorders.close_all()
        if self._dtls is not None:
            self._dtls.close()
        self._writer.close()
        self._recorders.settle()
        return self._outbox.take()

    # -- a tick

    def _run(self, lane: Lane, now: float, period: int) -> None:
        if lane.changed:
            lane.relist()
        lane.tick = self._ticks
        if lane.members_changed:
            regroup(lane)
        for row in [row for row in lane.starting if lane.runs[row]]:
            lane.starting.discard(row)
            call_at(lane, row).item_started()
        find_listeners(lane)
        if period % CARE_EVERY == 0:
            self._send_reports(lane, now)
        self.packets_out += transmit(lane)
        self.packets_in += read_packets(lane, now, period)
        if period % (ADAPT_MS // lane.ptime_ms) == 0:
            adapt(lane)
        pcm, present = play_out(lane)
        listen(lane, pcm, present, now, self._outbox)
        n = lane.n
        short = lane.left[:n] < lane.frame
        if short.any():
            for row in np.flatnonzero(short & (lane.runs[:n] > 0)).tolist():
                call_at(lane, row).playlist.frame_edge()
        for row in list(lane.held_keys):
            call_at(lane, row).inbound.check_keys(now)
        if period % CARE_EVERY == 0:
            self._take_care(lane, now)

    @staticmethod
    def _send_reports(lane: Lane, now: float) -> None:
        """Before the audio of this period: a report behind it is read a period later."""
        for row in np.flatnonzero(lane.rtcp_at <= now).tolist():
            call_at(lane, row).send_report(now)

    def _take_care(self, lane: Lane, now: float) -> None:
        limit = lane.timeout_s
        for row in np.flatnonzero((limit > 0) & (now - lane.last_rx > limit)).tolist():
            call_at(lane, row).inbound.check_timeout(now)
        for call in lane.secured:
            call.check_keys_agreed()

    def _read_rare(self, now: float) -> None:
        for number, is_rtcp in self._poller.ready():
            call = self._calls[number]
            for _ in range(MAX_STRAYS):
                datagram = call.keying.rtcp.receive() if is_rtcp else call.keying.rtp.stray()
                if datagram is None:
                    break
                if is_rtcp:
                    call.accept_rtcp(datagram, now)
                else:
                    call.accept_stray(datagram, now)

    def _report_watched(self, now: float) -> None:
        self._watch_at = max(self._watch_at + self._watch_every_s, now)
        for number in self._watched:
            call = self._calls.get(number)
            if call is not None and call.meters is not None:
                self._outbox.say(report_on(call, call.meters))

    # -- commands

    def _open_call(self, command: messages.OpenCall, attached: Sequence[Any]) -> None:
        rtp: RtpSocket
        rtcp: RtcpSocket
        rtp, rtcp = attached
        call = None
        if command.call not in self._calls:
            call = Call(
                command.call,
                (rtp, rtcp),
                command.stream,
                self._outbox,
                self._random,
                self._wall_offset_s,
                self._rooms,
                self._dtls,
            )
            try:
                call.enter(self._lanes.best(command.stream), self._outbox.now)
            except MediaError:
                call = None
                self._outbox.say(messages.CallClosed(command.call, messages.StreamCounts()))
        if call is None:
            rtp.close()
            rtcp.close()
            return
        self._calls[command.call] = call
        self._poller.add(rtp, (command.call, False))
        self._poller.add(rtcp, (command.call, True))
        self._watch(call)

    def _update_call(self, call: Call, command: messages.UpdateCall) -> None:
        try:
            lane = self._lanes.near(command.stream, call.lane)
            if lane.codec is not call.lane.codec or lane.ptime_ms != call.lane.ptime_ms:
                call.move(lane, command.stream)
        except MediaError:
            return
        call.agree(command.stream, self._outbox.now)

    def _use_certificate(self, command: messages.UseCertificate, attached: Sequence[Any]) -> None:
        # Loaded where it is needed: most engines have no encrypted calls.
        from ivrbench.media.dtls import DirectHandshaker, Dtls, Handshaker

        handshaker = Handshaker() if self._in_threads else DirectHandshaker()
        self._dtls = Dtls(command.certificate_pem, command.key_pem, handshaker)

    def _close_call(self, call: Call, command: messages.CloseCall) -> None:
        del self._calls[call.number]
        for port in call.keying.ports:
            self._poller.remove(port)
        call.close(self._outbox.now)

    def _play_item(self, call: Call, command: messages.PlayItem) -> None:
        recorder = self._recorders.get(command.recorder)
        item = Item(command.item, command.play, recorder, call.lane.codec.form)
        item.room, item.muted = command.room, command.muted
        item.hears, item.speaks = command.hears, command.speaks
        if command.recorder and recorder is None:
            call.item_ended(item, "error", 0, "the file to record into is closed")
        else:
            call.playlist.append(item)

    def _recorder_stopped(self, recorder: Recorder, reason: str) -> None:
        """A file is over into which an item, or a room, records."""
        self._rooms.recorder_gone(recorder, reason)
        for call in self._calls.values():
            if call.tape is not None and call.tape.recorder is recorder:
                call.record(None, reason)
            item = call.playlist.current
            if item is not None and item.recorder is recorder:
                call.playlist.end(reason, recorder.error if reason == "error" else "")

    def _record_room(self, command: messages.RecordRoom, attached: Sequence[Any]) -> None:
        recorder = self._recorders.get(command.recorder)
        if recorder is None or not (recorder.in_use or recorder.error):
            self._rooms.record(command.room, recorder)

    def _record_call(self, call: Call, command: messages.RecordCall) -> None:
        recorder = self._recorders.get(command.recorder)
        if recorder is None or not (recorder.in_use or recorder.error):
            call.record(recorder)

    def _connect(self, call: Call, command: messages.ConnectCalls) -> None:
        self._rooms.connect(call, self._calls.get(command.other))

    def _watch_calls(self, command: messages.WatchCalls, attached: Sequence[Any]) -> None:
        self._watched = command.calls
        self._watch_every_s = max(command.interval_ms, 20) / 1000
        self._watch_at = self._outbox.now + self._watch_every_s
        for call in self._calls.values():
            self._watch(call)

    def _watch(self, call: Call) -> None:
        is_watched = call.number in self._watched
        if is_watched == (call.meters is not None):
            return
        call.meters = (Meter(), Meter()) if is_watched else None
        (call.lane.watched.add if is_watched else call.lane.watched.discard)(call.row)
        call.keying.rtp.stamp(is_watched)
        call.lane.changed = True
