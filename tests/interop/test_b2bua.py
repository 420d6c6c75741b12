"""Two-legged calls between real peers, baresip, pjsua2 and SIPp; audio past us and through us."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import KeyReceived, LegEnded, MediaAgreed, RecordingEnded

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.network import IP, free_port, until_open
from .lab.processes import PATIENCE_S, always_in_time
from .lab.scripts import settings
from .lab.sipp import GIVES_UP_S, run_sipp, sipp_at
from .lab.sound import RATE_HZ, level_dbfs, read_wav, tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SCRIPTS = Path(__file__).parents[2] / "scripts"
PJPHONE = Path(__file__).parent / "lab" / "pjphone.py"
ANN_HZ, BOB_HZ = 440.0, 1000.0

JOINS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.recording = IvrAudioFile()
            self.recording.open(config["file"], AUDIO_WRITE)
            self.enqueue(None, self.recording)
            self.connectCallee("<" + config["callee"] + ">", config["callee"])
        def onDtmf(self, key, duration):
            pass
        def onOtherDtmf(self, key, duration):
            pass
        def onBye(self):
            return True
    """
RELAYS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onInvite(self, hdrs):
            self.connectCallee("<" + config["callee"] + ">", config["callee"])
    """


RELAYS_FROM_THE_START = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        B2BMode = True
    """


@pytest.fixture
def callee_wav(tmp_path: Path) -> Path:
    """What the callee says."""
    return write_wav(tmp_path / "callee.wav", tone(BOB_HZ, 60.0))


def share_of(path: Path, hz: float) -> float:
    """How much of the last second before the end is at one frequency."""
    samples = read_wav(path)[-12_000:-4000]
    assert len(samples), f"{path} is empty"
    assert level_dbfs(samples) > -30, f"{path} is silent"
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hzs = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    # A packet late on a busy machine makes the tone jump, and broader.
    return float(power[np.abs(hzs - hz) < 40].sum() / power.sum())


def heard(phone: Baresip) -> Path:
    """A re-INVITE makes baresip begin another file; the longest one is of the conversation."""
    return max(phone.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("media", ["direct", "anchored"])
async def test_two_baresips(
    tmp_path: Path,
    caller_wav: Path,
    callee_wav: Path,
    need: Callable[[str], None],
    media: str,
) -> None:
    """Each hears the other's tone; here also with two codecs, keys and a recording."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"joins": JOINS}, f"b2b_media = {media}\n")
    codec = "PCMA" if media == "anchored" else "PCMU"
    ann = Baresip(tmp_path / "ann", caller_wav, codec="PCMU")
    bob = Baresip(tmp_path / "bob", callee_wav, codec=codec)
    recording = tmp_path / "recording.wav"
    callee = f"sip:caller@{IP}:{bob.port}"
    settings(engine.conf.parent, "joins", callee=callee, file=recording)
    async with engine, ann, bob:
        await ann.dial("joins", engine.port())
        await asyncio.sleep(1.1)  # baresip names its recordings by the second
        await bob.answer()
        await asyncio.gather(ann.hears(0.5), bob.hears(0.5))
        if media == "anchored":
            await ann.press("7")
            await engine.until_event(KeyReceived, leg="c1", key=7)
            told = await bob.event("CALL_DTMF_START")
            assert told["param"] == "7", "the caller's key reaches the other phone"
            await bob.press("5")
            await engine.until_event(KeyReceived, leg="c1b", key=5)
            await engine.until_event(MediaAgreed, leg="c1b", codec="PCMA")
        await asyncio.gather(ann.hears(2.0), bob.hears(2.0))
        await bob.hang_up()
        legs = await engine.until_done(2)
        if media == "anchored":
            await engine.until_event(RecordingEnded)
    assert [leg.ended and leg.ended.by for leg in legs] == ["callee", "callee"]
    assert share_of(heard(ann), BOB_HZ) > 0.9
    assert share_of(heard(bob), ANN_HZ) > 0.9
    if media == "anchored":
        assert share_of(recording, ANN_HZ) > 0.9


async def test_shipped_b2bua_rings_and_gives_up(
    tmp_path: Path, caller_wav: Path, callee_wav: Path, need: Callable[[str], None]
) -> None:
    """`scripts/b2bua.py`: the caller hears it ring, hangs up, and the callee stops ringing."""
    need("baresip")
    text = (SCRIPTS / "b2bua.py").read_text()
    engine = Engine(tmp_path / "engine", {"b2bua": text})
    ann = Baresip(tmp_path / "ann", caller_wav)
    bob = Baresip(tmp_path / "bob", callee_wav)
    settings(engine.conf.parent, "b2bua", callee=f"sip:caller@{IP}:{bob.port}")
    async with engine, ann, bob:
        await ann.command("dial", f"sip:b2bua@{IP}:{engine.port()}")
        await ann.event("CALL_RINGING")
        await bob.event("CALL_INCOMING")
        await ann.command("hangup")
        await bob.event("CALL_CLOSED")
        await engine.until_done(2)
        ends = engine.seen(LegEnded)
    assert {end.leg: end.by for end in ends} == {"c1": "caller", "c1b": "caller"}


async def test_call_center(
    tmp_path: Path, caller_wav: Path, callee_wav: Path, need: Callable[[str], None]
) -> None:
    """`scripts/call_center.py`: music, an agent who is not there, and one who is."""
    need("baresip")
    text = (SCRIPTS / "call_center.py").read_text()
    text = text.replace("os.path.dirname(__file__)", repr(str(SCRIPTS)))
    engine = Engine(tmp_path / "engine", {"call_center": text})
    ann = Baresip(tmp_path / "ann", caller_wav)
    bob = Baresip(tmp_path / "bob", callee_wav)
    nobody = free_port(socket.SOCK_DGRAM)
    agents = f"sip:x@{IP}:{nobody} sip:caller@{IP}:{bob.port}"
    settings(engine.conf.parent, "call_center", agents=agents, ring=2)
    async with engine, ann, bob:
        await ann.dial("call_center", engine.port())
        await bob.answer()
        await asyncio.gather(ann.hears(2.0), bob.hears(2.0))
        await ann.hang_up()
        await engine.until_done(3)
    assert share_of(heard(bob), ANN_HZ) > 0.9
    assert share_of(ann.heard(), BOB_HZ) > 0.9
    music = read_wav(ann.heard())[4000:12_000]
    assert level_dbfs(music) > -40


@pytest.mark.parametrize(
    ("media", "script"),
    [("direct", RELAYS), ("anchored", RELAYS), ("auto", RELAYS_FROM_THE_START)],
    ids=["direct", "anchored", "B2BMode"],
)
async def test_sipp_calls_sipp(
    tmp_path: Path, network: Network, need: Callable[[str], None], media: str, script: str
) -> None:
    """Twenty calls from one SIPp to another; every message as both scenarios want it."""
    need("sipp")
    port = free_port(socket.SOCK_DGRAM)
    # A call that goes on to its own URI comes back here, but for a proxy that knows better.
    proxy = f"outbound_proxy = sip:{IP}:{port}\n" if media == "auto" else ""
    engine = Engine(tmp_path / "engine", {"relays": script}, f"b2b_media = {media}\n{proxy}")
    settings(engine.conf.parent, "relays", callee=f"sip:uas@{IP}:{port}")
    async with sipp_at(port, "uas", tmp_path, "-m", "20") as sipp, engine:
        # So late that it is never sent again because the machine is busy.
        result = await run_sipp(
            engine,
            "call",
            tmp_path,
            script="relays",
            calls=20,
            per_s=20,
            hold_ms=300,
            t1_ms=15_000,
        )
        assert result.successful == 20, result.errors
        legs = await engine.until_done(40)
        async with asyncio.timeout(PATIENCE_S):
            assert await sipp.wait() == 0
    assert {leg.code for leg in legs} == {200}
    assert result.retransmissions == 0


@pytest.mark.parametrize("media", ["direct", "anchored"])
async def test_sipp_third_party_call_control(
    tmp_path: Path, network: Network, need: Callable[[str], None], media: str
) -> None:
    """RFC 3725 by SIPp's own scenarios, each leg of the controller through us.

    It calls one party without an offer, calls the other one with what that offered, and sends the
    answer in the first one's ACK.
    """
    need("sipp")
    ports = [free_port(socket.SOCK_DGRAM) for _ in range(4)]
    meeting = free_port(socket.SOCK_STREAM)
    twin = f"{IP}:{meeting}"
    scripts = {"first": RELAYS, "second": RELAYS}
    engine = Engine(tmp_path / "engine", scripts, f"b2b_media = {media}\n")
    settings(engine.conf.parent, "first", callee=f"sip:a@{IP}:{ports[0]}")
    settings(engine.conf.parent, "second", callee=f"sip:b@{IP}:{ports[1]}")
    running: list[asyncio.subprocess.Process] = []

    async def sipp(scenario: str, port: int, *more: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *("sipp", "-sn", scenario, "-i", IP, "-p", str(port), "-m", "5", "-r", "5"),
            *("-mi", IP, "-nostdin", "-timeout", f"{GIVES_UP_S}s", "-timeout_error", *more),
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=always_in_time,
        )
        running.append(process)

    try:
        async with engine:
            us = f"{IP}:{engine.port()}"
            await sipp("3pcc-A", ports[0])
            await sipp("3pcc-B", ports[1])
            for port in ports[:2]:
                await until_open(port)
            await sipp("3pcc-C-B", ports[3], "-3pcc", twin, "-s", "second", us)
            await until_open(meeting, socket.SOCK_STREAM)
            await sipp("3pcc-C-A", ports[2], "-3pcc", twin, "-s", "first", us)
            legs = await engine.until_done(20)
            async with asyncio.timeout(PATIENCE_S):
                assert [await process.wait() for process in running] == [0, 0, 0, 0]
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert {leg.code for leg in legs} == {200}


@pytest.mark.parametrize("media", ["direct", "anchored"])
async def test_pjsua_calls_baresip(
    tmp_path: Path,
    caller_wav: Path,
    callee_wav: Path,
    need: Callable[[str], None],
    media: str,
) -> None:
    """Two other stacks: tones both ways, keys of the caller where they come by us."""
    need("baresip")
    if importlib.util.find_spec("pjsua2") is None:
        pytest.skip("pjsua2 is missing: pip install pjsua2-python")
    engine = Engine(tmp_path / "engine", {"joins": JOINS}, f"b2b_media = {media}\n")
    bob = Baresip(tmp_path / "bob", callee_wav)
    callee = f"sip:caller@{IP}:{bob.port}"
    settings(engine.conf.parent, "joins", callee=callee, file=tmp_path / "r.wav")
    async with engine, bob:
        uri = f"sip:joins@{IP}:{engine.port()}"
        told, port = tmp_path / "heard.wav", free_port(socket.SOCK_DGRAM)
        arguments = (uri, str(caller_wav), str(told), str(port), "12#", "3")
        pjsua = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PJPHONE), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=always_in_time,
        )
        await bob.answer()
        await bob.hears(0.5)  # the audio goes where the keys are to go
        complaint = (await pjsua.communicate(b"go\n"))[1].decode()
        assert pjsua.returncode == 0, complaint
        await engine.until_done(2)
        keys = [event.key for event in engine.seen(KeyReceived, leg="c1")]
    assert keys == ([1, 2, 11] if media == "anchored" else [])
    assert share_of(heard(bob), ANN_HZ) > 0.9
    assert told.stat().st_size > 40_000
