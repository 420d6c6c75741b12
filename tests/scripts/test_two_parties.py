"""The example scripts that call somebody, or connect callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.audio.tones import sine

if TYPE_CHECKING:
    from ivrbench.testing import Bench, IvrScripts

BOB = "sip:bob@192.0.2.50"
VOICE = sine(300, 1000)
OTHER_VOICE = sine(800, 1000)


def test_b2bua(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Caller and callee hear each other; the callee hangs up."""
    ivr_scripts.conf("b2bua", callee=BOB)
    call = bench.dial("b2bua")
    leg = call.connects(BOB)
    leg.rings()
    call.rings()
    leg.answer()
    call.answered()
    call.say(VOICE)
    leg.hears(300)
    leg.say(OTHER_VOICE)
    call.hears(800)
    leg.hang_up()
    call.hangs_up(by="callee")


def test_b2bua_busy(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The callee's refusal is the caller's."""
    ivr_scripts.conf("b2bua", callee=BOB)
    call = bench.dial("b2bua")
    call.connects(BOB).reject(486)
    call.refused(486)


def test_b2bua_caller_gives_up(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """A caller who hangs up while it rings: the callee's telephone is silent again."""
    ivr_scripts.conf("b2bua", callee=BOB)
    call = bench.dial("b2bua")
    leg = call.connects()
    leg.rings()
    call.hangs_up(by="caller")
    leg.is_given_up()


def test_call_center(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The first agent does not answer, the second does."""
    ivr_scripts.conf("call_center", agents=f"{BOB} sip:eve@192.0.2.51", ring=5)
    call = bench.dial("call_center")
    call.answered()
    first = call.connects(BOB)
    first.rings()
    first.is_given_up(within_s=6)
    second = call.connects("sip:eve@192.0.2.51")
    second.answer()
    second.say(VOICE)
    call.hears(300)
    call.hangs_up(by="caller")
    second.is_hung_up()


def test_callback(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The caller is called a moment after the call; at the second try there is an answer."""
    ivr_scripts.conf("callback", wait=5, retry=60)
    call = bench.dial("callback")
    call.answered()
    call.plays("callback_soon", whole=True)
    back = call.connects(within_s=10)
    back.reject(486)
    again = call.connects(within_s=70)
    again.answer()
    again.hears("callback_here.wav")
    again.is_hung_up(within_s=30)


def test_conference(bench: Bench) -> None:
    """Two callers of a room hear each other, one of another room does not."""
    ann, bob = (bench.dial("conference", params={"room": "a"}) for _ in range(2))
    eve = bench.dial("conference", params={"room": "b"})
    for call in (ann, bob, eve):
        call.answered()
        call.plays("hello", whole=True)
    bench.wait(1)
    before = bench.now()
    ann.say(VOICE)
    bob.hears(300)
    assert not abs(eve.heard(last_s=bench.now() - before)).max() > 500
    for call in (ann, bob, eve):
        call.press("0")
        call.hangs_up(by="script")
