"""Flow: the path one message came by, and the path its answer goes back by."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TRANSPORTS", "Address", "Flow", "host_port"]

Address = tuple[str, int]
"""(IP address without brackets, port)."""

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")


@dataclass(frozen=True, slots=True)
class Flow:
    """One UDP address pair or one connection; hashable, so it can key a table of sockets.

    The core never opens anything: it names the flow it wants a message sent on. A reliable flow
    with `connection_id` 0 means "no connection is known: connect to `remote` first".
    """

    transport: str
    """One of `TRANSPORTS`, lower case."""
    local: Address
    """Our address; it is what Via and Contact show unless `EndpointSettings.public_host` is set."""
    remote: Address
    """The peer's address."""
    connection_id: int = 0
    """Tells connections between the same addresses apart; 0 for UDP or "none yet"."""
    host: str = ""
    """The name the peer's certificate has to show (RFC 5922 §7.1); "": its address."""
    hop: str = field(default="", compare=False)
    """URI of the next hop, where `remote` is not its address: ask the DNS, and use `remote` only if
    that knows nothing; "": nobody has to ask."""

    @property
    def reliable(self) -> bool:
        """True where the transport itself delivers: timers A, E, G are off, D, I, J, K are 0."""
        return self.transport != "udp"

    @property
    def stream(self) -> bool:
        """True where message bounds are found by Content-Length (RFC 3261 §18.3)."""
        return self.transport in ("tcp", "tls")

    def __str__(self) -> str:
        return f"{self.transport}:{host_port(*self.local)}<>{host_port(*self.remote)}"


def host_port(host: str, port: int) -> str:
    """`host:port` as SIP writes it: an IPv6 address in brackets, port 0 left out."""
    # RFC 3261 §25.1: IPv6reference = "[" IPv6address "]".
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{shown}:{port}" if port else shown
