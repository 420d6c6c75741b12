"""Bodies: the description found among several, and what is refused as nobody understands it."""

from __future__ import annotations

from typing import Any

import pytest

from ivrbench.sip.body import MAX_PARTS, find_description, is_understood
from ivrbench.sip.events import InviteReceived, RequestReceived
from ivrbench.sip.message import SipResponse
from ivrbench.sip.parser import parse_message

from .helpers import SDP, Rig, request

ACCEPTED = ("application/sdp",)
ISUP = b"Content-Type: application/ISUP;version=nxv3\r\n\r\n\x01\x00\r\n\x49"


def multipart(*parts: bytes, boundary: str = "b o", media_type: str = "multipart/mixed") -> bytes:
    """An INVITE whose body has these parts."""
    delimiter = b"--" + boundary.encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"
    extra = f'Content-Type: {media_type};boundary="{boundary}"'
    return request("INVITE", branch="m", body=b"preamble\r\n" + body, extra=extra)


def typed(value: str, *, method: str = "INVITE", **more: Any) -> bytes:
    """A request that says what its body is."""
    extra = f"Content-Type: {value}"
    return request(method, branch=method, body=SDP, extra=extra, **more)


DESCRIBED = b"Content-Type: application/sdp\r\n\r\n" + SDP


@pytest.mark.parametrize(
    ("data", "description", "understood"),
    [
        (typed("application/sdp"), SDP, True),
        (typed("Application/SDP ; charset=utf-8"), SDP, True),
        (request("INVITE", branch="n", body=SDP), SDP, True),
        (typed("text/plain"), b"", False),
        (typed("text/plain\nContent-Disposition: icon;handling=optional"), b"", True),
        (typed("application/sdp\nContent-Encoding: gzip"), SDP, False),
        (typed("application/sdp\ne: Identity"), SDP, True),
        (multipart(DESCRIBED), SDP, True),
        (multipart(ISUP, DESCRIBED), SDP, True),
        (multipart(DESCRIBED, ISUP, media_type="Multipart/Alternative"), SDP, True),
        (multipart(DESCRIBED, boundary="'()+_,-./:=?"), SDP, True),
        (multipart(b"content-type :\r\n application/sdp;x\r\n\r\n" + SDP), SDP, True),
        (
            multipart(DESCRIBED, b"Content-Disposition: signal;handling=required\r\n" + ISUP),
            SDP,
            False,
        ),
        (multipart(ISUP), b"", False),
        (multipart(b"\r\nno header"), b"", False),
        (multipart(), b"", False),
        (multipart(*[ISUP] * MAX_PARTS, DESCRIBED), b"", False),
        (typed("multipart/mixed"), b"", False),
        (typed("multipart/mixed;boundary=none"), b"", False),
    ],
)
def test_descriptions(data: bytes, description: bytes, understood: bool) -> None:
    """RFC 5621: alone or as a part, quoted boundaries, folded part headers; limits hold."""
    message = parse_message(data)
    message.check()
    assert find_description(message) == message.description == description
    assert is_understood(message, ACCEPTED) is understood


def test_part_whose_boundary_only_begins_alike() -> None:
    """RFC 2046 §5.1.1: a delimiter is followed by nothing but blanks."""
    message = parse_message(multipart(b"\r\n--b\r\n" + DESCRIBED, boundary="b-long"))
    assert message.description == b""
    message = parse_message(multipart(DESCRIBED + b"\r\n--b\r\nx", boundary="b-long"))
    assert message.description == SDP + b"\r\n--b\r\nx"


def refusal(rig: Rig, data: bytes) -> SipResponse:
    """The one answer, which is final."""
    (answer,) = rig.receive(data)
    assert isinstance(answer, SipResponse)
    assert rig.events() == []
    return answer


def test_unknown_type_is_refused() -> None:
    """RFC 3261 §8.2.3: 415 with Accept, for a new call and within one; the call goes on."""
    rig = Rig()
    answer = refusal(rig, typed("application/unknownformat"))
    assert (answer.code, answer.header("accept")) == (415, "application/sdp")
    rig.assert_empty()
    call = rig.connected()
    for method in ("INVITE", "UPDATE"):
        tag = call.dialog.local_tag
        answer = refusal(rig, typed("text/plain", method=method, to_tag=tag, cseq=5))
        assert (answer.code, answer.header("accept")) == (415, "application/sdp")
    rig.receive(request("INFO", branch="i", to_tag=tag, cseq=6, body=b"x"))
    rig.event(RequestReceived)


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("text/nobodyKnowsThis", False),
        ("", False),
        ("application/dtmf-relay, Application/SDP;q=0.5", True),
        ("application/*", True),
        ("*/*", True),
    ],
)
def test_caller_that_reads_no_description(accept: str, taken: bool) -> None:
    """RFC 4475 §3.3.15: 406 if our answer would not be acceptable."""
    rig = Rig()
    (answer,) = rig.receive(request("INVITE", branch="a", body=SDP, extra=f"Accept: {accept}"))
    assert isinstance(answer, SipResponse)
    assert answer.code == (100 if taken else 406)
    assert len(rig.events()) == taken


def test_description_among_others_is_an_offer() -> None:
    """Offer and answer are complete with the 200: the ACK needs no description."""
    rig = Rig()
    rig.receive(multipart(ISUP, DESCRIBED))
    call = rig.event(InviteReceived).call
    assert call.invite_request.description == SDP
    call.accept(body=SDP, content_type="application/sdp", now=rig.now)
    assert not call.offer_received
    assert not call.offer_sent
