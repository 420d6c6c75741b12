"""The bench on real sockets: the same verbs, over loopback, with a media worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.testing import BadNetwork

from .texts import HEAD, failure, menu

if TYPE_CHECKING:
    from ivrbench.testing import IvrScripts, LiveBench

pytestmark = pytest.mark.net


def test_a_call_on_real_sockets(live_bench: LiveBench, ivr_scripts: IvrScripts) -> None:
    """Prompts, keys, a failure with its timeline, and the end."""
    menu(ivr_scripts)
    call = live_bench.dial("menu", network=BadNetwork(loss_percent=2))
    call.answered()
    call.plays("welcome")
    call.hears("welcome.wav")
    call.press("1")
    call.plays("one")
    assert failure(live_bench, lambda: call.plays("two", within_s=0.1)) == (  # type: ignore[arg-type]
        "expected  the script plays two within 0.1 s\n"
        "got       nothing\n"
        "script    onDtmf(1, 100)  menu.py:14"
    )
    call.press("0")
    call.hangs_up(by="script")


def test_a_real_callee(live_bench: LiveBench, ivr_scripts: IvrScripts) -> None:
    """Scripts call telephones of the bench by their URIs."""
    bob = live_bench_phone(live_bench, ivr_scripts)
    call = live_bench.dial("b2b", params={"to": bob})
    leg = call.connects(bob)
    leg.answer()
    call.answered()
    leg.hang_up()
    call.hangs_up(by="callee")


def live_bench_phone(bench: LiveBench, scripts: IvrScripts) -> str:
    """A script that connects its caller with the parameter `to`, and a telephone."""
    scripts.write(
        "b2b",
        HEAD
        + """
class IvrDialog(IvrDialogBase):
    def onInvite(self, hdrs):
        to = self.getAppParam("to")
        self.connectCallee("<" + to + ">", to)
    def onOtherReply(self, code, reason):
        return True
    def onOtherBye(self):
        return True
""",
    )
    return bench.phone("bob")
