"""Digest authentication: the RFCs' own numbers, the side that is asked and the side that asks."""

from __future__ import annotations

from typing import Any

import pytest

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.sip import auth_server
from ivrbench.sip.auth import (
    Attempts,
    DigestClient,
    digest,
    hash_name,
    parse_auth,
    read_challenges,
)
from ivrbench.sip.auth_server import AuthOutcome, DigestServer
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.tokens import CountingTokens

from .helpers import request, response

KEY = b"0123456789abcdef"
PASSWORDS = {"bob": "zanzibar", 'o"b\\c': "x", "jürgen": "straße"}


def credentials(realm: str) -> tuple[str, str] | None:
    return ("bob", "zanzibar") if realm != "elsewhere" else None


def parsed(data: bytes) -> SipRequest:
    message = parse_message(data)
    assert isinstance(message, SipRequest)
    message.check()
    return message


def challenged(*values: str, code: int = 401) -> SipResponse:
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    asked = parsed(request("REGISTER", branch="r"))
    message = parse_message(response(asked, code, extra=[f"{name}: {value}" for value in values]))
    assert isinstance(message, SipResponse)
    return message


RFC7616 = {
    "user": "Mufasa",
    "realm": "http-auth@example.org",
    "password": "Circle of Life",
    "method": "GET",
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "nc": "00000001",
    "qop": "auth",
}
RFC2617 = RFC7616 | {
    "realm": "testrealm@host.com",
    "password": "Circle Of Life",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "cnonce": "0a4f113b",
}
SIP_EXAMPLE = RFC2617 | {
    "user": "bob",
    "realm": "biloxi.com",
    "password": "zanzibar",
    "method": "INVITE",
    "uri": "sip:bob@biloxi.com",
}
UNICODE = RFC7616 | {
    "user": "Jäsøn Doe",
    "realm": "api@example.org",
    "password": "Secret, or not?",
    "uri": "/doe.json",
    "nonce": "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
    "cnonce": "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
}


@pytest.mark.parametrize(
    ("algorithm", "given", "expected"),
    [
        ("MD5", RFC7616, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            RFC7616,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (
            "SHA-512-256",
            UNICODE,
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
        ),
        ("", RFC2617, "6629fae49393a05397450978507c4ef1"),
        ("", SIP_EXAMPLE | {"qop": ""}, "bf57e4e0d0bffc0fbaedce64d59add5e"),
        ("MD5", SIP_EXAMPLE, "89eb0059246c02b2f6ee02c7961d5ea3"),
        ("MD5-sess", SIP_EXAMPLE, "e4e4ea61d186d07a92c9e1f6919902e9"),
    ],
)
def test_published_numbers(
    algorithm: str,
    given: dict[str, Any],  # Any: names of arguments with their values.
    expected: str,
) -> None:
    """RFC 7616 §3.9.1, §3.9.2 with erratum 4897, RFC 2617 §3.5, and the INVITE examples of
    draft-smith-sipping-auth-examples.
    """
    assert digest(algorithm, **given) == expected


def test_unknown_algorithm_is_our_bug() -> None:
    """An algorithm nobody knows never gets as far as a digest."""
    with pytest.raises(LocalProtocolError):
        digest("SHA-1", "u", "r", "p", "GET", "/", "n")


@pytest.mark.parametrize(
    "value", ["Digest", "", 'Digest realm="a', "Digest realm", 'Digest realm="a", realm="b"']
)
def test_unreadable_header(value: str) -> None:
    """RFC 7616 §3.4: no parameter twice, every one a name and a value."""
    with pytest.raises(RemoteProtocolError):
        parse_auth(value)


def test_strongest_known_challenge_is_answered() -> None:
    """RFC 8760 §2.4: of several for one realm the strongest; other schemes and qops are not for
    us.
    """
    answerable = read_challenges(
        challenged(
            'Digest realm="a", nonce="1", algorithm=MD5',
            'Digest realm="a", nonce="2", algorithm=SHA-256, qop="auth,auth-int"',
            'Digest realm="a", nonce="3", algorithm=SHA-1024',
            'Digest realm="a", nonce="4", algorithm=SHA-512-256, qop="auth-conf"',
            'Digest realm="b", nonce="5"',
            'Digest realm="c", nonce=""',
            'Basic realm="a"',
            "nonsense",
            'Digest realm="nul", nonce="\0"',
        )
    )
    assert [(each.realm, each.nonce) for each in answerable] == [("a", "2"), ("b", "5")]
    assert read_challenges(challenged('Digest realm="a", nonce="1"', code=407))[0].header == (
        "Proxy-Authorization"
    )


def test_a_wrong_password_is_not_tried_twice() -> None:
    """RFC 3261 §22.2: one answer per realm, and a stale nonce is answered again, not for ever."""
    client = DigestClient(credentials, CountingTokens())
    attempts = Attempts()
    fresh = 'Digest realm="a", nonce="1"'
    assert client.lines("INVITE", "sip:x") == ""
    assert client.take(challenged(fresh), attempts)
    assert not client.take(challenged(fresh), attempts)
    assert client.take(challenged(fresh + ", stale=TRUE"), attempts)
    assert client.take(challenged(fresh + ", stale=true"), attempts)
    assert not client.take(challenged(fresh + ", stale=true"), attempts)
    assert not client.take(challenged('Digest realm="elsewhere", nonce="1"'), Attempts())
    assert not client.take(challenged(), Attempts())


def test_both_realms_are_answered_and_counted() -> None:
    """RFC 3261 §22.3: proxy and server each get theirs; nc counts the requests (RFC 7616 §3.4)."""
    client = DigestClient(credentials, CountingTokens())
    client.take(challenged('Digest realm="p", nonce="1", qop="auth"', code=407), Attempts())
    client.take(
        challenged('Digest realm="s", nonce="2", opaque="o\\"p", algorithm=MD5-sess'), Attempts()
    )
    client.lines("INVITE", "sip:x")
    first, second = client.lines("BYE", "sip:x").splitlines()
    name, _, value = first.partition(": ")
    _, params = parse_auth(value)
    assert (name, params["nc"], params["qop"]) == ("Proxy-Authorization", "00000002", "auth")
    name, _, value = second.partition(": ")
    _, params = parse_auth(value)
    assert name == "Authorization"
    assert params["opaque"] == 'o"p'
    assert "nc" not in params
    assert params["cnonce"], "the session key is made with it"


def test_nonce_that_the_server_retired() -> None:
    """RFC 7616 §3.5: without `nextnonce` the next request is challenged once more, with `stale` or
    without, and answered with the new nonce.
    """
    for end in ("", ", stale=true"):
        client = DigestClient(credentials, CountingTokens())
        assert client.take(challenged('Digest realm="a", nonce="1", qop="auth"'), Attempts())
        assert 'nonce="1"' in client.lines("INVITE", "sip:x")
        again = challenged(f'Digest realm="a", nonce="2", qop="auth"{end}')
        assert client.take(again, Attempts())
        line = client.lines("BYE", "sip:x")
        assert 'nonce="2"' in line
        assert "nc=00000001" in line


def accepted(*lines: str) -> SipResponse:
    message = parse_message(response(parsed(request("REGISTER", branch="r")), 200, extra=lines))
    assert isinstance(message, SipResponse)
    return message


def test_next_nonce() -> None:
    """RFC 7616 §3.5: what a 2xx names is used from then on, counted from one, and only by the realm
    that can be meant.
    """
    client = DigestClient(credentials, CountingTokens())
    client.learn(accepted('Authentication-Info: nextnonce="early"'))
    assert client.take(challenged('Digest realm="a", nonce="1", qop="auth"'), Attempts())
    client.take(challenged('Digest realm="p", nonce="p1", qop="auth"', code=407), Attempts())
    client.lines("REGISTER", "sip:x")
    for useless in ("nextnonce=", 'rspauth="0"', "nextnonce", '"', 'nextnonce="\0"'):
        client.learn(accepted(f"Authentication-Info: {useless}"))
    assert 'nonce="1"' in client.lines("REGISTER", "sip:x")
    client.learn(accepted('Authentication-Info: qop=auth, nextnonce="2", rspauth="0"'))
    server, proxy = client.lines("REGISTER", "sip:x").splitlines()
    assert 'nonce="2"' in server
    assert "nc=00000001" in server
    assert 'nonce="p1"' in proxy
    assert "nc=00000003" in proxy
    client.take(challenged('Digest realm="b", nonce="b1"'), Attempts())
    client.learn(accepted('Authentication-Info: nextnonce="3"'))
    assert 'nonce="3"' not in client.lines("REGISTER", "sip:x"), "a or b? nobody knows"


def test_auth_is_preferred() -> None:
    """A server that can do auth-int gets auth; where no `userhash` is offered, the plain name."""
    client = DigestClient(credentials, CountingTokens())
    asked = 'Digest realm="a", nonce="1", qop="auth-int, auth", userhash=false, charset=UTF-8'
    assert client.take(challenged(asked), Attempts())
    line = client.lines("INVITE", "sip:x")
    assert 'username="bob"' in line
    assert "qop=auth," in line
    assert "userhash" not in line


def test_realms_are_bounded() -> None:
    """A hostile server cannot make us keep realms without end."""
    client = DigestClient(credentials, CountingTokens())
    many = [f'Digest realm="r{n}", nonce="1"' for n in range(50)]
    assert client.take(challenged(*many), Attempts())
    assert not client.take(challenged('Digest realm="one more", nonce="1"'), Attempts())
    assert client.lines("INVITE", "sip:x").count("\r\n") == 8


class Meeting:
    """A client and a server of digest, without a network."""

    def __init__(
        self,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        qops: tuple[str, ...] = ("auth",),
    ) -> None:
        self.server = DigestServer(
            "here", PASSWORDS.get, KEY, CountingTokens("s"), algorithms=algorithms, qops=qops
        )

    def client(self, user: str, password: str, now: float) -> DigestClient:
        client = DigestClient(lambda _: (user, password), CountingTokens("c"))
        values = [line.partition(": ")[2] for line in self.server.challenge(now).splitlines()]
        assert client.take(challenged(*values), Attempts())
        return client

    def check(
        self, lines: str, now: float, uri: str = "sip:here", body: bytes = b""
    ) -> AuthOutcome:
        data = request("REGISTER", branch="r", uri=uri, body=body)
        start, _, rest = data.partition(b"\r\n")
        return self.server.check(
            parsed(start + b"\r\n" + lines.encode("utf-8", "surrogateescape") + rest), now
        ).outcome


@pytest.mark.parametrize(
    "algorithms", [("MD5",), ("SHA-256", "MD5"), ("SHA-512-256",), ("MD5-sess",)]
)
@pytest.mark.parametrize("user", list(PASSWORDS))
def test_client_convinces_server(algorithms: tuple[str, ...], user: str) -> None:
    """Both sides agree, for every algorithm and for names that need quoting."""
    meeting = Meeting(algorithms)
    client = meeting.client(user, PASSWORDS[user], 5.0)
    for _ in range(2):
        lines = client.lines("REGISTER", "sip:here")
        assert meeting.check(lines, 6.0) is AuthOutcome.PROVED


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess"])
def test_body_is_protected(algorithm: str) -> None:
    """RFC 7616 §3.4.3: with auth-int alone on offer both sides count the body in, and who changes
    it on the way, or proves less, has proved nothing.
    """
    meeting = Meeting((algorithm,), ("auth-int",))
    client = meeting.client("bob", "zanzibar", 5.0)
    lines = client.lines("REGISTER", "sip:here", b"c=IN IP4 192.0.2.9")
    assert "qop=auth-int," in lines
    assert meeting.check(lines, 6.0, body=b"c=IN IP4 203.0.113.9") is AuthOutcome.WRONG
    assert meeting.check(lines, 6.0, body=b"c=IN IP4 192.0.2.9") is AuthOutcome.PROVED
    empty = client.lines("REGISTER", "sip:here")
    assert meeting.check(empty, 6.0) is AuthOutcome.PROVED
    less = lines.replace("qop=auth-int", "qop=auth")
    assert meeting.check(less, 6.0, body=b"c=IN IP4 192.0.2.9") is AuthOutcome.MISSING


def test_both_qops_on_offer() -> None:
    """`auth,auth-int`: ours takes auth, and a client that protects the body is taken too."""
    meeting = Meeting(("SHA-256",), ("auth", "auth-int"))
    assert 'qop="auth,auth-int"' in meeting.server.challenge(5.0)
    client = meeting.client("bob", "zanzibar", 5.0)
    lines = client.lines("REGISTER", "sip:here", b"v=0")
    assert "qop=auth," in lines
    assert meeting.check(lines, 6.0, body=b"v=1") is AuthOutcome.PROVED
    with_body = 'qop="auth-int"'
    value = (
        meeting.server.challenge(6.0).partition(": ")[2].replace('qop="auth,auth-int"', with_body)
    )
    careful = DigestClient(credentials, CountingTokens("d"))
    assert careful.take(challenged(value.strip()), Attempts())
    lines = careful.lines("REGISTER", "sip:here", b"v=0")
    assert meeting.check(lines, 6.0, body=b"v=0") is AuthOutcome.PROVED


def test_hidden_names() -> None:
    """RFC 7616 §3.4.4: a name may come hashed where that is offered, which MD5 is never; a hash of
    nobody's name looks like a wrong password.
    """
    meeting = Meeting(("SHA-512-256", "MD5"))
    assert "userhash" not in meeting.server.challenge(5.0)
    meeting.server.know(PASSWORDS)
    strong, weak = meeting.server.challenge(5.0).splitlines()
    assert strong.endswith(", userhash=true")
    assert "userhash" not in weak
    client = meeting.client("jürgen", "straße", 5.0)
    hidden = hash_name("SHA-512-256", "jürgen", "here")
    for name, outcome in ((hidden, AuthOutcome.PROVED), ("0" * 64, AuthOutcome.WRONG)):
        lines = client.lines("REGISTER", "sip:here").replace(hidden, name)
        assert meeting.check(lines, 6.0) is outcome
    bare = client.lines("REGISTER", "sip:here").replace(", userhash=true", "")
    assert meeting.check(bare, 6.0) is AuthOutcome.WRONG, "without userhash it is a name"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "SHA-256-sess", ""])
def test_name_is_hidden_where_the_server_can_do_it(algorithm: str) -> None:
    """RFC 7616 §3.4.4: the hash of name and realm goes instead of the name, by the hash of the
    challenge, each time; the response is that of the name.
    """
    asked = 'Digest realm="a", nonce="1", qop="auth", userhash=TRUE'
    asked += f", algorithm={algorithm}" if algorithm else ""
    client = DigestClient(credentials, CountingTokens())
    assert client.take(challenged(asked), Attempts())
    for nc in ("00000001", "00000002"):
        _, params = parse_auth(client.lines("INVITE", "sip:x").strip().partition(": ")[2])
        assert params["username"] == hash_name(algorithm, "bob", "a")
        assert (params["userhash"], params["nc"]) == ("true", nc)
        name_and_rest = ("bob", "a", "zanzibar", "INVITE", "sip:x", "1")
        expected = digest(algorithm, *name_and_rest, cnonce=params["cnonce"], nc=nc, qop="auth")
        assert params["response"] == expected


def test_published_hidden_name() -> None:
    """RFC 7616 §3.9.2 with erratum 4897."""
    assert hash_name("SHA-512-256", UNICODE["user"], UNICODE["realm"]) == (
        "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    )


def test_unknown_user_and_wrong_password_look_the_same() -> None:
    """No enumeration: one outcome for both, and neither uses up the nonce."""
    meeting = Meeting()
    for user in ("bob", "nobody"):
        lines = meeting.client(user, "guess", 5.0).lines("REGISTER", "sip:here")
        assert meeting.check(lines, 6.0) is AuthOutcome.WRONG
    no_such = meeting.client("nobody", "\0", 5.0).lines("REGISTER", "sip:here")
    assert meeting.check(no_such, 6.0) is AuthOutcome.WRONG


def test_replay_and_age() -> None:
    """RFC 7616 §3.3: the same count again, or a nonce past its life, is stale, not wrong."""
    meeting = Meeting()
    client = meeting.client("bob", "zanzibar", 5.0)
    lines = client.lines("REGISTER", "sip:here")
    assert meeting.check(lines, 6.0) is AuthOutcome.PROVED
    assert meeting.check(lines, 6.0) is AuthOutcome.STALE
    later = client.lines("REGISTER", "sip:here")
    assert meeting.check(later, 5.0 + auth_server.NONCE_LIFE_S + 1) is AuthOutcome.STALE
    assert "stale=true" in meeting.server.challenge(9.0, stale=True)


def test_rfc_2069_client_uses_each_nonce_once() -> None:
    """Without qop there is no count, so a second use cannot be told from a replay."""
    meeting = Meeting(("MD5",))
    value = meeting.server.challenge(5.0).partition(": ")[2].replace(', qop="auth"', "")
    client = DigestClient(credentials, CountingTokens())
    client.take(challenged(value.strip()), Attempts())
    lines = client.lines("REGISTER", "sip:here")
    assert meeting.check(lines, 6.0) is AuthOutcome.PROVED
    assert meeting.check(lines, 6.0) is AuthOutcome.STALE


def test_what_proves_nothing() -> None:
    """No header, another realm or scheme, a foreign nonce, an algorithm not offered: ask again."""
    meeting = Meeting(("SHA-256",))
    lines = meeting.client("bob", "zanzibar", 5.0).lines("REGISTER", "sip:here")
    assert meeting.check("", 6.0) is AuthOutcome.MISSING
    for old, new in (
        ('realm="here"', 'realm="there"'),
        ("Digest", "Basic"),
        ('nonce="', 'nonce="f'),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256, ", ""),
    ):
        assert meeting.check(lines.replace(old, new), 6.0) is AuthOutcome.MISSING
    assert meeting.check(lines.replace("qop=auth", "qop=auth-int"), 6.0) is AuthOutcome.MISSING
    for old, new in (("nc=00000001", "nc=1"), ("qop=auth", "qop=auth-conf")):
        with pytest.raises(RemoteProtocolError):
            meeting.check(lines.replace(old, new), 6.0)


def test_signed_uri_must_name_the_same_user() -> None:
    """RFC 7616 §3.4.6, as far as proxies leave the Request-URI alone."""
    meeting = Meeting()
    client = meeting.client("bob", "zanzibar", 5.0)
    lines = client.lines("REGISTER", "sip:menu@here")
    assert meeting.check(lines, 6.0, "sip:desk@here") is AuthOutcome.WRONG
    assert meeting.check(lines, 6.0, "sip:menu@192.0.2.1:5062") is AuthOutcome.PROVED


def test_used_nonces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay check forgets the oldest nonces; what it forgot is stale, never good again."""
    monkeypatch.setattr(auth_server, "MAX_NONCES", 3)
    meeting = Meeting()
    first = meeting.client("bob", "zanzibar", 1.0).lines("REGISTER", "sip:here")
    assert meeting.check(first, 2.0) is AuthOutcome.PROVED
    for second in range(3, 9):
        lines = meeting.client("bob", "zanzibar", second).lines("REGISTER", "sip:here")
        assert meeting.check(lines, second) is AuthOutcome.PROVED
    assert meeting.check(first, 9.0) is AuthOutcome.STALE


@pytest.mark.parametrize(("algorithms", "key"), [(("SHA-1",), KEY), ((), KEY), (("MD5",), b"k")])
def test_servers_that_cannot_be(algorithms: tuple[str, ...], key: bytes) -> None:
    """A bad set-up is refused when it is made."""
    with pytest.raises(LocalProtocolError):
        DigestServer("r", PASSWORDS.get, key, CountingTokens(), algorithms=algorithms)
