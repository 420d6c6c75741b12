"""Where requests within a dialog go when the other side, or a proxy, gave a name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from ivrbench.engine.signalling.hops import ASKED_FOR_S, Hops
from ivrbench.engine.signalling.routing import Ways
from ivrbench.errors import LocalProtocolError
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.engine.signalling.routing import Router

US, BEFORE = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
FOUND = Flow("udp", US, ("198.51.100.7", 5062))
SECURE = Flow("tls", US, ("198.51.100.7", 5061), host="edge.example")
NAMED = Flow("udp", US, BEFORE, hop="sip:edge.example;lr")


class Names:
    """A router that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ready = asyncio.Event()
        self.flows: Sequence[Flow] = (SECURE, FOUND)

    async def find(self, uri: str) -> Ways:
        self.asked.append(uri)
        await self.ready.wait()
        if not self.flows:
            raise LocalProtocolError("no such name")
        return Ways(cast("Router", self), self.flows, ())


class Lab:
    def __init__(self) -> None:
        self.names = Names()
        self.sent: list[tuple[bytes, Flow]] = []
        self.hops = Hops(
            asyncio.get_running_loop(),
            lambda: cast("Router", self.names),
            lambda data, flow: self.sent.append((data, flow)),
        )


@pytest.fixture
async def lab() -> Lab:
    return Lab()


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_in_the_order_they_were_sent(lab: Lab) -> None:
    """The DNS is asked once; what follows the first message waits with it, nothing else does."""
    for data in (b"ACK", b"BYE"):
        lab.hops.send(data, NAMED)
    lab.hops.send(b"other", FOUND)
    await turns()
    assert lab.sent == [(b"other", FOUND)]
    lab.names.ready.set()
    await turns()
    assert lab.names.asked == ["sip:edge.example;lr"]
    assert lab.sent[1:] == [(b"ACK", FOUND), (b"BYE", FOUND)], "by the transport Via names"
    lab.hops.send(b"INFO", NAMED)
    await turns()
    assert lab.sent[3:] == [(b"INFO", FOUND)]


@pytest.mark.parametrize("flows", [(), (SECURE,)])
async def test_name_that_leads_nowhere(lab: Lab, flows: Sequence[Flow]) -> None:
    """No such name, or not by this transport: the way the dialog was made."""
    lab.names.flows = flows
    lab.names.ready.set()
    lab.hops.send(b"ACK", NAMED)
    await turns()
    ((data, flow),) = lab.sent
    assert (data, flow, flow.hop) == (b"ACK", Flow("udp", US, BEFORE), "")


async def test_dns_that_is_dead(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message waits a second, and the question goes on for those that come later."""
    waits: list[float] = []

    async def wait(tasks: Sequence[asyncio.Task[None]], **how: float) -> None:
        waits.append(how["timeout"])

    monkeypatch.setattr("ivrbench.engine.signalling.hops.asyncio.wait", wait)
    lab.hops.send(b"ACK", NAMED)
    await turns()
    assert waits == [ASKED_FOR_S]
    assert [data for data, _ in lab.sent] == [b"ACK"]
    lab.hops.close()
    await turns()
