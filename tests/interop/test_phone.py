"""`ivrbench call`, as a process, calls the engine over the network: our phone, not our engine's."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.observe.commands import PlaceTestCall, TellPhone
from ivrbench.observe.events import KeyReceived
from ivrbench.observe.phones import (
    PhoneEnded,
    PhoneMeasured,
    PhoneProgressed,
    PhoneRang,
    PhoneReady,
)

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.processes import always_in_time
from .lab.scripts import BOTH, COLLECTS, PLAYS, RECORDS, settings
from .lab.sound import (
    level_dbfs,
    likeness,
    match,
    read_wav,
    speechlike,
    tone,
    write_wav,
    write_wide,
)
from .test_baresip_media import share_of_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def _own_network(network: Network) -> None:
    """Every process here meets the others there."""


async def call(engine: Engine, target: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run `ivrbench call`; its exit code and its figures."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivrbench", "call", target, "--json"),
        *("--control-socket", str(engine.socket), *options),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=always_in_time,
    )
    text = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, json.loads(text.splitlines()[-1])


async def test_phone_finds_the_script_by_name_and_hears_it(tmp_path: Path) -> None:
    """The name alone is enough: the engine's control socket knows the port."""
    prompt = speechlike(3.0)
    engine = Engine(tmp_path / "engine", {"plays": PLAYS})
    settings(
        engine.conf.parent,
        "plays",
        prompt=write_wav(tmp_path / "prompt.wav", prompt),
        beep=write_wav(tmp_path / "beep.wav", tone(1_000.0, 0.5)),
    )
    async with engine:
        code, figures = await call(engine, "plays", "--record", str(tmp_path / "heard.wav"))
        await engine.until_done(1)
    assert (code, figures["code"]) == (0, 200)
    heard = read_wav(tmp_path / "heard.wav")
    assert likeness(heard, prompt) > 0.95
    start, _ = match(heard, prompt)
    assert level_dbfs(heard[start:][: len(prompt)]) == pytest.approx(level_dbfs(prompt), abs=0.5)


async def test_phone_presses_keys(tmp_path: Path) -> None:
    """`--keys` reach the script, in order; the script hangs up at `#`."""
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS})
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    async with engine:
        code, figures = await call(engine, "collects", "--keys", "12,3#")
        await engine.until_done(1)
    assert (code, figures["keys"]) == (0, "123#")
    keys = [pair.split(":")[0] for pair in (tmp_path / "keys.txt").read_text().split()]
    assert keys == ["1", "2", "3", "11"]


@pytest.mark.parametrize(("codec", "rate_hz"), [("g722", 16_000), ("opus", 48_000)])
async def test_wideband_codecs(tmp_path: Path, codec: str, rate_hz: int) -> None:
    """`--codec`: a tone no G.711 call could carry is in both recordings, keys arrive."""
    engine = Engine(tmp_path / "engine", {"both": BOTH})
    prompt = write_wide(tmp_path / "prompt.wav", 5000.0)
    settings(engine.conf.parent, "both", prompt=prompt, file=tmp_path / "message.wav")
    heard = tmp_path / "heard.wav"
    options = ("--codec", codec, "--tone", "6000", "--record", str(heard), "--for", "2")
    async with engine:
        code, _ = await call(engine, "both", *options, "--keys", "1#")
        await engine.until_done(1)
    assert code == 0
    assert [event.key for event in engine.seen(KeyReceived)] == [1, 11]
    for path, hz in ((heard, 5000.0), (tmp_path / "message.wav", 6000.0)):
        share, recorded_hz = share_of_tone(path, hz)
        assert recorded_hz == rate_hz
        assert share > 0.9


@pytest.mark.parametrize("by", ["info", "inband"])
async def test_keys_by_other_ways(tmp_path: Path, by: str) -> None:
    """SIP INFO, and tones in the audio that the engine listens to."""
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS}, conf="dtmf_inband = on\n")
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    async with engine:
        code, figures = await call(engine, "collects", "--keys", "1,5#", "--keys-by", by)
        await engine.until_done(1)
    assert (code, figures["keys"]) == (0, "15#")
    keys = [pair.split(":") for pair in (tmp_path / "keys.txt").read_text().split()]
    assert [key for key, _ in keys] == ["1", "5", "11"]
    assert all(60 <= int(duration_ms) <= 140 for _, duration_ms in keys)


async def test_spoken_text_is_in_the_recording(tmp_path: Path) -> None:
    """`--say`: the script records speech, not silence."""
    pytest.importorskip("espeakng_loader", reason="the extra tts is not installed")
    engine = Engine(tmp_path / "engine", {"records": RECORDS})
    settings(engine.conf.parent, "records", file=tmp_path / "said.wav")
    async with engine:
        code, _ = await call(engine, "records", "--say", "please leave a message after the tone")
        await engine.until_done(1)
    assert code == 0
    said = read_wav(tmp_path / "said.wav")
    assert level_dbfs(said[: len(said) // 2]) > -35.0


async def test_engine_that_asks_for_a_password(tmp_path: Path) -> None:
    """`ivrbench call` and the workbench's phone log in by themselves; with a wrong password the
    call is refused."""
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS}, conf="users = users.conf\n")
    (engine.conf.parent / "users.conf").write_text("anna = secret\n")
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    async with engine:
        config = ("--config", str(engine.conf))
        code, figures = await call(engine, "collects", "--keys", "#", *config)
        assert (code, figures["code"]) == (0, 200)
        await engine.ask(PlaceTestCall("collects", keys="#"))
        legs = await engine.until_done(2)
        assert [leg.code for leg in legs] == [200, 200]
        uri = f"sip:collects@127.0.0.1:{engine.port()}"
        os.environ["IVRBENCH_PASSWORD"] = "wrong"
        try:
            code, figures = await call(engine, uri, "--user", "anna")
        finally:
            del os.environ["IVRBENCH_PASSWORD"]
        assert (code, figures["code"]) == (1, 401)


async def test_transfer(tmp_path: Path, caller_wav: Path, need: Callable[[str], None]) -> None:
    """A test call to somebody else's phone: it is sent on to a script, and our call ends."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS})
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    baresip = Baresip(tmp_path / "phone", caller_wav)
    async with engine, baresip:
        placed = await engine.ask(PlaceTestCall(f"sip:caller@127.0.0.1:{baresip.port}"))
        await baresip.answer()
        await engine.until_event(PhoneProgressed, step="200")
        target = f"sip:collects@127.0.0.1:{engine.port()}"
        await engine.ask(TellPhone(placed.phone, "transfer", target))
        leg = await engine.until_leg("up")
        assert leg.started.script == "collects"
        await engine.until_event(PhoneProgressed, text="transferred: 200 OK")
        ended = await engine.until_event(PhoneEnded)
        assert ended.text.startswith("we hung up")


CONNECTS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onInvite(self, hdrs):
            self.connectCallee("<sip:conf@192.0.2.9>", "sip:conf@192.0.2.9")
        def onOtherReply(self, code, reason):
            return True
        def onBye(self):
            return True
        def onOtherBye(self):
            return True
    """


async def test_answering_what_a_script_calls(tmp_path: Path) -> None:
    """What scripts call rings at the test phone: the first call is answered, and both hear each
    other; the second, which comes while that one is up, is refused; then it is let be."""
    engine = Engine(tmp_path / "engine", {"connects": CONNECTS})
    async with engine:
        heard = tmp_path / "heard.wav"
        order = PlaceTestCall("", answers="ring", tone_hz=900, record=str(heard))
        waits = (await engine.ask(order)).phone
        await engine.until_event(PhoneReady, phone=waits)
        first = await engine.ask(PlaceTestCall("connects", tone_hz=600))
        rang = await engine.until_event(PhoneRang, phone=waits)
        assert (rang.leg, rang.called) == ("c1b", "sip:conf@192.0.2.9")
        another = await engine.until_event(PhoneReady, phone="p3")
        await engine.ask(TellPhone(waits, "answer"))
        await engine.until(lambda state: state.phones[first.phone].after_ms("sound"))
        await engine.until(lambda state: state.phones[waits].after_ms("sound"))
        second = await engine.ask(PlaceTestCall("connects"))
        await engine.until_event(PhoneRang, phone=another.phone)
        await engine.ask(TellPhone(another.phone, "refuse", "603"))
        ended = await engine.until_event(PhoneEnded, phone=second.phone)
        assert (ended.code, ended.answered) == (603, False)
        # Two seconds of what it heard are enough to be judged.
        await engine.until(
            lambda _: any(e.received > 100 for e in engine.seen(PhoneMeasured, phone=waits)) or None
        )
        await engine.ask(TellPhone(waits, "hangup"))
        await engine.until_event(PhoneEnded, phone=first.phone)
        last = await engine.until_event(PhoneReady, phone="p5")
        await engine.ask(TellPhone(last.phone, "hangup"))
        await engine.until_event(PhoneEnded, phone=last.phone)
        assert last.phone not in engine.state.phones
        refuses = (await engine.ask(PlaceTestCall("", answers="486"))).phone
        await engine.until_event(PhoneReady, phone=refuses)
        busy = await engine.ask(PlaceTestCall("connects"))
        ended = await engine.until_event(PhoneEnded, phone=busy.phone)
        assert ended.code == 486
    share, _ = share_of_tone(tmp_path / f"heard-{waits}.wav", 600.0)
    assert share > 0.9


async def test_registered_at_our_own_registrar(tmp_path: Path) -> None:
    """The test phone is a user of ours, with the password of the users file: a script that calls
    that user reaches it, over UDP and over TCP; a wrong password is told."""
    connects = CONNECTS.replace("sip:conf@192.0.2.9", "sip:anna@127.0.0.1")
    more = ["--listen", "tcp:127.0.0.1:0"]
    conf = "users = users.conf\n"
    engine = Engine(tmp_path / "engine", {"connects": connects}, conf=conf, more=more)
    (engine.conf.parent / "users.conf").write_text("anna = secret\n")
    async with engine:
        here = f"127.0.0.1:{engine.port()}"
        engine.save("connects", connects.replace("anna@127.0.0.1", f"anna@{here}"))
        await engine.until(lambda state: state.scripts["connects"].generations[-1].generation == 2)
        for uri in (f"sip:anna@{here}", f"sip:anna@127.0.0.1:{engine.port('tcp')};transport=tcp"):
            phone = (await engine.ask(PlaceTestCall("", answers="answer", register=uri))).phone
            registered = "registered as sip:anna@127.0.0.1"
            await engine.until_event(PhoneProgressed, phone=phone, text=registered)
            caller = await engine.ask(PlaceTestCall("connects"))
            await engine.until_event(PhoneRang, phone=phone)
            await engine.until_event(PhoneProgressed, phone=caller.phone, step="200")
            await engine.ask(TellPhone(phone, "hangup"))
            await engine.until_event(PhoneEnded, phone=caller.phone)
        uri = f"sip:anna@{here}"
        wrong = PlaceTestCall("", answers="ring", register=uri, password="wrong")
        phone = (await engine.ask(wrong)).phone
        refused = "not registered as sip:anna@127.0.0.1: 401 Unauthorized"
        await engine.until_event(PhoneProgressed, phone=phone, text=refused)


async def test_refused_call_ends_with_1(tmp_path: Path) -> None:
    """A script that does not exist is refused, and the exit code says so."""
    async with Engine(tmp_path / "engine", {"plays": "x = 1\n"}) as engine:
        code, figures = await call(engine, "nobody")
    assert (code, figures["code"]) == (1, 404)


async def test_call_over_ipv6(tmp_path: Path) -> None:
    """SIP and RTP over IPv6, where an IPv6 address is listened on."""
    engine = Engine(tmp_path / "engine", {"collects": COLLECTS}, more=["--listen", "udp:[::1]:0"])
    settings(engine.conf.parent, "collects", file=tmp_path / "keys.txt")
    async with engine:
        listeners = engine.state.engine.listeners.values()
        port = next(found.port for found in listeners if found.ip == "::1")
        code, figures = await call(engine, f"sip:collects@[::1]:{port}", "--keys", "1#")
        (leg,) = await engine.until_done(1)
    assert (code, figures["keys"]) == (0, "1#")
    assert leg.media is not None
    assert leg.media.local.startswith("[::1]:")
