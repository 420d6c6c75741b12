"""A script is broken and repaired while a call is up: the call never loses audio."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import ScriptFailed, ScriptLoaded

from .lab.baresip import Baresip
from .lab.capture import Capture
from .lab.engine import Engine
from .lab.screen import Screen
from .lab.sound import RATE_HZ, read_wav, tone, tone_share, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ivrbench.observe.snapshot import LegView

    from .lab.capture import RtpPacket
    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.alone, pytest.mark.timeout(400)]

GOOD = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.prompt = IvrAudioFile()
            self.prompt.open("{prompt}", AUDIO_READ)
            self.prompt.loop = True
            self.enqueue(self.prompt, None)
    """
BAD = GOOD.replace("self.enqueue(self.prompt, None)", "self.enqueue(self.prompt, None")
BETTER = GOOD.replace("class IvrDialog", "VERSION = 2\n    class IvrDialog")
PACKET_SAMPLES = 160  # 20 ms at 8 kHz
LONGEST_GAP_S = 0.1  # half a jitter buffer's worth; a stopped stream lasts much longer


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    """A tone of two seconds that loops without a seam."""
    return write_wav(tmp_path / "prompt.wav", tone(1_000.0, 2.0))


def media_port(leg: LegView) -> int:
    """Our RTP port of a leg."""
    assert leg.media is not None
    return int(leg.media.local.rpartition(":")[2])


def assert_unbroken(packets: list[RtpPacket]) -> None:
    """One stream, every packet there, in order, each 20 ms of audio, none long in coming."""
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in zip(packets, packets[1:], strict=False):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFF_FFFF == PACKET_SAMPLES
        assert after.at_s - before.at_s < LONGEST_GAP_S


def assert_only_the_tone(path: Path) -> None:
    """From its first to its last second, the recording has the tone and nothing else."""
    heard = read_wav(path)[RATE_HZ // 2 : -RATE_HZ // 2]
    seconds = [heard[at : at + RATE_HZ] for at in range(0, len(heard) - RATE_HZ, RATE_HZ)]
    assert len(seconds) >= 2
    assert min(tone_share(second, 1_000.0) for second in seconds) > 0.95


async def break_and_repair(engine: Engine, prompt: Path) -> None:
    """Save a syntax error, wait until it is refused; save a new version, wait until it serves."""
    engine.save("music", BAD.format(prompt=prompt))
    failed = await engine.until_event(ScriptFailed, script="music")
    assert failed.error_type == "SyntaxError"
    assert failed.line == 8
    assert failed.serving_generation == 1
    engine.save("music", BETTER.format(prompt=prompt))
    await engine.until_event(ScriptLoaded, script="music", generation=failed.generation + 1)


async def test_call_keeps_its_audio_through_a_bad_save(
    tmp_path: Path, caller_wav: Path, prompt: Path, need: Callable[[str], None]
) -> None:
    """The capture shows no gap while a bad version is refused and a good one takes over."""
    need("baresip")
    need("own network")
    engine = Engine(tmp_path / "engine", {"music": GOOD.format(prompt=prompt)})
    async with Capture() as capture, engine, Baresip(tmp_path / "phone", caller_wav) as phone:
        await phone.dial("music", engine.port())
        leg = await engine.until_leg("up")
        port = media_port(leg)
        await engine.until(lambda _: len(capture.stream(port)) > 50 or None)
        await break_and_repair(engine, prompt)
        n_then = len(capture.stream(port))
        await engine.until(lambda _: len(capture.stream(port)) > n_then + 100 or None)
        assert leg.started.generation == 1
        assert engine.state.scripts["music"].live_calls == 1
        await phone.hang_up()
        await engine.until_done(1)
    assert_unbroken(capture.stream(port))
    assert_only_the_tone(phone.heard())


async def test_workbench_shows_the_call_and_the_reload(
    tmp_path: Path,
    caller_wav: Path,
    prompt: Path,
    network: Network,
    need: Callable[[str], None],
) -> None:
    """The workbench in a real terminal: script, call, failed version with its line, repair."""
    need("baresip")
    need("tmux")
    need("own network")
    engine = Engine(tmp_path / "engine", {"music": GOOD.format(prompt=prompt)})
    command = [sys.executable, "-m", "ivrbench", *engine.arguments]
    phone = Baresip(tmp_path / "phone", caller_wav)
    screens = Screen(command, tmp_path / "screens")
    async with Capture() as capture, screens as screen, aclosing(engine):
        await engine.connect(engine.socket, lambda: None)
        await engine.ready()
        await screen.until("music", "engine")
        async with phone:
            await phone.dial("music", engine.port())
            leg = await engine.until_leg("up")
            port = media_port(leg)
            await screen.until("up", "music@1", "prompt.wav")
            await break_and_repair_on(screen, engine, prompt)
            assert engine.state.live[leg.name].started.generation == 1
            await engine.until(lambda _: len(capture.stream(port)) > 200 or None)
            await phone.hang_up()
            await engine.until_done(1)
        await screen.until("by caller")
        await engine.aclose()
        await screen.press("C-q")
        assert await screen.until_ended() == 0
    assert_unbroken(capture.stream(port))
    assert_only_the_tone(phone.heard())


async def break_and_repair_on(screen: Screen, engine: Engine, prompt: Path) -> None:
    """`break_and_repair`, with the screen looked at after each step."""
    engine.save("music", BAD.format(prompt=prompt))
    await engine.until_event(ScriptFailed, script="music")
    await screen.until("bad", "SyntaxError", "serving @1")
    engine.save("music", BETTER.format(prompt=prompt))
    loaded = await engine.until_event(ScriptLoaded, script="music", generation=3)
    await screen.until("@3", "ok")
    assert not loaded.is_helper
    screen.resize(80, 24)
    await screen.until("Scripts ▸ 1", "music@1", "prompt.wav")
    screen.resize(120, 36)
    await screen.until("@3", "ok", "prompt.wav")
