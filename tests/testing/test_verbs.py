"""Each verb of a caller: what it is content with, and what it says when it is not."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.tones import sine
from ivrbench.errors import ConfigError, ExpectationFailed

from .texts import HEAD, failure, menu

if TYPE_CHECKING:
    from ivrbench.testing import Bench, Caller, IvrScripts


@pytest.fixture
def call(bench: Bench, ivr_scripts: IvrScripts) -> Caller:
    """An answered call of the menu."""
    menu(ivr_scripts)
    call = bench.dial("menu")
    call.answered()
    return call


def script(scripts: IvrScripts, body: str) -> None:
    """Write a script `app` whose dialog class has this body."""
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    scripts.write("app", f"{HEAD}class IvrDialog(IvrDialogBase):\n{lines}")


# --- answer and end ---------------------------------------------------------------------------


def test_answered(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """200 in time; a refusal and a wait that is too long are told apart."""
    script(ivr_scripts, "def onInvite(self, hdrs):\n    self.setTimer(1, 2)\n    return None")
    call = bench.dial("app")
    assert failure(bench, lambda: call.answered(within_s=1.0)) == (
        "expected  an answer within 1 s\n"
        "got       100 and no more\n"
        "script    onInvite('Allow: INVITE, ACK, CANCEL, BYE, OPTION…)  app.py:10"
    )
    call = bench.dial("nobody")
    assert failure(bench, call.answered) == (
        "expected  an answer within 5 s\n"
        'got       404; the call was ended by engine: 404 no script "nobody" that loaded; '
        "see the load messages"
    )


def test_refused(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """With any code, or with the one meant."""
    script(ivr_scripts, "def onInvite(self, hdrs):\n    self.reject(486)")
    bench.dial("app").refused(486)
    bench.dial("app").refused()
    call = bench.dial("app")
    assert failure(bench, lambda: call.refused(404)).startswith(
        "expected  a refusal with 404 within 5 s\ngot       486"
    )
    script(ivr_scripts, "pass")


def test_refused_but_answered(call: Caller, bench: Bench) -> None:
    """An answer is no refusal."""
    assert failure(bench, call.refused).splitlines()[:2] == [
        "expected  a refusal within 5 s",
        "got       it was answered",
    ]


def test_rings(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """180 before the answer."""
    script(ivr_scripts, "def onInvite(self, hdrs):\n    self.ring()\n    return True")
    call = bench.dial("app")
    call.rings()
    assert failure(bench, lambda: call.rings(183, within_s=0.5)).splitlines()[:2] == [
        "expected  183 within 0.5 s",
        "got       100, 180, 200 and no more",
    ]


def test_hangs_up(call: Caller, bench: Bench) -> None:
    """By the script, by us; who did it is checked."""
    assert failure(bench, lambda: call.hangs_up(by="script", within_s=1.0)).splitlines()[:2] == [
        "expected  the call is ended by script within 1 s",
        "got       it goes on",
    ]
    call.press("0")
    assert failure(bench, lambda: call.hangs_up(by="engine")).splitlines()[:2] == [
        "expected  the call is ended by engine within 5 s",
        "got       ended by script: 200 stopSession()",
    ]
    call.hangs_up(by="script")
    other = bench.dial("menu")
    other.answered()
    other.hangs_up(by="caller")
    assert other.over is not None
    assert other.over.by == "caller"


def test_hang_up_of_a_script_without_on_bye(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """A session that lives on without its caller is a fault of the script."""
    script(ivr_scripts, "def onBye(self):\n    pass")
    call = bench.dial("app")
    call.answered()
    assert failure(bench, call.hang_up).splitlines()[:2] == [
        "expected  the call is over after we hung up",
        "got       the script keeps the session",
    ]


# --- prompts ----------------------------------------------------------------------------------


def test_plays(call: Caller, bench: Bench) -> None:
    """The next prompt, by file, stem or path; the failure shows the timeline and the line."""
    call.plays("welcome.wav")
    with pytest.raises(ExpectationFailed) as caught:
        call.plays("one")
    assert str(caught.value) == (
        "expected  the script plays one within 5 s\n"
        "got       ask.wav\n"
        "script    onSessionStart()  menu.py:11\n"
        "\n"
        "    0.000  caller dials menu\n"
        "    0.001  < INVITE (SDP)\n"
        "    0.001  > 100 Trying\n"
        "    0.001  > 200 OK (SDP)\n"
        f"    0.001      enqueue({caught.value.timeline[4].split('(')[1]}\n"
        f"    0.001      enqueue({caught.value.timeline[5].split('(')[1]}\n"
        "    0.001  onSessionStart()  menu.py:11\n"
        "    0.003  < ACK\n"
        "    0.015  ▶ welcome.wav\n"
        "    0.495  ▶ welcome.wav is over: played after 500 ms\n"
        "    0.515  ▶ ask.wav"
    )
    assert failure(bench, lambda: call.plays("one", within_s=2)).splitlines()[1] == (
        "got       nothing"
    )
    call.press("1")
    call.plays(ivr_wav(call, "one.wav"))


def ivr_wav(call: Caller, name: str) -> str:
    """The whole path of a prompt."""
    found = call._stage.find(name)
    assert found is not None
    return str(found)


def test_plays_waits_for_the_prompt_before(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """A long prompt before it does not use up the time."""
    script(
        ivr_scripts,
        "def onSessionStart(self):\n"
        "    self.enqueue(prompt('long'), None)\n    self.enqueue(prompt('short'), None)",
    )
    ivr_scripts.prompt("long.wav", seconds=30)
    ivr_scripts.prompt("short.wav", seconds=0.2)
    call = bench.dial("app")
    call.answered()
    call.plays("long")
    call.plays("short", within_s=0.5)
    assert bench.now() - bench.began_s == pytest.approx(30, abs=0.1)


def test_plays_to_the_end(call: Caller, bench: Bench) -> None:
    """`whole` waits, and does not take a flushed prompt."""
    call.plays("welcome", whole=True)
    call.plays("ask")
    call.press("1")
    call._items_seen -= 1
    assert failure(bench, lambda: call.plays("ask", whole=True)).splitlines()[:2] == [
        "expected  ask is played to its end",
        "got       flushed after 140 ms (key 1)",
    ]


def test_plays_nothing_more(call: Caller, bench: Bench) -> None:
    """The last prompt ends and it is quiet."""
    call.plays("welcome")
    assert failure(bench, call.plays_nothing_more).splitlines()[:2] == [
        "expected  no other prompt within 5 s",
        "got       it plays ask.wav",
    ]
    call.plays("ask")
    call.plays_nothing_more(within_s=2)


def test_a_raised_handler_is_told(call: Caller, bench: Bench) -> None:
    """What the script raised is part of the answer."""
    call.plays("welcome")
    call.press("9")
    assert failure(bench, lambda: call.plays("one", within_s=0.5)) == (
        "expected  the script plays one within 0.5 s\n"
        "got       nothing; onDtmf raised RuntimeError: no nine\n"
        "script    onDtmf(9, 100)  menu.py:21"
    )


# --- recordings -------------------------------------------------------------------------------


def test_records(call: Caller, bench: Bench) -> None:
    """A recording has begun; what was said is in the file."""
    call.plays("welcome")
    call.press("2")
    recording = call.records("tape.wav")
    assert recording.ended is None
    call.say(sine(440, 1000))
    call.hang_up()
    assert recording.ended is not None
    assert recording.ended.length_ms == pytest.approx(1000, abs=100)
    with wave.open(str(recording.file)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert abs(samples).max() > 10_000


def test_records_something_else(call: Caller, bench: Bench) -> None:
    """A prompt, or another file."""
    assert failure(bench, lambda: call.records(within_s=1)).splitlines()[:2] == [
        "expected  the script records within 1 s",
        "got       nothing",
    ]
    call.press("2")
    assert failure(bench, lambda: call.records("other.wav")).splitlines()[:2] == [
        "expected  the script records other.wav within 5 s",
        "got       it records tape.wav",
    ]


# --- audio ------------------------------------------------------------------------------------


def test_hears(call: Caller, bench: Bench) -> None:
    """A file by its fingerprint, a tone by its pitch; something else is not enough."""
    call.hears("welcome.wav")
    call.hears(600)
    assert failure(bench, lambda: call.hears(700, within_s=0.1)).splitlines()[:2] == [
        "expected  a tone of 700 Hz is heard within 0.1 s",
        "got       something else",
    ]
    call.plays_nothing_more(within_s=1)
    assert failure(bench, lambda: call.hears((350, 440), within_s=1)).splitlines()[:2] == [
        "expected  a tone of 350 Hz and 440 Hz is heard within 1 s",
        "got       silence",
    ]
    call.press("1")
    assert failure(bench, lambda: call.hears("welcome.wav", within_s=0.1)).splitlines()[0] == (
        "expected  welcome.wav is heard within 0.1 s"
    )
    with pytest.raises(FileNotFoundError, match=r"there is no nothing\.wav in "):
        call.hears("nothing.wav")


def test_silence(call: Caller, bench: Bench) -> None:
    """Nothing is heard; a prompt is told with its moment and level."""
    assert failure(bench, lambda: call.silence(0.3)).splitlines()[:2] == [
        "expected  silence for 0.3 s",
        "got       a sound of -18 dBFS after 0.00 s; welcome.wav is being played",
    ]
    call.plays("welcome")
    call.plays("ask", whole=True)
    call.silence(2)


def test_level(call: Caller, bench: Bench) -> None:
    """Not too quiet, not too loud."""
    call.plays("welcome")
    call.waits(0.3)
    call.assert_level(-20, -10, last_s=0.2)
    assert failure(bench, lambda: call.assert_level(-40, -20, last_s=0.2)).splitlines()[0] == (
        "expected  -40 to -20 dBFS in the last 0.2 s"
    )
    assert failure(bench, lambda: call.assert_level(-12, -3, last_s=0.2)).splitlines()[:2] == [
        "expected  -12 to -3 dBFS in the last 0.2 s",
        "got       -18 dBFS; welcome.wav is being played",
    ]


def test_gap(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Audio without a hole; with loss there is one."""
    from ivrbench.testing import BadNetwork

    menu(ivr_scripts)
    call = bench.dial("menu")
    call.answered()
    assert failure(bench, call.assert_no_gap).splitlines()[:2] == [
        "expected  audio without a gap of more than 40 ms",
        "got       no audio at all",
    ]
    call.waits(2)
    call.assert_no_gap()
    bad = bench.dial("menu", network=BadNetwork(loss_percent=5, seed=3))
    bad.answered()
    bad.waits(2)
    text = failure(bench, lambda: bad.assert_no_gap(30)).splitlines()
    assert text[1].startswith("got       a gap of 40 ms at ")
    bad.hears("welcome.wav")


# --- SIP --------------------------------------------------------------------------------------


def test_hold_and_resume(call: Caller) -> None:
    """Nothing is heard while on hold."""
    call.plays("welcome")
    call.hold()
    before = call.agent.ear.n_packets
    call.waits(0.5)
    assert call.agent.ear.n_packets - before < 3
    call.resume()
    call.waits(0.5)
    assert call.agent.ear.n_packets - before > 20


def test_hold_without_an_answer(call: Caller, bench: Bench) -> None:
    """Nobody answers the re-INVITE."""
    bench.network.lose = lambda data: True  # type: ignore[attr-defined]
    assert failure(bench, call.hold).splitlines()[:2] == [
        "expected  an answer to the re-INVITE (sendonly) within 5 s",
        "got       none",
    ]


async def test_async_tests(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Are told to be plain ones."""
    menu(ivr_scripts)
    with pytest.raises(RuntimeError, match="write the test as `def`"):
        bench.dial("menu").answered()


def test_request(call: Caller, bench: Bench) -> None:
    """Any request within the call; no answer is a failure."""
    assert call.request("OPTIONS").code == 200
    bench.network.lose = lambda data: True  # type: ignore[attr-defined]
    assert failure(bench, lambda: call.request("INFO", within_s=2)).splitlines()[:2] == [
        "expected  an answer to INFO within 2 s",
        "got       none",
    ]


def test_is_transferred(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The script's REFER, and where it leads."""
    script(ivr_scripts, "def onSessionStart(self):\n    self.refer('sip:desk@192.0.2.7')")
    call = bench.dial("app")
    call.is_transferred("sip:desk@192.0.2.7")
    assert failure(bench, lambda: call.is_transferred("sip:x@y")).splitlines()[:2] == [
        "expected  a transfer to sip:x@y within 5 s",
        "got       to sip:desk@192.0.2.7",
    ]


def test_is_not_transferred(call: Caller, bench: Bench) -> None:
    """No REFER came."""
    assert failure(bench, lambda: call.is_transferred(within_s=1)).splitlines()[:2] == [
        "expected  a transfer within 1 s",
        "got       none",
    ]


@pytest.mark.parametrize("way", ["rfc4733", "info", "tones"])
def test_press(bench: Bench, ivr_scripts: IvrScripts, way: str) -> None:
    """The script hears the key whichever way it is sent."""
    menu(ivr_scripts)
    call = bench.dial("menu", keys=way == "rfc4733")
    call.answered()
    call.plays("welcome")
    call.press("1", by=way)
    call.plays("one")
    with pytest.raises(ValueError, match="cannot press"):
        call.press("x")


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus", "GSM"])
def test_codecs(bench: Bench, ivr_scripts: IvrScripts, codec: str) -> None:
    """A caller with any codec hears the prompts and is heard."""
    menu(ivr_scripts)
    call = bench.dial("menu", codecs=[codec])
    call.answered()
    call.hears("welcome.wav")
    call.hears(600)
    call.press("2")
    recording = call.records()
    call.say(sine(440, 600))
    call.hang_up()
    with wave.open(str(recording.file)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert abs(samples).max() > 8_000


def test_settings(bench: Bench) -> None:
    """Keys of ivr.conf; an unknown one is told."""
    with pytest.raises(ConfigError, match="sesion_limit: there is no such setting"):
        bench.configure(sesion_limit=1)
