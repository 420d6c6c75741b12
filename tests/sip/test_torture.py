"""The 49 torture messages of RFC 4475, at the parser and through an endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import InviteReceived, RequestReceived
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.tokens import CountingTokens

from .helpers import UDP, request

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "rfc4475"
EXPECTED: dict[str, list[str]] = (
    json.loads((FOLDER / "expected.json").read_text(encoding="utf-8")) if FOLDER.is_dir() else {}
)
pytestmark = pytest.mark.skipif(not EXPECTED, reason="the RFC 4475 messages are not here")
NAMES = sorted(EXPECTED) or ["none"]

# What our endpoint answers: None for an event, a status, or "" for nothing at all.
ANSWERS: dict[str, int | str | None] = {
    # Its To has a tag: an INVITE of a dialog we do not know.
    "wsinv": 481,
    "esc01": None,
    "longreq": None,
    "mpart01": None,
    "baddate": None,
    "escruri": None,
    "inv2543": None,
    "invut": 415,
    "sdp01": 406,
    "intmeth": 501,
    "esc02": 501,
    "escnull": 405,
    "dblreq": 405,
    "lwsdisp": 200,
    "semiuri": 200,
    "transports": 200,
    "zeromf": 200,
    "badaspec": 200,
    "baddn": 200,
    "badbranch": 200,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "regbadct": 405,
    "regaut01": 405,
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "bext01": 420,
    "badvers": 505,
    "mismatch02": 400,
}


@pytest.mark.parametrize("name", NAMES)
def test_parser(name: str) -> None:
    """Valid messages pass `check()`, invalid ones do not, nothing else is raised."""
    _, kind, expected, _ = EXPECTED[name]
    data = (FOLDER / f"{name}.dat").read_bytes()
    try:
        message = parse_message(data)
        message.check()
        accepted = True
        assert isinstance(message, SipRequest if kind == "request" else SipResponse)
        message.extra_headers_text()
    except RemoteProtocolError:
        accepted = False
    if expected != "either":
        assert accepted == (expected == "valid")


@pytest.mark.parametrize("name", NAMES)
def test_endpoint(name: str) -> None:
    """Requests are answered with the status the RFC asks for, responses dropped; then OPTIONS still
    works.
    """
    _, kind, expected, _ = EXPECTED[name]
    endpoint = Endpoint(tokens=CountingTokens())
    endpoint.receive((FOLDER / f"{name}.dat").read_bytes(), UDP, 0.0)
    sent = [parse_message(data) for data, _ in endpoint.to_send()]
    codes = [each.code for each in sent if isinstance(each, SipResponse)]
    event = endpoint.next_event()
    if kind == "response":
        assert (codes, event) == ([], None)
    elif name in ANSWERS and ANSWERS[name] is None:
        assert isinstance(event, InviteReceived | RequestReceived)
        assert codes == ([100] if isinstance(event, InviteReceived) else [])
    else:
        assert event is None
        assert codes == [ANSWERS.get(name, 400)]
    endpoint.receive(request("OPTIONS", branch="after", call_id="after"), UDP, 1.0)
    ((answer, _),) = endpoint.to_send()
    assert answer.startswith(b"SIP/2.0 200 ")


def test_details() -> None:
    """Escapes, quoted pairs, folding, binary bodies and lists are read as the RFC explains them."""

    def read(name: str) -> SipRequest:
        message = parse_message((FOLDER / f"{name}.dat").read_bytes())
        assert isinstance(message, SipRequest)
        message.check()
        return message

    wsinv = read("wsinv")
    assert (wsinv.cseq, wsinv.from_tag, wsinv.to_tag) == (9, "98asjd8", "1918181833n")
    assert len(wsinv.elements("via")) == 3
    assert wsinv.from_.display_name == 'J Rosenberg \\"'
    assert read("esc01").user == "sips%3Auser%40example.com"
    assert read("esc01").domain == "example.net"
    assert read("semiuri").parsed_uri.decoded_user == "user;par=u@example.net"
    assert read("intmeth").to.display_name == "BEL:\a NUL:\0 DEL:\x7f"
    assert b"\x30\x82" in read("mpart01").body
    assert read("regescrt").parsed_uri.host == "example.com"
    assert read("dblreq").body == b""
