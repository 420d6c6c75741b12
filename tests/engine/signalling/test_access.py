"""Who gets an answer: networks, bans, passwords; in virtual time with a whole engine."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.config import Settings, read_users
from ivrbench.engine.signalling.access import Access
from ivrbench.errors import ConfigError
from ivrbench.observe.events import LegStarted, SipTraced, SourceRefused
from ivrbench.sip import auth, auth_server
from ivrbench.sip.flow import Flow
from tests.engine.calls.conftest import make_bench
from tests.engine.calls.texts import script
from tests.engine.harness import CALLER, ENGINE, Caller

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.calls.conftest import MakeBench
    from tests.engine.harness import Bench

__all__ = ["make_bench"]  # The fixture of the calls' folder.

OTHER = ("192.0.2.98", 5060)


def send(bench: Bench, data: bytes, source: tuple[str, int] = CALLER) -> list[str]:
    """One datagram, and the first lines of what comes back."""
    got: list[str] = []
    bench.attach(source, lambda reply, _: got.append(reply.partition(b"\r\n")[0].decode()))
    bench.send(data, Flow("udp", source, ENGINE))
    bench.wait()
    return got


def request(method: str, n: int = 1, *, to_tag: str = "", user: str = "app") -> bytes:
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:{user}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK{n}"
        f"\r\nFrom: <sip:a@b>;tag=x{n}\r\nTo: <sip:{user}@192.0.2.1>{tag}\r\nCall-ID: c{n}\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:a@192.0.2.99>\r\nMax-Forwards: 70\r\n"
        f"Content-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("data", "looked_at"),
    [
        (request("OPTIONS"), False),
        (request("REGISTER"), False),
        (b"\r\n\r\n", False),
        (b"junk", False),
        (request("INVITE"), True),
        (request("BYE", to_tag="t"), True),
        (
            request("INFO")
            .replace(b"To: <", b"t :\r\n \t<")
            .replace(b">\r\nCall", b"> ; Tag = x\r\nCall"),
            True,
        ),
        (b"SIP/2.0 200 OK\r\n\r\n", True),
    ],
)
def test_outside_allow_from(data: bytes, looked_at: bool) -> None:
    """Answers to us and what belongs to calls pass; nothing else learns that we are here."""
    access = Access(Settings(allow_from=(ip_network("10.0.0.0/8"),)))
    assert access.takes(data, Flow("udp", ENGINE, CALLER)) is looked_at
    assert access.takes(data, Flow("udp", ENGINE, ("10.1.1.1", 5060)))
    assert access.outside == (not looked_at)
    assert not access.takes_connection(CALLER[0], 0.0)
    assert access.takes_connection("10.1.1.1", 0.0)


def test_search_for_a_tag_takes_no_time() -> None:
    """A header as long as a datagram, of all that the pattern could trip over."""
    access = Access(Settings(allow_from=(ip_network("10.0.0.0/8"),)))
    for text in (
        b"\r\nto:" + b";tag " * 13_000,
        b"\r\nto:" + b"\r\n " * 20_000,
        b"\r\nto:;" * 9000,
    ):
        assert not access.takes(b"OPTIONS sip:x SIP/2.0" + text, Flow("udp", ENGINE, CALLER))


def test_scanner_is_banned(make_bench: MakeBench) -> None:
    """Twenty calls to what is not here; then silence, one event, and others are served."""
    bench = make_bench(script("pass"))
    answers = [send(bench, request("INVITE", n, user=f"{n}")) for n in range(30)]
    assert answers[0] == ["SIP/2.0 100 Trying", "SIP/2.0 404 Not Found"]
    assert [n for n, got in enumerate(answers) if "SIP/2.0 100 Trying" in got] == list(range(20))
    told = [event for event in bench.told if isinstance(event, SourceRefused)]
    assert told == [SourceRefused(CALLER[0], "calls what is not here", 600.0)]
    assert not bench.board.access.takes_connection(CALLER[0], bench.clock.now())
    other = Caller(bench, OTHER)
    other.dial()
    assert other.got[-1] == "200"
    other.bye()
    unanswered = bench.board.access.unanswered
    assert unanswered >= 10
    bench.wait(601.0)
    assert "SIP/2.0 200 OK" in send(bench, request("OPTIONS", 99))


def test_ban_can_be_turned_off(make_bench: MakeBench) -> None:
    """`ban_time = 0`: everybody gets an answer, always."""
    bench = make_bench(script("pass"), ban_time=0)
    for n in range(60):
        assert send(bench, b"INVITE no such thing\r\n" + b"%d\r\n\r\n" % n) == []
    assert send(bench, request("OPTIONS", 99)) == ["SIP/2.0 200 OK"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "10.9.9.9", "192.0.2.7"])
def test_trusted_peers_are_never_banned(ip: str) -> None:
    """This machine, the networks of `allow_from`, and our registrars."""
    access = Access(Settings(allow_from=(ip_network("10.0.0.0/8"), ip_network("::1"))))
    access.trusts = lambda asked: asked == "192.0.2.7"
    for _ in range(100):
        access.missed(ip, 1.0)
    assert access.guard is not None
    assert not access.guard.is_banned(ip, 1.0)
    assert access.notices() == []


def test_passwords(make_bench: MakeBench, tmp_path: Path) -> None:
    """With `users` a call needs a login; who has none learns nothing about what is here."""
    users = tmp_path / "users"
    users.write_text("ann = s3cret # our tester\n")
    bench = make_bench(script("pass"), users=users)
    known = send(bench, request("INVITE", 1))
    unknown = send(bench, request("INVITE", 2, user="nothing"))
    assert known == unknown == ["SIP/2.0 401 Unauthorized"]
    assert not [event for event in bench.told if isinstance(event, LegStarted)]
    assert send(bench, request("OPTIONS", 3)) == ["SIP/2.0 200 OK"]
    caller = Caller(bench)
    caller.endpoint.credentials = lambda realm: ("ann", "s3cret") if realm == "ivrbench" else None
    caller.dial()
    assert caller.got[-1] == "200"
    caller.bye()


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (("MD5",), "MD5"),
        (("MD5", "SHA-256"), "SHA-256"),
        (("SHA-512-256", "SHA-256", "MD5"), "SHA-512-256"),
        (("SHA-512-256",), "SHA-512-256"),
    ],
)
def test_digest_algorithms(
    make_bench: MakeBench, tmp_path: Path, offered: tuple[str, ...], taken: str
) -> None:
    """RFC 8760 §2.4: one challenge for each, in our order; the caller takes the strongest."""
    users = tmp_path / "users"
    users.write_text("ann = s3cret\n")
    bench = make_bench(script("pass"), users=users, digest_algorithms=offered)
    caller = Caller(bench)
    caller.endpoint.credentials = lambda _: ("ann", "s3cret")
    caller.dial()
    assert caller.got[-1] == "200"
    messages = [event.raw.decode() for event in bench.told if isinstance(event, SipTraced)]
    asked = next(text for text in messages if text.startswith("SIP/2.0 401 "))
    assert tuple(re.findall(r"\r\nWWW-Authenticate: .*?algorithm=([^,]+),", asked)) == offered
    proofs = re.findall(r"\r\nAuthorization: .*?algorithm=([^,]+),", "".join(messages))
    assert set(proofs) == {taken}
    caller.bye()


@pytest.mark.parametrize("offered", [("auth",), ("auth-int",), ("auth", "auth-int")])
def test_digest_qop(make_bench: MakeBench, tmp_path: Path, offered: tuple[str, ...]) -> None:
    """RFC 7616 §3.4.3: `digest_qop` is what is offered; a whole call with its description proves
    itself that way, BYE too.
    """
    users = tmp_path / "users"
    users.write_text("ann = s3cret\n")
    bench = make_bench(script("pass"), users=users, digest_qop=offered)
    caller = Caller(bench)
    caller.endpoint.credentials = lambda _: ("ann", "s3cret")
    caller.dial()
    assert caller.got[-1] == "200"
    caller.bye()
    messages = "".join(event.raw.decode() for event in bench.told if isinstance(event, SipTraced))
    assert set(re.findall(r'qop="([^"]+)"', messages)) == {",".join(offered)}
    assert set(re.findall(r"qop=([^\",]+)", messages)) == {offered[0]}


def no_proof(name: str, uri_user: str, extra: str = "") -> bytes:
    """An INVITE whose credentials prove nothing; all that differs is the name in it."""
    proof = (
        f'Authorization: Digest username="{name}", realm="ivrbench", nonce="@NONCE@", '
        f'uri="sip:{uri_user}@192.0.2.1", response="{"0" * 32}", algorithm=MD5, '
        f'qop=auth, nc=00000001, cnonce="c"{extra}\r\n'
    )
    invite = request("INVITE", user=uri_user)
    return invite.replace(b"Content-Length", proof.encode() + b"Content-Length")


def test_answers_tell_no_names(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown user, known user, any script or none: the same answer but for the nonce, made with
    the same number of digests; `userhash` too, which MD5 does not offer (RFC 7616 §3.4.4).
    """
    users = tmp_path / "users"
    users.write_text("ann = s3cret\n")
    bench = make_bench(script("pass"), users=users)
    digests: list[str] = []
    honest = auth.digest

    def counted(*args: str, **kwargs: Any) -> str:  # Any: what `digest` takes.
        digests.append(args[1])
        return honest(*args, **kwargs)

    monkeypatch.setattr(auth_server, "digest", counted)
    got: list[bytes] = []
    bench.attach(CALLER, lambda reply, _: got.append(reply))
    bench.send(request("INVITE"), Flow("udp", CALLER, ENGINE))
    bench.wait()
    nonce = re.findall(rb'nonce="([^"]+)"', got[0])[0]
    for n, (name, user, extra) in enumerate(
        [
            ("ann", "app", ""),
            ("bob", "app", ""),
            ("ann", "no-such-script", ""),
            ("bob", "no-such-script", ""),
            ("a" * 64, "app", ", userhash=true"),
        ]
    ):
        data = no_proof(name, user, extra).replace(b"@NONCE@", nonce)
        data = data.replace(b"z9hG4bK1", b"z9hG4bK%d" % (n + 10)).replace(b"Call-ID: c1", b"i: c1")
        bench.send(data, Flow("udp", CALLER, ENGINE))
        bench.wait()
    differs = rb"branch=[^;\r]+|tag=[^;\r]+|nonce=\"[^\"]+\"|sip:[^>@]+@"
    assert len({re.sub(differs, b"", reply) for reply in got}) == 1
    assert got[0].startswith(b"SIP/2.0 401 ")
    assert digests == ["ann", "bob", "ann", "bob", "a" * 64]


def test_wrong_passwords_get_a_source_banned(make_bench: MakeBench, tmp_path: Path) -> None:
    """Ten guesses; a user that exists and one that does not look the same to the guesser."""
    users = tmp_path / "users"
    users.write_text("ann = s3cret\n")
    bench = make_bench(script("pass"), users=users)
    answers = []
    for n in range(12):
        caller = Caller(bench, CALLER, 41_000 + 2 * n)
        name = "ann" if n % 2 else "bob"
        caller.endpoint.credentials = lambda _, name=name: (name, "guess")
        caller.invite()
        bench.wait()
        answers.append(caller.got)
    assert answers[:9] == [["401"]] * 9
    assert answers[-1] == []
    (told,) = (event for event in bench.told if isinstance(event, SourceRefused))
    assert told.reason == "gives wrong passwords"


def test_users_are_read_again(tmp_path: Path) -> None:
    """A changed `ivr.conf` brings new users; a broken file leaves those that were."""
    users = tmp_path / "users"
    users.write_text("ann = one\n")
    settings = Settings(users=users)
    access = Access(settings)
    users.write_text("bob = two\n")
    access.apply(settings)
    assert access._users == {"bob": "two"}
    users.write_text("carl =\n")
    with pytest.raises(ConfigError, match=r"users:1: the password is missing"):
        access.apply(settings)
    users.write_text("# nobody\n")
    with pytest.raises(ConfigError, match="there is no user in it"):
        read_users(users)
    assert access._users == {"bob": "two"}
