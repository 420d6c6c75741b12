"""pjsua2 calls: codecs and encryption of a third implementation, with keys, both ways at once."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import KeyReceived, MediaAgreed

from .lab.engine import Engine
from .lab.processes import PATIENCE_S, always_in_time
from .lab.scripts import BOTH, settings
from .lab.sound import tone, write_wav
from .test_baresip_media import share_of_tone

if TYPE_CHECKING:
    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CALL = Path(__file__).parent / "lab" / "pjsua_call.py"
OFF, MANDATORY = 0, 2
SECONDS = 2.5
CALLS = [
    ("PCMU", "PCMU", 8000, OFF),
    ("PCMA", "PCMA", 8000, OFF),
    ("GSM", "GSM", 8000, OFF),
    ("G722", "G722", 16_000, OFF),
    ("PCMU", "PCMU", 8000, MANDATORY),
]
"""pjsua's name of the codec, ours, its rate, and pjsua's SRTP mode."""


@pytest.mark.parametrize(("theirs", "ours", "rate_hz", "srtp"), CALLS)
async def test_tones_and_keys(
    tmp_path: Path, network: Network, theirs: str, ours: str, rate_hz: int, srtp: int
) -> None:
    """Our 1000 Hz is what it hears, its 440 Hz what is recorded, and keys come once each."""
    if find_spec("pjsua2") is None:
        pytest.skip("pjsua2 is missing: pip install pjsua2-python")
    conf = "srtp = required\n" if srtp else ""
    engine = Engine(tmp_path / "engine", {"both": BOTH}, conf=conf)
    prompt = write_wav(tmp_path / "prompt.wav", tone(1000.0, 10.0))
    settings(engine.conf.parent, "both", prompt=prompt, file=tmp_path / "message.wav")
    async with engine:
        order = {
            "uri": f"sip:both@127.0.0.1:{engine.port()}",
            "codec": theirs,
            "rate_hz": rate_hz,
            "srtp": srtp,
            "says": str(write_wav(tmp_path / "says.wav", tone(440.0, 10.0))),
            "heard": str(tmp_path / "heard.wav"),
            "keys": "12#",
            "seconds": SECONDS,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CALL), json.dumps(order)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=always_in_time,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode(errors="replace")
        (leg,) = await engine.until_done(1)
    (agreed,) = engine.seen(MediaAgreed)
    assert agreed.codec == ours
    assert [event.key for event in engine.seen(KeyReceived)] == [1, 2, 11]
    assert share_of_tone(tmp_path / "heard.wav", 1000.0)[0] > 0.9
    share, recorded_hz = share_of_tone(tmp_path / "message.wav", 440.0)
    assert recorded_hz == rate_hz
    assert share > 0.9
    with wave.open(str(tmp_path / "message.wav")) as file:
        assert leg.ended is not None
        assert np.isclose(file.getnframes() / rate_hz, leg.ended.duration_s, atol=0.5)
