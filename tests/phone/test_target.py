"""Whom the phone calls when the user types something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.config import Listen
from ivrbench.errors import ConfigError, EngineGone
from ivrbench.observe.commands import Answered, Command
from ivrbench.observe.events import ListenerChanged
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.observe.serve import serve_connection
from ivrbench.phone.target import Target, engine_listeners, read_target, resolve

if TYPE_CHECKING:
    from pathlib import Path

UDP = Listen("udp", "127.0.0.1", 5070)
TCP = Listen("tcp", "::1", 5071)
TLS = Listen("tls", "127.0.0.1", 5061)


def test_name_is_a_script_of_the_first_listener() -> None:
    """`ivrbench call hello` needs no address."""
    assert read_target("hello", [UDP, TCP]) == Target(
        "sip:hello@127.0.0.1:5070", "udp", "127.0.0.1", 5070
    )


def test_first_listener_the_phone_can_speak_to_is_taken() -> None:
    """TLS is passed over; an IPv6 address gets its brackets and TCP its parameter."""
    assert read_target("hello", [TLS, TCP]) == Target(
        "sip:hello@[::1]:5071;transport=tcp", "tcp", "::1", 5071
    )


def test_without_listeners_the_usual_port_is_tried() -> None:
    """127.0.0.1:5060 is where an engine with no settings listens."""
    assert read_target("hello", []).uri == "sip:hello@127.0.0.1:5060"


@pytest.mark.parametrize(("ip", "reached"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_wildcard_listener_is_met_on_loopback(ip: str, reached: str) -> None:
    """Nobody can send to 0.0.0.0."""
    assert read_target("hello", [Listen("udp", ip, 5060)]).host == reached


def test_odd_script_names_are_escaped() -> None:
    """RFC 3261 §25.1: what is no user character is written with %."""
    assert read_target("my menu", [UDP]).uri == "sip:my%20menu@127.0.0.1:5070"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sip:a@192.0.2.1", Target("sip:a@192.0.2.1", "udp", "192.0.2.1", 5060)),
        (
            "sip:a@[2001:db8::1]:5062;transport=TCP",
            Target("sip:a@[2001:db8::1]:5062;transport=TCP", "tcp", "2001:db8::1", 5062),
        ),
        (
            "sip:a;app=x@host;app=menu?Subject=no",
            Target("sip:a;app=x@host;app=menu", "udp", "host", 5060),
        ),
    ],
)
def test_sip_uri_is_used_as_it_is(text: str, wanted: Target) -> None:
    """RFC 3261 §19.1.1: parameters stay, headers are no part of a Request-URI."""
    assert read_target(text, [UDP]) == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "whom to call"),
        ("tel:+123", "neither"),
        ("hello@example", "neither"),
        ("sip:", "neither"),
        ("sips:a@host", "UDP and TCP only"),
        ("sip:a@host;transport=tls", "UDP and TCP only"),
    ],
)
def test_what_cannot_be_called_is_said(text: str, sentence: str) -> None:
    """A usage error with a sentence, before any socket is opened."""
    with pytest.raises(ConfigError, match=sentence):
        read_target(text, [UDP])


@pytest.mark.net
async def test_running_engine_says_where_it_listens(tmp_path: Path) -> None:
    """Its listeners in its order, without those that are down: the phone calls the port taken."""
    hub = Hub(ManualClock(), History())
    hub.publish(ListenerChanged("udp", "127.0.0.1", 5060, up=False, reason="taken"))
    hub.publish(ListenerChanged("tcp", "127.0.0.1", 5062, up=True))
    hub.publish(ListenerChanged("udp", "127.0.0.1", 5061, up=True))

    async def refuse(command: Command) -> Answered:
        return Answered(command.request, ok=False)

    socket = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(
        lambda reader, writer: serve_connection(reader, writer, hub, refuse), socket
    )
    async with server:
        listeners = await engine_listeners(socket)
    assert listeners == [Listen("tcp", "127.0.0.1", 5062), Listen("udp", "127.0.0.1", 5061)]


async def test_engine_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Nobody at the control socket is a sentence, not a traceback."""
    with pytest.raises(EngineGone, match="no engine at"):
        await engine_listeners(tmp_path / "none.sock")


@pytest.mark.net
async def test_target_is_resolved_to_an_address() -> None:
    """A numeric host is its own address, of either family."""
    assert await resolve(Target("sip:a@127.0.0.1", "udp", "127.0.0.1", 5060)) == (
        "127.0.0.1",
        5060,
    )
    assert await resolve(Target("sip:a@[::1]", "udp", "::1", 5062)) == ("::1", 5062)
