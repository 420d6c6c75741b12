"""The way of sound from one end to the other: virtual microphone, phone, engine, loudspeaker."""

from __future__ import annotations

import asyncio
import sys
from ctypes.util import find_library
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import ListSoundCards, PlaceTestCall, TellPhone
from ivrbench.observe.phones import PhoneEnded, PhoneMeasured, PhoneProgressed

from .lab.engine import Engine
from .lab.processes import PATIENCE_S
from .lab.scripts import RECORDS, settings
from .lab.sound import Samples, level_dbfs, read_wav, tone, tone_share, write_wav
from .lab.soundcard import SoundCard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [
    *(pytest.mark.interop, pytest.mark.sound, pytest.mark.alone),
    pytest.mark.timeout(400),
]

PLAYS_ON = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.prompt = IvrAudioFile()
            self.prompt.open(config["prompt"], AUDIO_READ)
            self.prompt.loop = True
            self.enqueue(self.prompt, None)
    """


@pytest.fixture
async def card(
    network: Network, need: Callable[[str], None], tmp_path: Path
) -> AsyncIterator[SoundCard]:
    """A sound card of our own."""
    for program in ("pulseaudio", "pactl"):
        need(program)
    if find_library("portaudio") is None:
        need("libportaudio2")
    async with SoundCard(tmp_path / "card") as card:
        yield card


async def test_tone_of_the_script_is_at_the_loudspeaker(card: SoundCard, tmp_path: Path) -> None:
    """`ivrbench call --sound`: what the IVR plays comes out of the card, at its level."""
    engine = Engine(tmp_path / "engine", {"plays": PLAYS_ON})
    wav = write_wav(tmp_path / "tone.wav", tone(700.0, 30.0, dbfs=-15.0))
    settings(engine.conf.parent, "plays", prompt=wav)
    async with engine:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivrbench", "call", "plays", "--sound", "--for", "60"),
            *("--control-socket", str(engine.socket)),
            stdout=asyncio.subprocess.PIPE,
        )
        await engine.until_leg("up")
        heard = await purest(card, 700.0)
        process.terminate()
        told = (await process.communicate())[0].decode()
    assert "loudspeaker: " in told
    assert level_dbfs(heard) == pytest.approx(-15.0, abs=1.0)


async def test_level_test(card: SoundCard, tmp_path: Path) -> None:
    """What is said into the card is measured without a call, and the loudspeaker beeps."""
    engine = Engine(tmp_path / "engine", {"plays": PLAYS_ON})
    card.mouth(write_wav(tmp_path / "tone.wav", tone(1000.0, 30.0, dbfs=-15.0)))
    async with engine:
        phone = (await engine.ask(PlaceTestCall("", level_test=True))).phone
        await engine.until(
            lambda state: (
                (view := state.phones[phone]).measured is not None
                and abs(view.measured.out_dbfs + 15.0) < 1.5
            )
        )
        assert not engine.state.live
        await engine.ask(TellPhone(phone, "hangup"))
        ended = await engine.until_event(PhoneEnded, phone=phone)
    assert ended.text.startswith("level test: the microphone is heard, peak -1")


async def test_tone_at_the_microphone_is_in_the_recording(card: SoundCard, tmp_path: Path) -> None:
    """A test call of the workbench: what is said into the card is what the script records, and
    the way of the voice is told in its parts."""
    engine = Engine(tmp_path / "engine", {"records": RECORDS})
    settings(engine.conf.parent, "records", file=tmp_path / "said.wav")
    card.mouth(write_wav(tmp_path / "tone.wav", tone(1000.0, 30.0, dbfs=-15.0)))
    async with engine:
        cards = (await engine.ask(ListSoundCards())).cards
        assert any(one.inputs and one.outputs for one in cards)
        await engine.ask(PlaceTestCall("records", sound=True))
        await engine.until_done(1)
        measured = engine.seen(PhoneMeasured)[-1]
    said = read_wav(tmp_path / "said.wav")
    best = max(parts(said), key=lambda part: tone_share(part, 1000.0))
    assert tone_share(best, 1000.0) > 0.95
    assert level_dbfs(best) == pytest.approx(-15.0, abs=1.0)
    assert 20 <= measured.mic_ms <= 250
    assert 20 <= measured.speaker_ms <= 250


async def test_card_unplugged_in_a_call(card: SoundCard, tmp_path: Path) -> None:
    """It is said at once and the call goes on; plugged in again, the card is used again."""
    engine = Engine(tmp_path / "engine", {"plays": PLAYS_ON})
    wav = write_wav(tmp_path / "tone.wav", tone(700.0, 30.0, dbfs=-15.0))
    settings(engine.conf.parent, "plays", prompt=wav)
    async with engine:
        await engine.ask(PlaceTestCall("plays", sound=True))
        await purest(card, 700.0)
        card.unplug()
        await engine.until(lambda _: told(engine, "loudspeaker is gone: nothing is heard here"))
        await engine.until(lambda _: told(engine, "microphone is gone: the caller says nothing"))
        before = engine.seen(PhoneMeasured)[-1].received
        await engine.until(lambda _: engine.seen(PhoneMeasured)[-1].received > before + 20)
        assert [leg.state for leg in engine.state.live.values()] == ["up"]
        await card.plug_in()
        await engine.until(lambda _: told(engine, "loudspeaker is back"))
        await purest(card, 700.0)
        await engine.ask(TellPhone("p1", "hangup"))
        await engine.until_done(1)


def told(engine: Engine, words: str) -> bool:
    """Whether a phone said so."""
    return any(words in event.text for event in engine.seen(PhoneProgressed, step="note"))


def parts(samples: Samples) -> list[Samples]:
    """Half seconds, one begun every quarter."""
    return [samples[at : at + 4000] for at in range(0, len(samples) - 4000, 2000)]


async def purest(card: SoundCard, hz: float) -> Samples:
    """Half a second at the loudspeaker that is all this tone."""
    best = await card.speaker(0.5)
    async with asyncio.timeout(PATIENCE_S):
        while tone_share(best, hz) < 0.95:
            best = max(parts(await card.speaker(1.0)), key=lambda part: tone_share(part, hz))
    return best
