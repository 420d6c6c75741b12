"""Messages and their parts: lazy views, header blocks for scripts, URIs, addresses, lists,
parameters.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.sip.grammar import check_headers, parse_params, quote, split_commas, unquote
from ivrbench.sip.headers import parse_cseq, parse_name_addr, parse_via
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.status import reason_phrase, status_line
from ivrbench.sip.uri import parse_uri, uri_scheme

from .helpers import SDP, request, sip


def read(data: bytes) -> SipRequest:
    message = parse_message(data)
    assert isinstance(message, SipRequest)
    message.check()
    return message


def test_views_of_a_request() -> None:
    """All a script may ask of a request."""
    invite = read(
        request(
            "INVITE",
            branch="1",
            uri="sip:menu;x=1@192.0.2.1:5060;app=hello",
            body=b"\xffbody",
            extra="Record-Route: <sip:p1;lr>, <sip:p2;lr>\nc: Application/SDP;charset=x",
        )
    )
    assert (invite.user, invite.domain) == ("menu;x=1", "192.0.2.1")
    assert invite.r_uri == invite.uri == "sip:menu;x=1@192.0.2.1:5060;app=hello"
    assert invite.parsed_uri.param("APP") == "hello"
    assert invite.from_uri == "sip:peer@192.0.2.2:5060"
    assert invite.route_text == "<sip:p1;lr>, <sip:p2;lr>"
    assert invite.content_type == "application/sdp"
    assert invite.body_text().encode("utf-8", "surrogateescape") == b"\xffbody"
    assert (invite.from_tag, invite.to_tag, invite.cseq) == ("peer", "", 1)
    assert repr(invite).startswith("<SipRequest INVITE sip:menu")


def test_extra_headers_for_scripts() -> None:
    """What the stack reads itself is left out, compact or not; names stay as received, folding is
    undone.
    """
    plain = sip(
        """INVITE sip:a@b SIP/2.0
        v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1
        f: <sip:a@b>;tag=1
        t: <sip:a@b>
        i: 1
        CSeq: 1 INVITE
        m: <sip:a@b>
        P-APP-Name : hello
        Require: x
        s: compact stays
        RSeq: 1"""
    )
    message = read(plain.replace(b"hello", b"hello\r\n\t world"))
    assert message.extra_headers_text() == (
        "P-APP-Name: hello world\r\nRequire: x\r\ns: compact stays\r\n"
    )


def test_header_access() -> None:
    """Long, compact and odd-case names are one header; absent is "" or the default."""
    message = read(request("OPTIONS", branch="1", extra="Subject: one\nS: two\nX-A: 1, 2\nx-a: 3"))
    assert message.headers("subject") == ["one", "two"]
    assert message.header("s") == "one"
    assert message.elements("X-A") == ["1", "2", "3"]
    assert (message.header("nothing"), message.header("nothing", "d")) == ("", "d")
    assert message.has("call-id")
    assert not message.has("")
    assert message.contact is None
    assert read(request("INVITE", branch="1", contact="*")).contact is None
    two = '"A, B" <sip:a@b>;q=1, <sip:c@d>'
    contact = read(request("INVITE", branch="1", contact=two)).contact
    assert contact is not None
    assert (contact.display_name, contact.uri) == ("A, B", "sip:a@b")


def test_views_of_a_response() -> None:
    """Code, reason, and the route in the caller's order."""
    text = request("INVITE", branch="1", extra="Record-Route: <sip:p1;lr>, <sip:p2;lr>").split(
        b"\r\n", 1
    )[1]
    message = parse_message(b"SIP/2.0 183 Session Progress\r\n" + text)
    assert isinstance(message, SipResponse)
    assert (message.code, message.reason) == (183, "Session Progress")
    assert message.route_text == "<sip:p2;lr>, <sip:p1;lr>"
    assert repr(message) == "<SipResponse 183 Session Progress cseq='1 INVITE'>"


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("<sip:a@b>;tag=x", "", "sip:a@b", "x"),
        ("sip:a@b;tag=x", "", "sip:a@b", "x"),
        ('"A \\"B\\" C"<sip:a@b;tag=no> ; TAG = x;y', 'A "B" C', "sip:a@b;tag=no", "x"),
        ("Alice Smith <sips:a@b>", "Alice Smith", "sips:a@b", ""),
        ('<sip:a@b>;p="q;tag=no"', "", "sip:a@b", ""),
    ],
)
def test_addresses(text: str, display: str, uri: str, tag: str) -> None:
    """RFC 3261 §20.10: what stands outside <> belongs to the header."""
    address = parse_name_addr(text)
    assert (address.display_name, address.uri, address.tag) == (display, uri, tag)
    assert parse_name_addr(address.address).uri == uri


@pytest.mark.parametrize(
    "text", ["", "<>", "<sip:a", '"x <sip:a>', "a@b", "<sip:a>x", "<sip:a>;;", "<sip:a b>"]
)
def test_bad_addresses(text: str) -> None:
    """What is no address is 400."""
    with pytest.raises(RemoteProtocolError):
        parse_name_addr(text)


def test_via() -> None:
    """RFC 3261 §20.42: spaces, IPv6, several in one line, quoted parameters."""
    via = parse_via('SIP / 2.0 / TLS [::1] : 5061 ; branch = z9 ; x="a,b" , SIP/2.0/UDP c')
    assert (via.transport, via.host, via.port, via.branch) == ("TLS", "[::1]", 5061, "z9")
    assert via.params["x"] == '"a,b"'
    for bad in (
        "",
        "SIP/2.0 a",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP a;;b",
        "SIP/2.0/UDP a:b",
        "HTTP/1/UDP a",
    ):
        with pytest.raises(RemoteProtocolError):
            parse_via(bad)


def test_cseq() -> None:
    """RFC 3261 §8.1.1.5: below 2**31."""
    assert parse_cseq("2147483647 INVITE").number == 2**31 - 1
    for bad in ("2147483648 INVITE", "INVITE", "1", "-1 X", "1 A B", "9" * 5000 + " X"):
        with pytest.raises(RemoteProtocolError):
            parse_cseq(bad)


@pytest.mark.parametrize(
    "text",
    [
        "sip:a@b",
        "sip:b",
        "sips:a:pw@b:5061;transport=tls;lr?Subject=x",
        "sip:a;x=1?y/@[2001:db8::1]:5060",
        "sip:%41@h",
    ],
)
def test_uris_round_trip(text: str) -> None:
    """A URI that was read is written the same."""
    assert str(parse_uri(text)) == text


def test_bad_uris() -> None:
    """416 for schemes we do not have, 400 for what cannot be read."""
    for text, status in (("tel:+1", 416), ("sip:", 400), ("nothing", 400), ("sip:a b@c", 400)):
        with pytest.raises(RemoteProtocolError) as error:
            parse_uri(text)
        assert error.value.status_hint == status
    assert (uri_scheme("SIPS:x"), uri_scheme("<sip:x>")) == ("sips", "")
    uri = parse_uri("sip:a%20b@[::1];lr")
    assert (uri.decoded_user, uri.bare_host, uri.param("lr"), uri.param("x")) == (
        "a b",
        "::1",
        "",
        None,
    )


def test_lists_and_params() -> None:
    """Commas and semicolons in quotes and <> are text."""
    assert split_commas(' "a,b" <sip:c,d>;x="e,f" , g ,, h') == [
        '"a,b" <sip:c,d>;x="e,f"',
        "g",
        "h",
    ]
    assert split_commas("") == []
    assert split_commas('"open, <half') == ['"open, <half']
    assert split_commas("<half, b") == ["<half", "b"]
    assert parse_params(';A=1; b ;c="x;y";a=2') == {"a": "1", "b": None, "c": '"x;y"'}
    with pytest.raises(RemoteProtocolError):
        parse_params(";;")


@settings(derandomize=True, max_examples=100)
@given(st.text(max_size=20))
def test_quoting(text: str) -> None:
    """Whatever is quoted comes back."""
    assert unquote(quote(text)) == text


def test_check_headers() -> None:
    """Header lines to send; the stack's own are refused in any spelling."""
    assert check_headers([("X-A", "1"), ("X-A", "2")]) == "X-A: 1\r\nX-A: 2\r\n"
    for name in ("VIA", "v", "Max-Forwards", "", "a:b", "ä"):
        with pytest.raises(LocalProtocolError):
            check_headers([(name, "x")])


def test_status_line() -> None:
    """Known codes have their phrase, others that of their class; nonsense is not sent."""
    assert status_line(486) == "SIP/2.0 486 Busy Here\r\n"
    assert status_line(499) == "SIP/2.0 499 Bad Request\r\n"
    assert status_line(200, "Fine") == "SIP/2.0 200 Fine\r\n"
    assert reason_phrase(777) == "Unknown"
    for code, reason in ((99, ""), (700, ""), (200, "a\nb")):
        with pytest.raises(LocalProtocolError):
            status_line(code, reason)


def test_strange_names_do_not_fill_memory() -> None:
    """The table of header spellings has a bound."""
    from ivrbench.sip.grammar import MAX_SPELLINGS, header_key, spellings

    for number in range(MAX_SPELLINGS + 50):
        assert header_key(f"X-{number}") == f"x-{number}"
    assert len(spellings) <= MAX_SPELLINGS


def test_body_follows_content_length() -> None:
    """RFC 4475 §3.1.1.8: what follows the body on UDP is ignored."""
    assert read(request("MESSAGE", branch="1", body=SDP) + b"more").body == SDP
