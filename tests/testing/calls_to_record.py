"""Calls of the example scripts, and of some scripts that do what no example does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.audio.tones import sine

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.testing import Bench

BOB = "sip:bob@192.0.2.50"


def hello(bench: Bench) -> None:
    call = bench.dial("hello")
    call.waits(1)
    call.hang_up()


def hello_to_the_end(bench: Bench) -> None:
    bench.dial("hello").waits(30)


def menu(bench: Bench) -> None:
    call = bench.dial("menu")
    call.waits(1.5)
    call.press("1")
    call.waits(8)
    call.press("2", by="info")
    call.waits(3)
    call.press("0", by="tones")
    call.waits(1)
    call.press("9", duration_ms=500)
    call.waits(2)
    call.hang_up()


def record(bench: Bench) -> None:
    call = bench.dial("record")
    call.waits(8)
    call.press("#")
    call.waits(6)
    call.press("#")
    call.waits(10)


def message(bench: Bench) -> None:
    call = bench.dial("record")
    call.waits(2)
    call.press("#")
    call.say(sine(440, 4000))
    call.press("#")
    call.waits(6)
    call.press("#")
    call.waits(10)


def announcement(bench: Bench) -> None:
    bench.dial("announcement").waits(20)


def pin_wrong_then_right(bench: Bench) -> None:
    call = bench.dial("pin_collect")
    call.waits(1)
    call.press("99#")
    call.waits(4)
    call.press("1234#")
    call.waits(10)


def survey(bench: Bench) -> None:
    call = bench.dial("survey")
    for answer in "35":
        call.waits(2.2)
        call.press(answer)
    call.waits(90)


def voicemail(bench: Bench) -> None:
    call = bench.dial("voicemail", params={"pin": "9876", "mailbox": "ann"})
    call.waits(9)
    call.press("#")
    call.waits(6)


def conference(bench: Bench) -> None:
    call = bench.dial("conference")
    call.waits(5)
    call.press("6")
    call.waits(2)
    call.hang_up()


def callback(bench: Bench) -> None:
    bench.dial("callback", caller='"Ann" <sip:ann@192.0.2.7>').waits(15)


def b2bua(bench: Bench) -> None:
    call = bench.dial("b2bua")
    callee = call.connects(BOB)
    callee.rings()
    bench.wait(2)
    callee.answer()
    bench.wait(5)
    callee.hang_up()
    bench.wait(2)


def b2bua_busy(bench: Bench) -> None:
    call = bench.dial("b2bua")
    call.connects(BOB).reject(486)
    bench.wait(1)


def b2bua_given_up(bench: Bench) -> None:
    call = bench.dial("b2bua")
    call.connects(BOB).rings()
    bench.wait(3)
    call.hang_up()
    bench.wait(1)


def call_center(bench: Bench) -> None:
    call = bench.dial("call_center")
    bench.wait(1)
    first = call.connects(BOB)
    first.rings()
    bench.wait(12)
    second = call.connects("sip:eve@192.0.2.51")
    second.answer()
    bench.wait(4)
    call.hang_up()
    second.is_hung_up()


def held(bench: Bench) -> None:
    call = bench.dial("menu")
    call.waits(1)
    call.hold()
    bench.wait(2)
    call.resume()
    bench.wait(1)
    call.press("1")
    bench.wait(1)
    call.hang_up()


def other_telephone(bench: Bench) -> None:
    call = bench.dial("menu", keys=False)
    call.waits(1)
    call.press("1", by="tones")
    bench.wait(2)
    call.press("2", by="info")
    bench.wait(1)
    call.hang_up()


def transferred(bench: Bench) -> None:
    call = bench.dial("refer")
    call.is_transferred()
    bench.wait(1)
    call.reports_transfer(180)
    bench.wait(1)
    call.reports_transfer(200)
    bench.wait(1)


def transfer_refused(bench: Bench) -> None:
    bench.dial("refer").is_transferred(answer=603)
    bench.wait(1)


def transfers(bench: Bench) -> None:
    call = bench.dial("menu")
    call.waits(1)
    call.transfer("sip:eve@192.0.2.60")
    bench.wait(1)
    call.hang_up()


def early_audio(bench: Bench) -> None:
    bench.dial("early").waits(10)


def declined(bench: Bench) -> None:
    bench.dial("decline").waits(1)


def held_by_the_callee(bench: Bench) -> None:
    call = bench.dial("b2bua")
    callee = call.connects(BOB)
    callee.rings(183, early_media=True)
    bench.wait(1)
    callee.answer()
    bench.wait(1)
    callee.hold()
    bench.wait(1)
    callee.resume()
    bench.wait(1)
    call.press("5")
    bench.wait(1)
    callee.press("7")
    bench.wait(1)
    call.hang_up()
    bench.wait(1)


HEAD = "from ivr import *\n\n\nclass IvrDialog(IvrDialogBase):\n"
WRITTEN = {
    "refer": """\
    def onSessionStart(self):
        self.setTimer(1, 2)

    def onTimer(self, timer):
        self.transfer("sip:eve@192.0.2.60")

    def onTransfer(self, code, reason):
        self.stopSession()
""",
    "early": """\
    def onInvite(self, hdrs):
        self.early_media()
        sound = IvrAudioFile()
        sound.open(__file__.replace("early.py", "wav/hello.wav"), AUDIO_READ)
        self.enqueue(sound, None)

    def onEmptyQueue(self):
        self.answer()
        self.setTimer(1, 1)

    def onTimer(self, timer):
        self.stopSession()
""",
    "decline": """\
    def onInvite(self, hdrs):
        self.reject(603, "Decline")
""",
}
"""Scripts of the calls below: what they do is in no example."""
OTHER_CALLS = (
    (held, ["call.hold()", "call.resume()"]),
    (other_telephone, ["keys=False", 'call.press("1", by="tones")', 'call.press("2", by="info")']),
    (
        transferred,
        [
            'call.is_transferred("sip:eve@192.0.2.60")',
            "call.reports_transfer(180)",
            "call.reports_transfer(200)",
        ],
    ),
    (transfer_refused, ['call.is_transferred("sip:eve@192.0.2.60", answer=603)']),
    (transfers, ['call.transfer("sip:eve@192.0.2.60")']),
    (early_audio, ["call.rings(183)", 'call.plays("hello.wav")', "call.answered()"]),
    (declined, ["call.refused(603)"]),
    (
        held_by_the_callee,
        [
            "callee.rings(183, early_media=True)",
            "callee.answer()",
            "callee.hold()",
            "callee.resume()",
            'call.press("5")',
            'callee.press("7")',
        ],
    ),
)
"""Scenario, and what its test has to say, in this order."""

SCENARIOS: tuple[Callable[[Bench], None], ...] = (
    hello,
    hello_to_the_end,
    menu,
    record,
    announcement,
    pin_wrong_then_right,
    survey,
    voicemail,
    conference,
    callback,
    b2bua,
    b2bua_busy,
    b2bua_given_up,
    call_center,
)
CONFIGURED = {
    "b2bua": f"callee={BOB}\n",
    "call_center": f'agents="{BOB} sip:eve@192.0.2.51"\nring=10\n',
}
