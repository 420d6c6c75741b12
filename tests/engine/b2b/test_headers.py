"""Which headers go to the other party."""

from __future__ import annotations

from ivrbench.engine.b2b.headers import call_headers, relayed_headers, response_headers
from ivrbench.engine.views import RequestFacts
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message

HEAD = (
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@192.0.2.9>;tag=1\r\n"
    "To: <sip:b@192.0.2.1>\r\nCall-ID: c\r\nContact: <sip:a@192.0.2.9>\r\n"
)


def request(method: str, more: str, body: str = "") -> SipRequest:
    """A request with these header lines."""
    text = f"{method} sip:b@192.0.2.1 SIP/2.0\r\n{HEAD}CSeq: 1 {method}\r\n{more}"
    parsed = parse_message(f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    assert isinstance(parsed, SipRequest)
    parsed.check()
    return parsed


def response(code: int, more: str) -> SipResponse:
    """A response with these header lines."""
    text = f"SIP/2.0 {code} X\r\n{HEAD}CSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
    parsed = parse_message(text.encode())
    assert isinstance(parsed, SipResponse)
    parsed.check()
    return parsed


def test_internal_headers_stay_here() -> None:
    """P-App-* and P-Iptel-* chose our script; each side writes its own Supported and so on."""
    invite = request(
        "INVITE",
        "P-App-Name: app\r\nP-App-Param: a=1\r\nP-Iptel-Param: b\r\nSubject: hello\r\n"
        "Supported: timer\r\nSession-Expires: 90\r\nAuthorization: Digest x\r\n"
        "Replaces: d;to-tag=1;from-tag=2\r\nUser-Agent: phone\r\nDiversion: <sip:c@d>\r\n",
    )
    assert call_headers(RequestFacts(invite)) == (("Subject", "hello"), ("Diversion", "<sip:c@d>"))


def test_what_the_script_wrote_goes() -> None:
    """Lines added to `invite_req.hdrs` go along, internal names too; lines taken away do not."""
    facts = RequestFacts(request("INVITE", "P-App-Param: a=1\r\nSubject: hello\r\nX-A: 1\r\n"))
    facts.hdrs = facts.hdrs.replace("X-A: 1\r\n", "") + "X-B: 2\r\nP-App-Param: b=2\r\nTo: x\r\n"
    expected = (("Subject", "hello"), ("X-B", "2"), ("P-App-Param", "b=2"))
    assert call_headers(facts) == expected, "and none that the stack writes"


def test_headers_of_relayed_requests() -> None:
    """REFER and NOTIFY keep what they are about; a body keeps what describes it."""
    refer = request("REFER", "Refer-To: <sip:c@d>\r\nReferred-By: <sip:a@b>\r\nAllow: INVITE\r\n")
    assert [name for name, _ in relayed_headers(refer)] == ["Refer-To", "Referred-By"]
    info = request("INFO", "Info-Package: x\r\nContent-Encoding: gzip\r\n", "body")
    assert [name for name, _ in relayed_headers(info)] == ["Info-Package", "Content-Encoding"]


def test_headers_of_relayed_responses() -> None:
    """A refusal says what would have been taken; a redirection where to."""
    refused = response(415, "Accept: text/plain\r\nServer: x\r\nWWW-Authenticate: Digest x\r\n")
    assert response_headers(refused) == (("Accept", "text/plain"),)
    assert response_headers(response(200, "Accept: text/plain\r\nX-A: 1\r\n")) == (("X-A", "1"),)
    assert response_headers(response(302, "")) == (("Contact", "<sip:a@192.0.2.9>"),)
