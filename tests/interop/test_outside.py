"""What the outside can do: sipsak asks, baresip calls over TLS, SIPVicious scans."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import DialOut
from ivrbench.observe.events import SipTraced, SourceRefused
from tests.engine.certificates import Certificates

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.network import IP
from .lab.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

ANSWERS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onBye(self):
            self.stopSession()
    """
OUTSIDE = "10.99.0.1"
"""An address of this machine that is not its loopback, so that nobody there is trusted."""


@pytest.fixture(autouse=True)
def _network(network: Network) -> None:
    """All of it stays on a loopback of its own."""


async def run(folder: Path, *command: str) -> tuple[int, str]:
    """Run a program to its end; its exit code and all it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        text = (await process.communicate())[0].decode(errors="replace")
    return process.returncode or 0, text


async def test_sipsak_pings(tmp_path: Path, need: Callable[[str], None]) -> None:
    """OPTIONS over UDP and TCP: 200 with what we can do."""
    need("sipsak")
    async with Engine(tmp_path / "engine", {"answers": ANSWERS}) as engine:
        for transport in ("udp", "tcp"):
            code, text = await run(
                tmp_path,
                *("sipsak", "-vv", "-E", transport),
                *("-s", f"sip:answers@{IP}:{engine.port(transport)}"),
            )
            assert code == 0, text
            assert "SIP/2.0 200 OK" in text
            assert "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS" in text


@pytest.mark.parametrize("encryption", ["", "srtp-mand", "dtls_srtp"])
async def test_baresip_calls_over_tls(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None], encryption: str
) -> None:
    """A call over TLS, all its messages, with audio in the clear or with keys of either kind; the
    phone hangs up by the same connection.
    """
    need("baresip")
    (tmp_path / "certificates").mkdir()
    cert = Certificates(tmp_path / "certificates").file(IP)
    engine = Engine(
        tmp_path / "engine",
        {"answers": ANSWERS},
        f"tls_cert = {cert}\nsrtp = {'required' if encryption else 'off'}\n",
        ("--listen", f"tls:{IP}:0"),
    )
    phone = Baresip(tmp_path / "phone", caller_wav, transport="tls", encryption=encryption)
    async with engine, phone:
        await phone.dial("answers", engine.port("tls"))
        await engine.until_leg("up")
        await phone.hang_up()
        (leg,) = await engine.until_done(1)
    assert leg.code == 200
    traced = engine.seen(SipTraced)
    assert {event.transport for event in traced} == {"tls"}
    assert {"INVITE (SDP)", "200 OK (SDP)", "ACK", "BYE"} <= {event.summary for event in traced}


async def test_baresip_logs_in(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """RFC 3261 §22: a phone with a password is asked for it, and calls."""
    need("baresip")
    (tmp_path / "users").write_text("caller = x\n")
    conf = f"users = {tmp_path / 'users'}\n"
    engine = Engine(tmp_path / "engine", {"answers": ANSWERS}, conf)
    phone = Baresip(tmp_path / "phone", caller_wav)
    async with engine, phone:
        await phone.dial("answers", engine.port())
        await engine.until_leg("up")
        await phone.hang_up()
        (leg,) = await engine.until_done(1)
    assert leg.code == 200
    answers = [event.summary for event in engine.seen(SipTraced, sent=True)]
    assert answers[0] == "401 Unauthorized"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_registers_and_is_called(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None], transport: str
) -> None:
    """A phone that registers as a user is called by the user's name at our address."""
    need("baresip")
    (tmp_path / "users").write_text("ann = secret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    listen = ("--listen", f"{transport}:{IP}:0")
    async with Engine(tmp_path / "engine", {"answers": ANSWERS}, conf, listen) as engine:
        port = engine.port(transport)
        folder, address = tmp_path / "phone", f"ann@{IP}:{port}"
        async with Baresip(folder, caller_wav, transport=transport, address=address) as phone:
            await phone.registered()
            uri = f"sip:{address};transport={transport}"
            await engine.ask(DialOut(script="answers", uri=uri))
            await phone.answer()
            await engine.until_leg("up")
            await phone.hang_up()
            (leg,) = await engine.until_done(1)
    assert leg.code == 200


async def test_two_baresips_of_one_user_ring(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """Two phones of a user, one by UDP and one by TCP, ring together; one answers, and the other
    stops.
    """
    need("baresip")
    (tmp_path / "users").write_text("ann = secret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    listen = ("--listen", f"udp:{IP}:0", "--listen", f"tcp:{IP}:0")
    async with Engine(tmp_path / "engine", {"answers": ANSWERS}, conf, listen) as engine:
        desk, cell = (
            Baresip(
                tmp_path / transport,
                caller_wav,
                transport=transport,
                address=f"ann@{IP}:{engine.port(transport)}",
            )
            for transport in ("udp", "tcp")
        )
        async with desk, cell:
            await desk.registered()
            await cell.registered()
            await engine.ask(DialOut(script="answers", uri=f"sip:ann@{IP}:{engine.port()}"))
            await cell.event("CALL_INCOMING")
            await desk.answer()
            await cell.event("CALL_CLOSED")
            await engine.until_leg("up")
            await desk.hang_up()
            (leg,) = await engine.until_done(1)
    assert leg.code == 200
    traced = engine.seen(SipTraced, sent=True, retransmission=False)
    sent = [event.summary.split()[0] for event in traced]
    assert sent.count("CANCEL") == 1


async def test_scanner_outside_allow_from_sees_nothing(
    tmp_path: Path, need: Callable[[str], None]
) -> None:
    """svmap asks by OPTIONS, as it does for a whole network: there is nobody."""
    need("svmap")
    conf = "allow_from = 10.0.0.0/8\n"
    async with Engine(tmp_path / "engine", {"answers": ANSWERS}, conf) as engine:
        _, text = await run(tmp_path, "svmap", "-p", str(engine.port()), IP)
        assert "found nothing" in text
        assert engine.seen(SipTraced) == []


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("INVITE", "401 Unauthorized"),
        ("REGISTER", "401 Unauthorized"),
        ("OPTIONS", "200 OK"),
    ],
)
async def test_scanner_learns_no_names(
    tmp_path: Path, need: Callable[[str], None], method: str, answer: str
) -> None:
    """svwar tells extensions apart by their answers: with passwords all answers are alike."""
    need("svmap")
    (tmp_path / "users").write_text("ann = s3cret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    async with Engine(tmp_path / "engine", {"100": ANSWERS, "101": ANSWERS}, conf) as engine:
        _, text = await run(
            tmp_path,
            *("svwar", "-m", method, "-p", str(engine.port()), "-e", "100-105"),
            *("-b", IP, "-x", IP, IP),
        )
        found = [name for name in range(100, 106) if f"| {name} " in text]
        assert found in ([], list(range(100, 106))), text
        await engine.until_event(SipTraced, sent=True)
        answers = {e.summary for e in engine.seen(SipTraced) if e.sent}
        assert answers == {answer}


async def test_scanner_is_banned(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> None:
    """svwar from an untrusted address: after 20 names that are not here nobody answers it."""
    need("svmap")
    need("own network")
    network.add_address(OUTSIDE)
    more = ("--listen", f"udp:{OUTSIDE}:0")
    async with Engine(tmp_path / "engine", {"answers": ANSWERS}, "", more) as engine:
        listeners = engine.state.engine.listeners.values()
        port = next(found.port for found in listeners if found.ip == OUTSIDE)
        await run(
            tmp_path,
            *("svwar", "-m", "INVITE", "-p", str(port), "-e", "100-200", "--force"),
            *("-x", OUTSIDE, "--maximumtime", "6", OUTSIDE),
        )
        ban = await engine.until_event(SourceRefused)
        assert (ban.source, ban.reason) == (OUTSIDE, "calls what is not here")
        asked = {e.raw.split(b" ", 2)[1] for e in engine.seen(SipTraced) if e.summary == "INVITE"}
        assert len(asked) <= 25
