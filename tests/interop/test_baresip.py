"""baresip calls the engine: what it hears, the keys it presses, what is recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import ItemEnded, KeyReceived, RecordingEnded

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.scripts import COLLECTS, PLAYS, RECORDS, settings
from .lab.sound import (
    RATE_HZ,
    level_dbfs,
    match,
    purest,
    read_wav,
    speechlike,
    tone,
    tone_share,
    write_wav,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("baresip")


@pytest.mark.parametrize(("codec", "transport"), [("PCMU", "udp"), ("PCMA", "tcp")])
async def test_caller_hears_the_prompt(
    tmp_path: Path, caller_wav: Path, codec: str, transport: str
) -> None:
    """What the phone heard is the prompt, whole and at its level, then the tone, without a gap."""
    prompt, beep = speechlike(4.0), tone(1_000.0, 1.0)
    engine = Engine(tmp_path / "engine", {"plays": PLAYS})
    settings(
        engine.conf.parent,
        "plays",
        prompt=write_wav(tmp_path / "prompt.wav", prompt),
        beep=write_wav(tmp_path / "beep.wav", beep),
    )
    phone = Baresip(tmp_path / "phone", caller_wav, codec=codec, transport=transport)
    async with engine, phone:
        await phone.dial("plays", engine.port(transport))
        await phone.event("CALL_CLOSED")
        (leg,) = await engine.until_done(1)
    assert leg.media is not None
    assert leg.media.codec == codec
    ended = [(event.reason, event.played_ms) for event in engine.seen(ItemEnded)]
    assert ended == [("played", 4_000), ("played", 1_000)]

    heard = read_wav(phone.heard())
    start, alike = match(heard, prompt)
    assert alike > 0.95
    part = heard[start : start + len(prompt)]
    assert level_dbfs(part) == pytest.approx(level_dbfs(prompt), abs=0.5)
    after = heard[start + len(prompt) :][: len(beep)]
    assert tone_share(after[400:7_000], 1_000.0) > 0.95
    # Gapless: the tone is there from the prompt's last sample on, give or take one packet.
    first = int(np.argmax(np.abs(after) > 0.1))
    assert first < RATE_HZ * 20 // 1_000


async def test_keys_arrive_in_the_script(tmp_path: Path, caller_wav: Path) -> None:
    """Keys 1 2 3 # come once each, in order, with the length they had."""
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS})
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    async with engine, Baresip(tmp_path / "phone", caller_wav) as phone:
        await phone.dial("collects", engine.port())
        await engine.until_leg("up")
        await phone.press("123#")
        await engine.until_done(1)
    keys = [pair.split(":") for pair in (tmp_path / "keys.txt").read_text().split()]
    assert [int(key) for key, _ in keys] == [1, 2, 3, 11]
    assert all(int(duration_ms) > 0 for _, duration_ms in keys)
    assert {event.source for event in engine.seen(KeyReceived)} == {"RFC 4733"}


async def test_recording_holds_what_the_caller_said(tmp_path: Path, caller_wav: Path) -> None:
    """The file has the caller's tone at its level, for as long as was asked, in a valid WAV."""
    engine = Engine(tmp_path / "engine", {"records": RECORDS})
    settings(engine.conf.parent, "records", file=tmp_path / "message.wav")
    async with engine, Baresip(tmp_path / "phone", caller_wav) as phone:
        await phone.dial("records", engine.port())
        await engine.until_done(1)
        ended = await engine.until_event(RecordingEnded)
    assert ended.error == ""
    message = read_wav(tmp_path / "message.wav")
    assert len(message) == 3 * RATE_HZ
    said = purest(message, 440.0)
    assert tone_share(said, 440.0) > 0.95
    assert level_dbfs(said) == pytest.approx(-12.0, abs=0.5)
