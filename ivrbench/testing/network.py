"""Networks: where the user agents of a test meet the engine; one in memory, good or bad."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from ivrbench.errors import MediaError
from ivrbench.media.memory import MemoryNetwork, MemorySocket
from ivrbench.phone.network import BadNetwork as PhoneNetwork
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

__all__ = ["AudioPort", "BadNetwork", "MemoryPorts", "Network", "VirtualNetwork"]

LATENCY_S = 0.001
FIRST_CALLER = ("192.0.2.99", 5060)
FIRST_RTP_PORT = 40_000


class BadNetwork(PhoneNetwork):
    """What happens to the audio of a call, both ways; the same in every run of a test.

    Args:
        loss_percent: so many packets never arrive.
        delay_ms: the others come so much later.
        jitter_ms: and up to so much more, packet by packet; above 20 they overtake each other.
        reorder_percent: so many packets are overtaken by the next.
        seed: another one makes other packets suffer.
    """

    def __init__(
        self,
        loss_percent: float = 0.0,
        delay_ms: int = 0,
        jitter_ms: int = 0,
        *,
        reorder_percent: float = 0.0,
        seed: int = 1,
    ) -> None:
        super().__init__(seed)
        self.loss_percent, self.delay_ms, self.jitter_ms = loss_percent, delay_ms, jitter_ms
        self.reorder_percent = reorder_percent

    def fate(self) -> float | None:
        delay_s = super().fate()
        if delay_s is None or not self.reorder_percent:
            return delay_s
        return delay_s + 0.03 * (self._random.uniform(0, 100) < self.reorder_percent)


class AudioPort(Protocol):
    """A pair of ports for RTP and RTCP; what comes to the first is handed to its owner."""

    address: Address

    def send(self, data: bytes, to: Address) -> None:
        """Send an RTP packet."""

    def close(self) -> None:
        """Give the ports back."""


class Network(Protocol):
    """What a user agent needs to take part."""

    loop: asyncio.AbstractEventLoop
    engine: Address
    """Where the engine takes SIP."""

    def now(self) -> float:
        """Seconds, on the clock of the loop."""

    def join(self, receive: Callable[[bytes, Flow], None], address: Address | None = None) -> Flow:
        """Take part in SIP.

        Args:
            receive: gets each message.
            address: where; None: any that is free.

        Returns:
            the way to the engine.
        """

    def send(self, data: bytes, flow: Flow) -> None:
        """Carry one SIP message."""

    def open_audio(
        self, ip: str, receive: Callable[[bytes, Address], None], port: int = 0
    ) -> AudioPort:
        """Ports for audio.

        Args:
            ip: where.
            receive: gets each RTP packet and who sent it.
            port: which; 0: any.
        """

    def impair(self, address: Address, conditions: BadNetwork | None) -> None:
        """Let the audio to and from an address suffer; None: no more."""


class VirtualNetwork:
    """`Network` in memory: SIP takes a millisecond, audio no time.

    Attributes:
        rtp: the audio's.
        lose: decides which SIP messages get lost.
        nobody: called with a message to an address where nobody is; it may `join` there.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Address) -> None:
        self.loop = loop
        self.engine = engine
        self.rtp = MemoryNetwork()
        self.lose: Callable[[bytes], bool] = lambda data: False
        self.nobody: Callable[[Flow], None] = lambda flow: None
        self._stations: dict[Address, Callable[[bytes, Flow], None]] = {}
        self._arrival_s = 0.0
        self._conditions: dict[Address, BadNetwork] = {}
        self._late = False
        self._next_port = FIRST_RTP_PORT

    def now(self) -> float:
        return self.loop.time()

    # --- SIP ----------------------------------------------------------------------------------

    def join(self, receive: Callable[[bytes, Flow], None], address: Address | None = None) -> Flow:
        ip, port = address or FIRST_CALLER
        while address is None and (ip, port) in self._stations:
            port += 1
        self._stations[ip, port] = receive
        return Flow("udp", (ip, port), self.engine)

    def send(self, data: bytes, flow: Flow) -> None:
        if flow.remote not in self._stations:
            self.nobody(flow)
        receive = self._stations.get(flow.remote)
        if receive is not None and not self.lose(data):
            back = Flow(flow.transport, flow.remote, flow.local)
            # The loop does not keep the order of equal times, so no two are equal.
            self._arrival_s = max(self.now() + LATENCY_S, self._arrival_s + 1e-6)
            self.loop.call_at(self._arrival_s, receive, data, back)

    # --- audio --------------------------------------------------------------------------------

    def pair(self, ip: str, port: int) -> tuple[MemorySocket, MemorySocket]:
        """Sockets for RTP and RTCP of somebody who is no user agent."""
        return self.rtp.pair(ip, port)

    def open_audio(
        self, ip: str, receive: Callable[[bytes, Address], None], port: int = 0
    ) -> AudioPort:
        if not port:
            port = self._next_port
            self._next_port += 2
        return _MemoryAudio(self.rtp, (ip, port), receive)

    def impair(self, address: Address, conditions: BadNetwork | None) -> None:
        self.rtp.impair = self._suffer
        if conditions is None:
            self._conditions.pop(address, None)
        else:
            self._conditions[address] = conditions

    def _suffer(self, data: bytes, source: Address, to: Address) -> list[bytes]:
        conditions = self._conditions.get(source) or self._conditions.get(to)
        if conditions is None or self._late:
            return [data]
        delay_s = conditions.fate()
        if not delay_s:
            return [] if delay_s is None else [data]
        self.loop.call_later(delay_s, self._arrive, data, source, to)
        return []

    def _arrive(self, data: bytes, source: Address, to: Address) -> None:
        self._late = True
        try:
            self.rtp.send(data, source, to)
        finally:
            self._late = False


class _MemoryAudio(MemorySocket):
    """`AudioPort` in memory, with a silent RTCP port beside it."""

    def __init__(
        self, network: MemoryNetwork, local: Address, receive: Callable[[bytes, Address], None]
    ) -> None:
        super().__init__(network, local)
        self.address = local
        self._receive = receive
        self.rtcp = MemorySocket(network, (local[0], local[1] + 1))

    def deliver(self, data: bytes, source: Address) -> None:
        self._receive(data, source)

    def send(self, data: bytes, to: Address) -> None:
        self.send_to(data, to)

    def close(self) -> None:
        super().close()
        self.rtcp.close()


class MemoryPorts:
    """`PortPool` of ports in memory, for the engine."""

    def __init__(self, network: MemoryNetwork, ip: str, low: int, high: int) -> None:
        self._network, self._ip = network, ip
        self._free = deque(range(low, high, 2))
        self.in_use = 0

    def allocate(self) -> _MemoryPair:
        """The next free pair."""
        if not self._free:
            raise MediaError("all RTP ports are taken")
        self.in_use += 1
        return _MemoryPair(self, self._free.popleft())

    def give_back(self, port: int) -> None:
        """A pair is free again."""
        self.in_use -= 1
        self._free.append(port)

    def pair(self, port: int) -> Any:
        """The sockets of a pair, for the media plane."""
        return self._network.pair(self._ip, port)


class _MemoryPair:
    """`PortPair` of the pool above."""

    def __init__(self, pool: MemoryPorts, port: int) -> None:
        self._pool: MemoryPorts | None = pool
        self.port = port

    def detach(self) -> object:
        assert self._pool is not None, "a pair that was given back is not used again"
        return self._pool.pair(self.port)

    def release(self) -> None:
        if self._pool is not None:
            self._pool.give_back(self.port)
            self._pool = None
