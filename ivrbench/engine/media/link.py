"""MediaLink: the engine's side of the media workers: which call is where, and what it hears."""

from __future__ import annotations

import asyncio
import datetime
import io
import itertools
import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from ivrbench.audio.files import load_as, probe
from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.media.codecs import FORMS
from ivrbench.media.ports import PortPair, PortPool
from ivrbench.observe.events import LegMeasured

from .call import MediaCall, Prompt, Seat
from .recovery import Recovery
from .rooms import Rooms
from .terms import Certificate, make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.media.arena import Clip
    from ivrbench.media.client import Media
    from ivrbench.media.messages import MediaEvent
    from ivrbench.scriptapi.audiofile import OpenAudio

    from ..switchboard import Switchboard
    from .bridge import Trunk

__all__ = ["MediaLink", "Worker"]

log = logging.getLogger("ivrbench.rtp")

_Result = TypeVar("_Result")

WATCH_INTERVAL_MS: Final = 100
MAX_NOTES: Final = 4096


class Worker:
    """One media worker and its calls."""

    def __init__(self, number: int, media: Media) -> None:
        self.number = number
        self.media = media
        self.calls: dict[int, MediaCall] = {}
        self.recorders: dict[int, Callable[[messages.RecorderClosed], None]] = {}
        self.sealing: dict[int, list[Callable[[], None]]] = {}
        """Who waits until a recorder has written what it has."""
        self.trunks: dict[int, Trunk] = {}
        """By the number of the call that is the end here."""
        self.seats = 0
        """Calls that have it, whether their media is open yet or not."""
        self.load = 0.0
        """What they cost, a G.711 call being 1."""
        self.has_certificate = False
        self.report: messages.WorkerReported | None = None
        self.gone = False
        """It died, and the next one is not up yet."""

    def drop_trunks(self) -> None:
        """It died, and their sockets with it."""
        for number, trunk in self.trunks.items():
            trunk.is_broken = True
            trunk.closed(number)
        self.trunks.clear()


class MediaLink:
    """All workers.

    Args:
        board: the engine.
        pool: makes the port pool of an address; tests pass one without sockets.
    """

    def __init__(
        self, board: Switchboard, pool: Callable[[str, int, int], PortPool] = PortPool
    ) -> None:
        self._board = board
        self._make_pool = pool
        self._pools: dict[str, PortPool] = {}
        self.workers: list[Worker] = []
        self.rooms = Rooms(board, self)
        self.recovery = Recovery(board, self)
        self._numbers = itertools.count(1)
        self._session_ids = itertools.count(1)
        self._notes: dict[object, str] = {}
        self._watched: tuple[frozenset[str], bool] = (frozenset(), False)
        self._all_closed: asyncio.Event | None = None
        self._certificate: Certificate | None = None
        self.encoding = 0
        """Prompts being encoded again for calls whose codec changed."""

    def add(self, worker: Worker) -> None:
        """A worker is up; its `media.on_events` must call `receive(worker, events)`."""
        self.workers.append(worker)
        self._certify(worker)  # takes it 0.1 s: before it has calls

    # --- ports --------------------------------------------------------------------------------

    def reserve(self, ip: str, beside: Worker | None = None) -> Seat:
        """Ports for one call, and the worker that will have it.

        Args:
            ip: our address that the ports are to have, where `media_ip` says nothing.
            beside: the worker it is to have; None: the one with most room.

        Raises:
            MediaError: no port is free, or no worker is up.
        """
        up = [w for w in self.workers if not w.gone]
        worker = beside or min(up, key=lambda w: w.load, default=None)
        if worker is None:
            raise MediaError("no media worker is up; a new one is being started")
        settings = self._board.settings
        seat = Seat(worker, self.allocate(settings.media_ip or ip))
        worker.seats += 1
        self._certify(worker)
        return seat

    def _certify(self, worker: Worker) -> None:
        certificate = self.certificate
        if certificate is not None and not worker.has_certificate:
            worker.has_certificate = True
            pem, key_pem = certificate.certificate_pem, certificate.key_pem
            worker.media.send(messages.UseCertificate(pem, key_pem))

    def allocate(self, ip: str) -> PortPair:
        """A port pair of an address. Raises MediaError: none is free."""
        pool = self._pools.get(ip)
        if pool is None:
            settings = self._board.settings
            pool = self._make_pool(ip, settings.rtp_low_port, settings.rtp_high_port)
            self._pools[ip] = pool
        return pool.allocate()

    @property
    def certificate(self) -> Certificate | None:
        """What we show in DTLS; None while encryption is off."""
        if self._certificate is None and self._board.settings.srtp != "off":
            wall_s = self._board.clock.wall()
            self._certificate = make_certificate(
                datetime.datetime.fromtimestamp(wall_s, datetime.UTC)
            )
        return self._certificate

    @property
    def room(self) -> float:
        """What the workers can still carry, in G.711 calls (`media_capacity`)."""
        capacity = self._board.settings.media_capacity
        if not capacity:
            return float("inf")
        return max((capacity - w.load for w in self.workers if not w.gone), default=0.0)

    @property
    def ports_in_use(self) -> int:
        """Port pairs that calls have."""
        return sum(pool.in_use for pool in self._pools.values())

    # --- prompts ------------------------------------------------------------------------------

    def prompt(self, worker: Worker, audio: OpenAudio, form: str) -> Prompt:
        """A prompt as a call's codec wants it, decoded here if no call has needed it; any thread.

        Raises:
            MediaError: it is no audio we know, or there is no room.
            OSError: it cannot be read.
        """
        codec = FORMS[form]
        law, wanted_hz = codec.law, codec.rate_hz
        version = audio.version

        def make() -> tuple[bytes, int, int]:
            data = audio.read_all()
            rate_hz = probe(io.BytesIO(data), audio.name).rate_hz
            if len(self._notes) >= MAX_NOTES:
                self._notes.clear()
            if rate_hz != wanted_hz:
                note = f"resampled {rate_hz / 1000:g} → {wanted_hz / 1000:g} kHz"
                self._notes[version, form] = note
            pcm = load_as(io.BytesIO(data), wanted_hz, audio.name)
            if law is None:
                return pcm.tobytes(), 0, wanted_hz
            return law.encode(pcm).tobytes(), law.silence, wanted_hz

        clip: Clip = worker.media.arena.clip(version, form, make)
        note = self._notes.get((version, form), "")
        return Prompt(worker.media.arena, clip, form, note)

    def in_background(
        self, work: Callable[[], list[_Result]], done: Callable[[list[_Result]], None]
    ) -> None:
        """Do work that takes long in a thread of its own, then call `done` on the loop."""

        def run() -> None:
            try:
                result: list[_Result] = work()
            except (MediaError, OSError) as exc:
                log.error("%s", exc)
                result = []
            self._board.inbox.post(finish, result)

        def finish(result: list[_Result]) -> None:
            self.encoding -= 1
            done(result)

        self.encoding += 1
        threading.Thread(target=run, name="encode", daemon=True).start()

    # --- calls --------------------------------------------------------------------------------

    def next_number(self) -> int:
        """A number for a call or recorder, never used before."""
        return next(self._numbers)

    def next_session_id(self) -> int:
        """For the o= line of a description, never used before, not by an earlier engine either."""
        return int(self._board.clock.wall()) << 20 | next(self._session_ids) & 0xFFFFF

    def opened(self, call: MediaCall) -> None:
        """A call's media is open."""
        call.worker.calls[call.number] = call
        if self._watched[1] or call.session.leg.name in self._watched[0]:
            self._send_watch(call.worker)

    def call_closed(self, call: MediaCall) -> None:
        """A worker is done with a call."""
        call.worker.calls.pop(call.number, None)
        if self._all_closed is not None and not any(w.calls for w in self.workers):
            self._all_closed.set()

    async def all_closed(self) -> None:
        """Wait until the workers are done with all calls."""
        if any(worker.calls for worker in self.workers):
            self._all_closed = asyncio.Event()
            await self._all_closed.wait()

    def receive(self, worker: Worker, events: list[MediaEvent]) -> None:
        """What a worker tells, in order."""
        for event in events:
            try:
                _deliver(self, worker, event)
            except Exception:
                # A fault of ours in one call; the others go on.
                log.exception("%s was not handled", type(event).__name__)
        self._board.settle()

    def lost(self, worker: Worker, how: str) -> None:
        """A worker died: its calls wait for the next one, see `recovery`."""
        worker.gone, worker.has_certificate, worker.report = True, False, None
        worker.drop_trunks()
        worker.recorders.clear()
        self.recovery.lost(worker, how)
        self._board.settle()

    def replaced(self, worker: Worker, media: Media) -> None:
        """The next one is up, with the prompts of the one that died."""
        worker.media, worker.gone = media, False
        if worker.seats:
            self._certify(worker)
        self.recovery.back(worker)
        self._board.settle()

    # --- levels for those who watch -----------------------------------------------------------

    def watch(self, legs: frozenset[str], all_legs: bool) -> None:
        """Report levels of these legs from now on."""
        self._watched = (legs, all_legs)
        for worker in self.workers:
            self._send_watch(worker)

    def _send_watch(self, worker: Worker) -> None:
        legs, all_legs = self._watched
        calls = tuple(
            number
            for number, call in worker.calls.items()
            if all_legs or call.session.leg.name in legs
        )
        worker.media.send(messages.WatchCalls(calls, WATCH_INTERVAL_MS))


def _deliver(link: MediaLink, worker: Worker, event: MediaEvent) -> None:
    if isinstance(event, messages.SpeakerChanged):
        link.rooms.speaker_changed(worker, event)
        return
    if isinstance(event, messages.RoomItemEnded):
        link.rooms.clip_ended(worker, event)
        return
    handle = _WORKER_EVENTS.get(type(event))
    if handle is not None:
        handle(worker, event)
        return
    call = worker.calls.get(event.call)  # type: ignore[union-attr]  # the rest have one
    if call is not None:
        _CALL_EVENTS[type(event)](call, event)
    elif isinstance(event, messages.CallClosed) and event.call in worker.trunks:
        worker.trunks.pop(event.call).closed(event.call)


def _reported(worker: Worker, event: messages.WorkerReported) -> None:
    worker.report = event


def _recorder_closed(worker: Worker, event: messages.RecorderClosed) -> None:
    done = worker.recorders.pop(event.recorder, None)
    if done is not None:
        done(event)


def _recorder_sealed(worker: Worker, event: messages.RecorderSealed) -> None:
    waiting = worker.sealing.get(event.recorder, [])
    if waiting:
        waiting.pop(0)()
    if not waiting:
        worker.sealing.pop(event.recorder, None)


def _ready(worker: Worker, event: messages.WorkerReady) -> None:
    """Told by the one who started it."""


def _room_recorded(worker: Worker, event: messages.RoomRecorded) -> None:
    """The file is whole; that it is closed tells more."""


def _measured(call: MediaCall, event: messages.CallReported) -> None:
    counts = event.counts
    call.session.board.publish(
        LegMeasured(
            leg=call.session.leg.name,
            in_dbfs=event.in_dbfs,
            in_peak_dbfs=event.in_peak_dbfs,
            out_dbfs=event.out_dbfs,
            out_peak_dbfs=event.out_peak_dbfs,
            item=event.item,
            position_ms=event.position_ms,
            recorded_ms=event.recorded_ms,
            buffer_ms=event.buffer_ms,
            received=counts.received,
            sent=counts.sent,
            lost=counts.lost,
            late=counts.late,
            foreign=counts.foreign,
            jitter_ms=counts.jitter_ms,
            rtt_ms=counts.rtt_ms,
            mos=counts.mos,
        )
    )


_WORKER_EVENTS: Final[dict[type, Callable[..., None]]] = {
    messages.WorkerReady: _ready,
    messages.WorkerReported: _reported,
    messages.RecorderClosed: _recorder_closed,
    messages.RecorderSealed: _recorder_sealed,
    messages.RoomRecorded: _room_recorded,
}
_CALL_EVENTS: Final[dict[type, Callable[..., None]]] = {
    # What has no playlist plays nothing.
    messages.ItemStarted: lambda call, event: call.session.playlist.item_started(event),
    messages.ItemEnded: lambda call, event: call.session.playlist.item_ended(event),
    messages.QueueEmptied: lambda call, _: call.session.playlist.queue_emptied(),
    messages.KeyPressed: lambda call, event: call.session.keys.receive_rtp(event),
    messages.KeyReleased: lambda call, event: call.session.keys.receive_rtp(event),
    messages.KeysAgreed: lambda call, event: call.keys_agreed(event.keys),
    messages.KeysFailed: lambda call, event: call.session.warn(event.reason),
    messages.RtpStarted: lambda call, _: call.session.rtp_started(),
    messages.RtpTimedOut: lambda call, _: call.session.rtp_timed_out(),
    messages.SilenceHeard: lambda call, event: call.session.playlist.tape.silent(event),
    messages.CallRecorded: lambda call, event: call.session.playlist.tape.recorded(event),
    messages.CallReported: _measured,
    messages.CallClosed: lambda call, event: call.closed(event.counts),
}
