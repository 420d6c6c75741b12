"""Bridge: two calls that hear each other, on one media worker or on two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.media.codecs import find

if TYPE_CHECKING:
    from .call import MediaCall
    from .link import MediaLink, Worker

__all__ = ["Bridge", "Trunk", "rate_of"]

LOOPBACK: Final = "127.0.0.1"
TRUNK_PTIME_MS: Final = {8000: 20, 16_000: 20, 48_000: 10}
"""Packets of L16 have to fit into an Ethernet frame."""
TRUNK_PT: Final = 96


class Trunk:
    """Audio between two workers: a call of each, which send each other linear samples.

    Args:
        link: the workers.
        ends: two different ones.
        rate_hz: sample rate.

    Raises:
        MediaError: no port is free.
    """

    def __init__(self, link: MediaLink, ends: tuple[Worker, Worker], rate_hz: int) -> None:
        self.ends = ends
        self.is_broken = False
        """A worker died, and its end with it."""
        self.numbers = (link.next_number(), link.next_number())
        """Of the call at each of `ends`."""
        ports = [link.allocate(LOOPBACK)]
        try:
            ports.append(link.allocate(LOOPBACK))
        except MediaError:
            ports[0].release()
            raise
        self._ports = dict(zip(self.numbers, ports, strict=True))
        for here in (0, 1):
            # The worker still has the socket until it says that the call is closed.
            ends[here].trunks[self.numbers[here]] = self
            stream = _stream_to(ports[1 - here].port, rate_hz)
            opening = messages.OpenCall(self.numbers[here], stream)
            ends[here].media.send(opening, ports[here].detach())

    def __repr__(self) -> str:
        return f"<Trunk {self.numbers[0]} to {self.numbers[1]}>"

    def closed(self, number: int) -> None:
        """A worker has closed its end."""
        self._ports[number].release()

    def close(self) -> None:
        """Nobody needs it any more."""
        for worker, number in zip(self.ends, self.numbers, strict=True):
            worker.media.send(messages.CloseCall(number))


def _stream_to(port: int, rate_hz: int) -> messages.StreamParams:
    return messages.StreamParams(
        codec="L16",
        payload_type=TRUNK_PT,
        dtmf_payload_type=-1,
        ptime_ms=TRUNK_PTIME_MS[rate_hz],
        remote_rtp=(LOOPBACK, port),
        remote_rtcp=(LOOPBACK, port + 1),
        send=True,
        receive=True,
        latch=False,
        dead_rtp_s=0.0,
        clock_rate_hz=rate_hz,
    )


class Bridge:
    """Two calls that hear each other until `end`.

    Args:
        one: a call.
        two: another one, on any worker.

    Raises:
        MediaError: they are on two workers, and no port is free for what joins those.
    """

    def __init__(self, one: MediaCall, two: MediaCall) -> None:
        self.calls = (one, two)
        self._trunk: Trunk | None = None
        self.begin()

    def __repr__(self) -> str:
        return f"<Bridge {self.calls[0].number} and {self.calls[1].number}>"

    def begin(self) -> None:
        """Join them, also when one of them has come to a new worker."""
        self._hang_up()
        one, two = self.calls
        if one.worker.gone or two.worker.gone:
            return  # who comes back calls this again
        if one.worker is two.worker:
            one.worker.media.send(messages.ConnectCalls(one.number, two.number))
            return
        rate_hz = max(one.rate_hz, two.rate_hz)
        link = one.session.board.media
        self._trunk = Trunk(link, (one.worker, two.worker), rate_hz)
        for call, number in zip(self.calls, self._trunk.numbers, strict=True):
            call.worker.media.send(messages.ConnectCalls(call.number, number))

    def end(self) -> None:
        """Part them."""
        for call in self.calls:
            call.bridge = None
            call.worker.media.send(messages.ConnectCalls(call.number, 0))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._trunk is not None:
            self._trunk.close()
            self._trunk = None


def rate_of(stream: messages.StreamParams) -> int:
    """Sample rate of what a call hears."""
    codec = find(stream.codec, stream.clock_rate_hz)
    return codec.rate_hz if codec is not None else 8000
