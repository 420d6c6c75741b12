"""SIPp speaks what came after plain calls: 100rel, session timers, glare."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import SipTraced

from .lab.engine import Engine
from .lab.network import IP
from .lab.sipp import run_sipp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SCRIPTS = {
    "answer": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            pass
        """,
    "early": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            def onInvite(self, hdrs):
                self.sendReply(183, "Session Progress", "")
                self.setTimer(1, 0.5)
            def onTimer(self, id):
                self.sendReply(200, "OK", "")
        """,
    "asks": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            def onSessionStart(self):
                self.setTimer(1, 0.5)
            def onTimer(self, id):
                self.sendRequest("INVITE", "")
        """,
}


@pytest.fixture
async def engine(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> AsyncIterator[Engine]:
    """An engine with the scripts above, on the tests' network."""
    need("sipp")
    async with Engine(tmp_path / "engine", SCRIPTS) as engine:
        yield engine


@pytest.fixture
async def guarded(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> AsyncIterator[Engine]:
    """An engine that asks for passwords."""
    need("sipp")
    (tmp_path / "users").write_text("ann = s3cret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    async with Engine(tmp_path / "engine", SCRIPTS, conf) as engine:
        yield engine


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_login(guarded: Engine, tmp_path: Path, transport: str) -> None:
    """RFC 3261 §22: 401, then the call with the right password; each call is one leg."""
    # By itself SIPp leaves the user out of the URI it signs.
    signed = f"answer@{IP}:{guarded.port(transport)}"
    login = ("-au", "ann", "-ap", "s3cret", "-auth_uri", signed)
    result = await run_sipp(guarded, "login", tmp_path, calls=5, transport=transport, more=login)
    assert (result.exit_code, result.successful) == (0, 5), result.errors
    await guarded.until_done(5)
    assert guarded.state.done_total == 5


@pytest.mark.parametrize("login", [("ann", "wrong"), ("nobody", "s3cret")])
async def test_wrong_login(guarded: Engine, tmp_path: Path, login: tuple[str, str]) -> None:
    """A wrong password and an unknown name get the same 401, and no leg."""
    signed = f"answer@{IP}:{guarded.port()}"
    more = ("-au", login[0], "-ap", login[1], "-auth_uri", signed)
    result = await run_sipp(guarded, "wrong_login", tmp_path, calls=2, more=more)
    assert (result.exit_code, result.successful) == (0, 2), result.errors
    assert guarded.state.done_total == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_reliable_provisional(engine: Engine, tmp_path: Path, transport: str) -> None:
    """RFC 3262: `Require: 100rel`, 183 with an answer, PRACK, 200."""
    result = await run_sipp(engine, "prack", tmp_path, script="early", calls=5, transport=transport)
    assert (result.exit_code, result.successful) == (0, 5), result.errors
    await engine.until_done(5)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_crossing_re_invites(engine: Engine, tmp_path: Path, transport: str) -> None:
    """RFC 3261 §14.1, §14.2: both sides get 491; ours is tried again and goes through."""
    result = await run_sipp(engine, "glare", tmp_path, script="asks", calls=3, transport=transport)
    assert (result.exit_code, result.successful) == (0, 3), result.errors
    await engine.until_done(3)


async def test_interval_too_small(engine: Engine, tmp_path: Path) -> None:
    """RFC 4028 §9: 422 with Min-SE; the caller asks again, and refreshes itself."""
    result = await run_sipp(engine, "too_small", tmp_path, calls=3)
    assert (result.exit_code, result.successful) == (0, 3), result.errors
    await engine.until_done(3)
    assert engine.state.done_total == 3, "none comes of what got 422"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_caller_refreshes(engine: Engine, tmp_path: Path, transport: str) -> None:
    """RFC 4028 §9: UPDATE and re-INVITE of the refresher are answered with the same interval."""
    result = await run_sipp(engine, "refreshes", tmp_path, calls=3, transport=transport)
    assert (result.exit_code, result.successful) == (0, 3), result.errors
    await engine.until_done(3)


async def test_session_is_refreshed(engine: Engine, tmp_path: Path) -> None:
    """RFC 4028 §10: the one who is to refresh is us, after half of the least interval: 45 s; by
    UPDATE, or by re-INVITE to a caller that does not know UPDATE.
    """
    scenarios = ("refreshed", "refreshed_by_invite")
    runs = [run_sipp(engine, scenario, tmp_path, within_s=80) for scenario in scenarios]
    for result in await asyncio.gather(*runs):
        assert (result.exit_code, result.successful) == (0, 1), result.errors
    await engine.until_done(2)
    sent = [event.summary for event in engine.seen(SipTraced, sent=True, retransmission=False)]
    assert sent.count("UPDATE") == 1
    assert sent.count("INVITE (SDP)") == 1
