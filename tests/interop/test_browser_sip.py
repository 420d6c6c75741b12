"""A browser speaks SIP to us by its own WebSocket, and with JsSIP where that is at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import SipTraced

from .lab.browser import Browser
from .lab.engine import Engine
from .lab.network import IP

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SCRIPT = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        pass
    """
OPTIONS = (
    "OPTIONS sip:app@ivr.example SIP/2.0\r\n"
    "Via: SIP/2.0/WS page.invalid;branch=z9hG4bK{n};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:page@ivr.example>;tag={n}\r\nTo: <sip:app@ivr.example>\r\n"
    "Call-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
RAW = """
window.got = [];
const socket = new WebSocket({url}, "sip");
socket.binaryType = "arraybuffer";
socket.onmessage = e => got.push(typeof e.data == "string" ? e.data
                                 : new TextDecoder().decode(e.data));
socket.onclose = () => got.push("closed");
socket.onopen = () => {{
  got.push("protocol " + socket.protocol);
  socket.send({text});
  socket.send(new TextEncoder().encode({binary}));
  socket.send("\\r\\n\\r\\n");
}};
"""
JSSIP = """
window.got = [];
const note = (what, e) => got.push(what + " " + (e?.response?.status_code ?? e?.cause ?? ""));
window.ua = new JsSIP.UA({{
  sockets: [new JsSIP.WebSocketInterface({url})], uri: "sip:page@ivr.example", register: false,
}});
const sound = new AudioContext().createMediaStreamDestination().stream;
ua.on("connected", () => {{
  note("connected");
  ua.sendOptions("sip:app@ivr.example", "", {{eventHandlers: {{
    succeeded: e => {{
      note("options", e);
      ua.call("sip:app@ivr.example", {{mediaStream: sound, eventHandlers: {{
        // There is only a loopback here, of which no browser makes candidates: it need not look.
        peerconnection: e => Object.defineProperty(
          e.peerconnection, "iceGatheringState", {{get: () => "complete"}}),
        failed: e => note("call " + e.message?.status_code, e),
        confirmed: e => note("call up", e),
      }}}});
    }},
    failed: e => note("refused", e),
  }}}});
}});
ua.start();
"""


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("chromium")


def address(engine: Engine) -> str:
    """Where it takes SIP over WebSocket, as JavaScript."""
    return json.dumps(f"ws://{IP}:{engine.port('ws')}/")


async def test_web_socket_of_a_browser(tmp_path: Path) -> None:
    """RFC 7118: subprotocol `sip`, text and binary messages, and a ping answered; the connection
    stays.
    """
    more = ("--listen", f"ws:{IP}:0")
    async with Engine(tmp_path / "engine", {"app": SCRIPT}, "", more) as engine:
        async with Browser(tmp_path / "browser") as browser:
            script = RAW.format(
                url=address(engine),
                text=json.dumps(OPTIONS.format(n="text")),
                binary=json.dumps(OPTIONS.format(n="binary")),
            )
            await browser.evaluate(script)
            got = await browser.until("Call-ID: binary", script='got.join("|")')
        assert got.startswith("protocol sip|")
        assert got.count("SIP/2.0 200 OK\r\n") == 2
        assert "Call-ID: text\r\n" in got
        assert "closed" not in got
        await engine.until(lambda _: len(engine.seen(SipTraced, sent=True)) >= 2 or None)
        assert {event.transport for event in engine.seen(SipTraced)} == {"ws"}


@pytest.fixture
def jssip() -> str:
    """The text of JsSIP, in one file."""
    bundle = Path(os.environ.get("IVRBENCH_JSSIP", ""))
    if not bundle.is_file():
        pytest.skip(
            "IVRBENCH_JSSIP names no bundle of JsSIP: npm install jssip esbuild; npx esbuild "
            "node_modules/jssip/lib/JsSIP.js --bundle --format=iife --global-name=JsSIP "
            "--outfile=jssip.js"
        )
    return bundle.read_text()


async def test_jssip(tmp_path: Path, jssip: str) -> None:
    """Its OPTIONS gets 200; its call, which needs DTLS, gets 488 where encryption is off."""
    more = ("--listen", f"ws:{IP}:0")
    async with Engine(tmp_path / "engine", {"app": SCRIPT}, "", more) as engine:
        async with Browser(tmp_path / "browser") as browser:
            await browser.evaluate(jssip)
            await browser.evaluate(JSSIP.format(url=address(engine)))
            got = await browser.until("call ", script='got.join("|")')
        assert got == "connected |options 200|call 488 Incompatible SDP"
        (leg,) = await engine.until_done(1)
        assert leg.code == 488
