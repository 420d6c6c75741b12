"""LiveBench: the twin of `Bench` on real sockets: the same verbs, in real time, over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ivrbench.clock import SystemClock
from ivrbench.config.values import Listen
from ivrbench.engine.engine import Engine
from ivrbench.media.ports import PortPair, PortPool
from ivrbench.sip.flow import Flow
from ivrbench.testing.bench import BenchBase
from ivrbench.testing.callee import Invited

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.config import Settings
    from ivrbench.observe.events import Event
    from ivrbench.sip.flow import Address
    from ivrbench.testing.network import AudioPort, BadNetwork

__all__ = ["LiveBench", "LiveNetwork"]

LOOPBACK = "127.0.0.1"
RTP_LOW_PORT, RTP_HIGH_PORT = 34_000, 35_999
"""The callers' ports."""
MAX_DATAGRAM_BYTES = 65_535


class LiveNetwork:
    """`Network` of UDP sockets on loopback."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Address) -> None:
        self.loop = loop
        self.engine = engine
        self._sip: dict[Address, socket.socket] = {}
        self._ports = PortPool(LOOPBACK, RTP_LOW_PORT, RTP_HIGH_PORT)
        self._conditions: dict[Address, BadNetwork] = {}

    def now(self) -> float:
        return self.loop.time()

    def join(self, receive: Callable[[bytes, Flow], None], address: Address | None = None) -> Flow:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind(address or (LOOPBACK, 0))
        local: Address = sock.getsockname()
        self._sip[local] = sock

        def take(data: bytes, source: Address) -> None:
            receive(data, Flow("udp", local, source))

        self.loop.add_reader(sock, _read, sock, take)
        return Flow("udp", local, self.engine)

    def send(self, data: bytes, flow: Flow) -> None:
        sock = self._sip.get(flow.local)
        if sock is not None:
            with contextlib.suppress(OSError):  # as if it got lost
                sock.sendto(data, flow.remote)

    def open_audio(
        self, ip: str, receive: Callable[[bytes, Address], None], port: int = 0
    ) -> AudioPort:
        return _UdpAudio(self, self._ports.allocate(), receive)

    def impair(self, address: Address, conditions: BadNetwork | None) -> None:
        if conditions is None:
            self._conditions.pop(address, None)
        else:
            self._conditions[address] = conditions

    def suffer(self, address: Address, deliver: Callable[[], None]) -> None:
        """Let a packet to or from an address arrive, late or not at all."""
        conditions = self._conditions.get(address)
        delay_s = 0.0 if conditions is None else conditions.fate()
        if delay_s:
            self.loop.call_later(delay_s, deliver)
        elif delay_s is not None:
            deliver()

    def close(self) -> None:
        """Close the SIP sockets."""
        for sock in self._sip.values():
            self.loop.remove_reader(sock)
            sock.close()
        self._sip.clear()


class _UdpAudio:
    """`AudioPort` of two UDP sockets."""

    def __init__(
        self, network: LiveNetwork, pair: PortPair, receive: Callable[[bytes, Address], None]
    ) -> None:
        self.address: Address = (LOOPBACK, pair.port)
        self._network = network
        self._pair = pair

        def take(data: bytes, source: Address) -> None:
            network.suffer(self.address, lambda: receive(data, source))

        network.loop.add_reader(pair.rtp, _read, pair.rtp, take)

    def send(self, data: bytes, to: Address) -> None:
        self._network.suffer(self.address, lambda: self._send(data, to))

    def close(self) -> None:
        self._network.loop.remove_reader(self._pair.rtp)
        self._pair.release()

    def _send(self, data: bytes, to: Address) -> None:
        if self._pair.rtp.fileno() >= 0:
            with contextlib.suppress(OSError):  # nobody there any more: as if it got lost
                self._pair.rtp.sendto(data, to)


def _read(sock: socket.socket, take: Callable[[bytes, Any], None]) -> None:
    with contextlib.suppress(OSError):  # nothing there, or an ICMP error about what was sent
        while True:
            data, source = sock.recvfrom(MAX_DATAGRAM_BYTES)
            take(data, source)


class LiveBench(BenchBase):
    """An engine on loopback sockets with a media worker process, as it serves real calls.

    What takes a minute of call takes a minute; use it where real time or a real network matters.
    Scripts can call `phone("bob")`, which gives the URI to put into their configuration.
    """

    engine: Engine
    network: LiveNetwork

    def phone(self, user: str = "bob") -> str:
        """A telephone that scripts can call.

        Returns:
            its URI; `Caller.connects` takes it.
        """
        self.open()
        agent = Invited(self.network)
        agent.on_change = self.changed
        self._agents.append(agent)
        ip, port = agent.flow.local
        return f"sip:{user}@{ip}:{port}"

    def _open(self, settings: Settings) -> None:
        self.loop = asyncio.new_event_loop()
        self._run = self.loop.run_until_complete
        listen = (Listen("udp", LOOPBACK, 0),)
        self.run(self._bring_up(replace(settings, listen=listen, watch=False, control_socket=None)))

    async def _bring_up(self, settings: Settings) -> None:
        self.network = LiveNetwork(self.loop, (LOOPBACK, 0))
        self.engine = Engine(settings, self.loop, SystemClock())
        publish = self.engine.hub.publish

        def tell(event: Event) -> None:
            self.note(event)
            publish(event)

        self.engine.hub.publish = tell  # type: ignore[method-assign, assignment]
        self.engine.board.publish = tell
        await self.engine.open()
        self.network.engine = (LOOPBACK, self.engine.transports.listeners[0].port)

    def _close(self) -> None:
        self.network.close()
        self.run(self.engine.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
