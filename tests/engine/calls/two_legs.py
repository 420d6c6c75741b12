"""Calls with two legs: who takes part, and a script that joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.events import LegEnded, SipTraced
from tests.engine.callee import Callee, install_router
from tests.engine.harness import Bench, Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench

BOB = ("192.0.2.50", 5060)
BOB_URI = "sip:bob@192.0.2.50"
BOTH = ("direct", "anchored")

TELLS = """
from ivr import *
said = []
class Tells(IvrDialogBase):
    def onSessionStart(self):
        said.append("start")
    def onSipRequest(self, req):
        said.append(req.method)
    def onSipReply(self, req, reply):
        said.append("%s %d" % (req.method, reply.code))
    def onOtherReply(self, code, reason):
        said.append("other %d" % code)
        return True
    def onOtherBye(self):
        said.append("onOtherBye")
        return True
    def onBye(self):
        said.append("onBye")
        return True
    def onHold(self):
        said.append("held")
    def onResume(self):
        said.append("resumed")
    def onDtmf(self, key, duration):
        said.append("key %d" % key)
    def onOtherDtmf(self, key, duration):
        said.append("other key %d" % key)
"""

AFTER = """
def onSessionStart(self):
    said.append("start")
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
"""
"""The caller is answered, then the callee is called."""

BEFORE = """
def onInvite(self, hdrs):
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
"""
"""The caller is answered when the callee is."""


def script(body: str) -> str:
    """A script that notes what it hears, with these methods more, or instead."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    return f"{TELLS}\nclass IvrDialog(Tells):\n{lines}\n"


def refuses(code: int) -> Callable[[Callee, InviteCall], None]:
    """What a callee does who refuses at once."""
    return lambda callee, call: call.reject(code, now=callee.bench.clock.now())


class Scene:
    """Ann, who calls, Bob, who is called, and the engine between them.

    Args:
        make_bench: makes the engine.
        body: methods of the script.
        answers: what Bob does with an INVITE by himself.
        settings: of the engine.
    """

    def __init__(
        self,
        make_bench: MakeBench,
        body: str,
        answers: Callable[[Callee, InviteCall], None] | None = None,
        **settings: object,
    ) -> None:
        self.bench: Bench = make_bench(script(body), **settings)
        self.names = install_router(self.bench)
        self.ann = Caller(self.bench)
        self.bob = Callee(self.bench, BOB, rtp_port=41_000, answers=answers)

    def messages(self, leg: str) -> list[str]:
        """SIP of a leg: "< INVITE (SDP)"; 100 Trying is left out."""
        return [
            f"{'>' if e.sent else '<'} {e.summary}"
            for e in self.bench.told
            if isinstance(e, SipTraced) and e.leg == leg and not e.summary.startswith("100")
        ]

    def ended(self, leg: str) -> LegEnded:
        """How a leg ended."""
        end = self.bench.ended(leg)
        assert end is not None, f"{leg} is not over"
        return end

    def is_heard(self, who: Caller, value: int) -> bool:
        """Somebody gets audio of these octets."""
        since = self.bench.clock.now() - 0.1
        audio = b"".join(h.packet.payload for h in who.heard_since(since))
        return bytes([value]) * 160 in audio
