"""baresip calls with every codec and kind of encryption; what it hears and what is recorded."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import RecordingEnded

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.scripts import COLLECTS, PLAYS, RECORDS, settings
from .lab.sound import Samples, likeness, speechlike, tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

# baresip's name, ours, its rate, its packet length, and how like the prompt it sounds at least:
# the test's prompt is shaped noise, which speech coders keep in spirit more than in shape.
CODECS = [
    ("PCMU", "PCMU", 8000, 10, 0.95),
    ("PCMA", "PCMA", 8000, 40, 0.95),
    ("GSM", "GSM", 8000, 20, 0.5),
    ("G722/16000/1", "G722", 16_000, 20, 0.9),
    ("opus/48000/2", "OPUS", 48_000, 20, 0.6),
]
ENCRYPTIONS = [
    ("srtp", "optional"),
    ("srtp-mand", "required"),
    ("dtls_srtp", "optional"),
    ("dtls_srtp", "required"),
]


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("baresip")


def caller(folder: Path, rate_hz: int) -> Path:
    """What the caller says: 440 Hz at the rate of its codec."""
    path = folder / "caller.wav"
    times_s = np.arange(rate_hz * 60) / rate_hz
    pcm = (8000 * np.sin(2 * np.pi * 440.0 * times_s)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate_hz, len(pcm), "NONE", ""))
        out.writeframes(pcm.tobytes())
    return path


def heard(path: Path, rate_hz: int) -> Samples:
    """A WAV at any rate, brought to 8 kHz, full scale 1."""
    with wave.open(str(path), "rb") as file:
        assert file.getframerate() == rate_hz
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        pcm = pcm[:: file.getnchannels()]
    wide = pcm.astype(np.float64) / 32_768
    spectrum = np.fft.rfft(wide)
    n = len(wide) * 8000 // rate_hz
    return np.asarray(np.fft.irfft(spectrum[: n // 2 + 1], n) * 8000 / rate_hz)


def share_of_tone(path: Path, hz: float) -> tuple[float, int]:
    """How much of a recording is at one frequency where it is most, and the recording's rate.

    In half a second of its second half: a packet that came late makes the tone jump.
    """
    with wave.open(str(path), "rb") as file:
        rate_hz = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    n = rate_hz // 2
    hzs = np.fft.rfftfreq(n, 1 / rate_hz)
    shares = []
    for at in range(len(pcm) // 2, len(pcm) - n + 1, n // 2):
        power = np.abs(np.fft.rfft(pcm[at : at + n] * np.hanning(n))) ** 2
        shares.append(float(power[np.abs(hzs - hz) < 5].sum() / power.sum()))
    return max(shares), rate_hz


@pytest.mark.parametrize(("theirs", "ours", "rate_hz", "ptime_ms", "alike"), CODECS)
async def test_codec_both_ways(
    tmp_path: Path, theirs: str, ours: str, rate_hz: int, ptime_ms: int, alike: float
) -> None:
    """The prompt is heard, the caller is recorded at the codec's own rate."""
    prompt = speechlike(3.0)
    engine = Engine(tmp_path / "engine", {"plays": PLAYS, "records": RECORDS})
    folder = engine.conf.parent
    beep = write_wav(tmp_path / "beep.wav", tone(1000.0, 0.5))
    settings(folder, "plays", prompt=write_wav(tmp_path / "p.wav", prompt), beep=beep)
    settings(folder, "records", file=tmp_path / "message.wav")
    phone = Baresip(
        tmp_path / "phone",
        caller(tmp_path, rate_hz),
        codec=theirs,
        rate_hz=rate_hz,
        ptime_ms=ptime_ms,
    )
    async with engine, phone:
        await phone.dial("plays", engine.port())
        await phone.event("CALL_CLOSED")
        (leg,) = await engine.until_done(1)
        await phone.dial("records", engine.port())
        await engine.until_done(2)
        ended = await engine.until_event(RecordingEnded)
    assert leg.media is not None
    assert (leg.media.codec, leg.media.ptime_ms) == (ours, ptime_ms)
    assert likeness(heard(phone.heard(), rate_hz), prompt) > alike
    assert ended.length_ms == 3000
    share, recorded_hz = share_of_tone(tmp_path / "message.wav", 440.0)
    assert share > 0.95
    assert recorded_hz == rate_hz


@pytest.mark.parametrize(("encryption", "policy"), ENCRYPTIONS)
async def test_encrypted_both_ways(tmp_path: Path, encryption: str, policy: str) -> None:
    """With SDES or DTLS keys the prompt is heard, keys arrive and the caller is recorded."""
    is_dtls = encryption == "dtls_srtp"
    prompt = speechlike(6.0 if is_dtls else 3.0)
    scripts = {"plays": PLAYS, "records": RECORDS, "collects": COLLECTS}
    engine = Engine(tmp_path / "engine", scripts, conf=f"srtp = {policy}\n")
    folder = engine.conf.parent
    beep = write_wav(tmp_path / "beep.wav", tone(1000.0, 0.5))
    settings(folder, "plays", prompt=write_wav(tmp_path / "p.wav", prompt), beep=beep)
    settings(folder, "records", file=tmp_path / "message.wav")
    settings(folder, "collects", file=tmp_path / "keys.txt")
    phone = Baresip(tmp_path / "phone", caller(tmp_path, 8000), encryption=encryption)
    async with engine, phone:
        await phone.dial("plays", engine.port())
        await phone.event("CALL_CLOSED")
        await engine.until_done(1)
        await phone.dial("records", engine.port())
        await engine.until_done(2)
        await engine.until_event(RecordingEnded)
        await phone.dial("collects", engine.port())
        await engine.until_leg("up")
        if is_dtls:
            await phone.event("CALL_MENC")  # the phone has its keys
        await phone.press("12#")
        await engine.until_done(3)
    # What is played while DTLS still agrees on keys is not heard: half a second on an idle machine.
    prompt = prompt[8000 // 2 if is_dtls else 0 :]
    assert likeness(heard(phone.heard(), 8000), prompt) > 0.9
    assert share_of_tone(tmp_path / "message.wav", 440.0)[0] > 0.95
    assert [pair.split(":")[0] for pair in (tmp_path / "keys.txt").read_text().split()] == [
        *("1", "2", "11")
    ]
    log = engine.log_path.read_text(errors="replace")
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("encryption", "policy"), [("", "required"), ("srtp-mand", "off"), ("dtls_srtp", "off")]
)
async def test_encryption_only_one_side_wants(tmp_path: Path, encryption: str, policy: str) -> None:
    """A plain phone where keys are required, and one that insists on keys where there are none,
    get 488.
    """
    engine = Engine(tmp_path / "engine", {"plays": PLAYS}, conf=f"srtp = {policy}\n")
    wav = write_wav(tmp_path / "p.wav", tone(1000.0, 0.5))
    settings(engine.conf.parent, "plays", prompt=wav, beep=wav)
    phone = Baresip(tmp_path / "phone", caller(tmp_path, 8000), encryption=encryption)
    async with engine, phone:
        await phone.command("dial", f"sip:plays@127.0.0.1:{engine.port()}")
        event = await phone.event("CALL_CLOSED")
    assert "488" in str(event)
