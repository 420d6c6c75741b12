"""The verbs about others: connecting, refusing, giving up; and what they say when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .texts import failure

if TYPE_CHECKING:
    from ivrbench.testing import Bench, IvrScripts

B2B = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onInvite(self, hdrs):
        self.connectCallee("<sip:bob@bob.example>", "sip:bob@bob.example")
    def onOtherReply(self, code, reason):
        return True
    def onOtherBye(self):
        return True
    def onBye(self):
        return True
"""


@pytest.fixture
def b2b(ivr_scripts: IvrScripts) -> None:
    """A script that connects its caller with bob."""
    ivr_scripts.write("b2b", B2B)


@pytest.mark.usefixtures("b2b")
def test_connects(bench: Bench) -> None:
    """Whom the script calls; another URI, or nobody, is a failure."""
    call = bench.dial("b2b")
    assert failure(bench, lambda: call.connects("sip:eve@eve.example", within_s=1)).splitlines()[
        :2
    ] == [
        "expected  the script calls sip:eve@eve.example within 1 s",
        "got       sip:bob@bob.example",
    ]
    leg = call.connects("sip:bob@bob.example")
    assert failure(bench, lambda: call.connects(within_s=1)).splitlines()[:2] == [
        "expected  the script calls somebody within 1 s",
        "got       nobody",
    ]
    assert leg.invite.header("to") == "<sip:bob@bob.example>"
    leg.rings(183, early_media=True)
    call.rings(183)
    leg.answer()
    call.answered()
    call.hangs_up(by="caller")
    leg.is_hung_up()


@pytest.mark.usefixtures("b2b")
def test_expectations_of_a_callee(bench: Bench) -> None:
    """No CANCEL, no BYE: told with what came."""
    leg = bench.dial("b2b").connects()
    assert failure(bench, lambda: leg.is_given_up(within_s=1)).splitlines()[:2] == [
        "expected  a CANCEL within 1 s",
        "got       INVITE",
    ]
    leg.answer()
    assert failure(bench, lambda: leg.is_hung_up(within_s=1)).splitlines()[:2] == [
        "expected  a BYE within 1 s",
        "got       INVITE, ACK",
    ]


@pytest.mark.usefixtures("b2b")
def test_transfer(bench: Bench) -> None:
    """A caller's REFER gets an answer."""
    call = bench.dial("b2b")
    call.connects().answer()
    call.answered()
    assert call.transfer("sip:eve@eve.example").code >= 200
    call.hangs_up(by="caller")
