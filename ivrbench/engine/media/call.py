"""MediaCall: one call's audio at its worker; turns what the session wants into messages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ivrbench.media import messages
from ivrbench.sdp.security import DtlsRole

from .bridge import Bridge, rate_of
from .terms import weight_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.media.arena import Clip, PromptArena
    from ivrbench.media.ports import PortPair
    from ivrbench.sdp.negotiate import Agreement

    from .audio_owner import AudioOwner
    from .link import Worker

__all__ = ["MediaCall", "Prompt", "Seat"]


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A clip that somebody holds; `release` it once."""

    arena: PromptArena
    clip: Clip
    form: str
    """How it lies there, see `ivrbench.media.codecs`."""
    note: str

    @property
    def rate_hz(self) -> int:
        """Its sample rate."""
        return self.clip.rate_hz

    @property
    def n_samples(self) -> int:
        """Length."""
        return self.clip.n_samples

    @property
    def length_ms(self) -> int:
        """Length in milliseconds."""
        return self.clip.duration_ms

    def part(self, loop: bool) -> messages.ClipPart:
        """The whole of it, for the worker."""
        return messages.ClipPart(self.clip.offset, self.n_samples, loop)

    def release(self) -> None:
        """Let the arena have it back."""
        self.arena.unpin(self.clip)


class Seat:
    """A worker and a port pair, reserved for one call.

    Args:
        worker: where the call will be.
        ports: bound and not yet handed over.
    """

    def __init__(self, worker: Worker, ports: PortPair) -> None:
        self.worker = worker
        self.ports = ports
        self._free = False
        self._weight = 1.0
        worker.load += self._weight

    @property
    def port(self) -> int:
        """The RTP port."""
        return self.ports.port

    def weigh(self, weight: float) -> None:
        """The call costs the worker so much, a G.711 call being 1."""
        if not self._free:
            self.worker.load += weight - self._weight
            self._weight = weight

    def release(self) -> None:
        """Give both back; may be called twice."""
        if not self._free:
            self._free = True
            self.worker.load -= self._weight
            self.worker.seats -= 1
            self.ports.release()


class MediaCall:
    """A call that the worker has.

    Args:
        session: whose audio.
        seat: its worker and ports.
        agreement: what offer and answer agreed on.
    """

    def __init__(self, session: AudioOwner, seat: Seat, agreement: Agreement) -> None:
        self.session = session
        self.worker = seat.worker
        self.number = session.board.media.next_number()
        self._recorders: set[int] = set()
        self.bridge: Bridge | None = None
        """Joins it with another call."""
        self._silent = False
        self._closing = False
        self.losses = 0
        """How many workers died with this call."""
        self.suspended_s = 0.0
        """Since when it has no worker; 0.0: it has one."""
        self.why_suspended = ""
        self._keys: messages.SrtpParams | None = None
        """What DTLS agreed on with a peer of this fingerprint."""
        self._keys_of = ""
        self._kept: messages.SrtpParams | None = None
        """Those that the worker got from us: it came after the one that agreed on them."""
        self._open(seat, agreement)

    def _open(self, seat: Seat, agreement: Agreement) -> None:
        self._seat = seat
        self._send = seat.worker.media.send
        self._stream = self._params(agreement)
        seat.weigh(weight_of(agreement))
        self._send(messages.OpenCall(self.number, self._stream), seat.ports.detach())
        if self.bridge is not None:
            self.bridge.begin()
        self.session.board.media.opened(self)

    @property
    def is_suspended(self) -> bool:
        """The worker died; the call waits for the next one."""
        return self.suspended_s > 0.0 and not self._closing

    def suspend(self, reason: str) -> None:
        """The worker died, and the sockets with it: what is asked for has to wait."""
        if not self.is_suspended:
            self.suspended_s = self.session.board.now()
        self.losses += 1
        self.why_suspended = reason
        self._send = _nobody
        self._recorders.clear()
        self._seat.release()
        self.session.media_suspended()

    def resume(self, seat: Seat, agreement: Agreement) -> None:
        """The peer took the new ports: go on."""
        self.suspended_s = 0.0
        self._kept = self._keys
        self._open(seat, agreement)
        self.session.media_resumed(self)

    def keys_agreed(self, keys: messages.SrtpParams) -> None:
        """DTLS has agreed; a peer may take new ports without another handshake."""
        dtls = self._stream.dtls
        self._keys, self._keys_of = keys, dtls.fingerprint if dtls is not None else ""

    def _srtp_of(self, agreement: Agreement) -> messages.SrtpParams | None:
        sdes, dtls = agreement.sdes, agreement.dtls
        if sdes is not None:
            return messages.SrtpParams(sdes.suite, sdes.send, sdes.receive)
        same_peer = dtls is not None and dtls.fingerprint == self._keys_of
        return self._kept if same_peer else None

    def _params(self, agreement: Agreement) -> messages.StreamParams:
        settings = self.session.board.settings
        received, dtls = agreement.dtmf_receive_pt, agreement.dtls
        begins = dtls is not None and dtls.role is DtlsRole.ACTIVE
        return messages.StreamParams(
            codec=agreement.codec.name.upper(),
            payload_type=agreement.codec.payload_type,
            dtmf_payload_type=-1 if agreement.dtmf_pt is None else agreement.dtmf_pt,
            ptime_ms=agreement.ptime_ms,
            remote_rtp=agreement.remote_rtp,
            remote_rtcp=agreement.remote_rtcp,
            send=agreement.direction.sends,
            receive=agreement.direction.receives,
            latch=settings.nat == "latch",
            dead_rtp_s=float(settings.dead_rtp_time),
            clock_rate_hz=agreement.codec.clock_rate_hz,
            fmtp=agreement.peer_fmtp,
            receive_payload_type=agreement.receive_pt,
            receive_dtmf_payload_type=-1 if received is None else received,
            dtmf_clock_rate_hz=agreement.dtmf_clock_rate_hz,
            dtmf_inband=settings.dtmf_inband == "on"
            or (settings.dtmf_inband == "auto" and agreement.dtmf_pt is None),
            srtp=self._srtp_of(agreement),
            dtls=messages.DtlsParams(begins, dtls.fingerprint) if dtls else None,
        )

    def update(self, agreement: Agreement) -> None:
        """Offer and answer completed again."""
        self._stream = self._params(agreement)
        self._seat.weigh(weight_of(agreement))
        self._send(messages.UpdateCall(self.number, self._stream))

    def silence(self) -> None:
        """The party hung up: nothing is sent to it any more."""
        if not self._silent and not self._closing:
            self._silent = True
            self._stream = replace(self._stream, send=False)
            self._send(messages.UpdateCall(self.number, self._stream))

    @property
    def rate_hz(self) -> int:
        """Sample rate of its codec."""
        return rate_of(self._stream)

    def connect(self, other: MediaCall | None) -> None:
        """Hear another call, which hears this one; None: be alone again.

        Each of them parts from whom it was connected with before.

        Raises:
            MediaError: they are on two workers, and no port is free for what joins those.
        """
        for call in (self, other):
            if call is not None and call.bridge is not None:
                call.bridge.end()
        if other is not None:
            self.bridge = other.bridge = Bridge(self, other)

    def set_switches(self, switches: messages.SetSwitches) -> None:
        """The script's switches."""
        self._send(replace(switches, call=self.number))

    def send(self, command: messages.Command) -> None:
        """Have the worker do something; while the call has none, nothing is done."""
        self._send(command)

    def flush(self) -> None:
        """Drop all items."""
        self._send(messages.FlushQueue(self.number))

    def send_keys(self, keys: tuple[int, ...], length_ms: int) -> None:
        """Press keys towards the peer."""
        self._send(messages.SendKeys(self.number, keys, length_ms))

    def seek(self, item: int, position_samples: int) -> None:
        """Go to a place in an item."""
        self._send(messages.SeekItem(self.number, item, position_samples))

    def set_loop(self, item: int, loop: bool) -> None:
        """Loop an item or not."""
        self._send(messages.SetLoop(self.number, item, loop))

    def open_recorder(
        self,
        fd: int,
        how: messages.OpenRecorder,
        closed: Callable[[messages.RecorderClosed], None],
    ) -> int:
        """Make a file ready to record into; the descriptor becomes the worker's."""
        number = self.session.board.media.next_number()
        self.worker.recorders[number] = closed
        self._recorders.add(number)
        self._send(replace(how, recorder=number), (fd,))
        return number

    def seal_recorder(self, recorder: int, written: Callable[[], None]) -> None:
        """Have what was recorded so far written; `written` is called when it is."""
        self.worker.sealing.setdefault(recorder, []).append(written)
        self._send(messages.SealRecorder(recorder))

    def close_recorder(self, recorder: int) -> None:
        """Have a file finished."""
        if recorder in self._recorders:
            self._recorders.discard(recorder)
            self._send(messages.CloseRecorder(recorder))

    def close(self) -> None:
        """The call is over; `CallClosed` answers."""
        self.connect(None)
        if self.is_suspended:
            self._closing = True
            self.closed(messages.StreamCounts())
        elif not self._closing:
            self._closing = True
            # In this order: the item that records ends first, then its file is finished.
            self._send(messages.CloseCall(self.number))
            for recorder in self._recorders:
                self._send(messages.CloseRecorder(recorder))
            self._recorders.clear()

    def closed(self, counts: messages.StreamCounts) -> None:
        """The worker has let go of it."""
        self.session.board.media.call_closed(self)
        self._seat.release()
        self.session.media_closed(counts)
        del self.session  # it has us: neither is to wait for the garbage collector

    def lost(self, reason: str) -> None:
        """The worker is gone for good, and the sockets with it."""
        self._closing = True
        self.session.board.media.call_closed(self)
        self._seat.release()
        self.session.media_lost(reason)
        del self.session


def _nobody(command: messages.Command, fds: Sequence[int] = ()) -> None:
    """What a call without worker sends to: the next one is told everything anew."""
    for fd in fds:
        os.close(fd)
