"""Scripts of 2006 to 2020, unmodified, with real telephones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import (
    ItemEnded,
    ItemStarted,
    MonitorChanged,
    RecordingEnded,
    SipTraced,
)
from tests.engine.calls.old_scripts import (
    CALL_BACK_2007,
    GATE_2006,
    HOTLINE_2012,
    SCREENING_2020,
)
from tests.engine.calls.test_generations import prompt

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.network import IP
from .lab.scripts import settings
from .lab.sound import level_dbfs, read_wav, tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


@pytest.fixture
def callee_wav(tmp_path: Path) -> Path:
    """What the called telephone says."""
    return write_wav(tmp_path / "callee.wav", tone(1000.0, 60.0))


async def test_gate_of_2006(tmp_path: Path, caller_wav: Path, need: Callable[[str], None]) -> None:
    """Python 2 and tabs: a PIN by keys, a recording in memory ended by a key."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"gate": GATE_2006})
    ann = Baresip(tmp_path / "ann", caller_wav)
    settings(engine.conf.parent, "gate", prompt=prompt(tmp_path), flush_notifies="yes")
    async with engine, ann:
        await ann.dial("gate", engine.port())
        await engine.until_event(ItemEnded, leg="c1")
        await ann.press("1234#")
        await engine.until_event(ItemStarted, leg="c1", item=3)
        await asyncio.sleep(2.5)
        await ann.press("#")
        recorded = await engine.until_event(RecordingEnded)
        (leg,) = await engine.until_done(1)
    assert leg.ended is not None
    assert leg.ended.by == "script"
    assert recorded.n_bytes > 32_000
    assert level_dbfs(read_wav(ann.heard())[:4000]) > -40, "the prompt was heard"


async def test_call_back_of_2007(
    tmp_path: Path, caller_wav: Path, callee_wav: Path, need: Callable[[str], None]
) -> None:
    """A thread of the script calls back; the phone answers and hears a mixed announcement."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"callback": CALL_BACK_2007})
    ann = Baresip(tmp_path / "ann", caller_wav)
    bob = Baresip(tmp_path / "bob", callee_wav)
    host = f"{IP}:{bob.port}"
    settings(engine.conf.parent, "callback", prompt=prompt(tmp_path), who="caller", host=host)
    async with engine, ann, bob:
        await ann.dial("callback", engine.port())
        await bob.answer()
        legs = await engine.until_done(2)
        seen = [e.summary for e in engine.seen(SipTraced, leg="c2", retransmission=False)]
    assert [leg.ended and leg.ended.by for leg in legs] == ["script", "script"]
    assert [line for line in seen if line.startswith(("INVITE", "INFO", "BYE"))] == [
        "INVITE (SDP)", "INFO", "BYE",
    ]  # fmt: skip
    assert level_dbfs(read_wav(bob.heard())[800:3000]) > -40


async def test_hotline_of_2012(
    tmp_path: Path, caller_wav: Path, callee_wav: Path, need: Callable[[str], None]
) -> None:
    """Music, then an agent, who hangs up; the tally is on disk."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"hotline": HOTLINE_2012})
    ann = Baresip(tmp_path / "ann", caller_wav)
    bob = Baresip(tmp_path / "bob", callee_wav)
    host = f"{IP}:{bob.port}"
    sound = prompt(tmp_path)
    conf = engine.conf.parent
    settings(conf, "hotline", host=host, prompt=sound, store=tmp_path, agents="caller")
    async with engine, ann, bob:
        await ann.dial("hotline", engine.port())
        await bob.answer()
        await bob.hears(1.0)
        await bob.hang_up()
        legs = await engine.until_done(2)
    assert {leg.code for leg in legs} == {200}
    assert (tmp_path / "tally").exists()


async def test_screening_of_2020(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """Rings, answers by its own reply, records two seconds as mu-law, asks the phone, is told."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"screening": SCREENING_2020})
    ann = Baresip(tmp_path / "ann", caller_wav)
    settings(engine.conf.parent, "screening", store=tmp_path)
    async with engine, ann:
        await ann.dial("screening", engine.port())
        await engine.until_event(MonitorChanged, finished=True)
        await engine.until_event(SipTraced, leg="c1", sent=True, summary="OPTIONS")
        await ann.hang_up()
        (leg,) = await engine.until_done(1)
    assert leg.ended is not None
    assert leg.ended.by == "caller"
    recorded = (tmp_path / "said.wav").read_bytes()
    assert len(recorded) >= 16_000
    assert recorded[20:22] == b"\x07\x00", "mu-law"
