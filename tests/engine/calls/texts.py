"""Scripts the tests of calls share, and what they look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.events import LegChanged, LegWarned

if TYPE_CHECKING:
    from tests.engine.harness import Bench

WITNESS = """
from ivr import *
said = []
class IvrDialog(IvrDialogBase):
    def note(self, what):
        said.append(what + " " + self.dialog.status_str)
    def onSipRequest(self, req):
        self.note(req.method)
    def onInvite(self, hdrs):
        self.note("onInvite")
        return True
    def onStart(self):
        self.note("onStart")
    def onSessionStart(self):
        self.note("onSessionStart")
    def onSipReply(self, req, reply):
        self.note("%s %d" % (req.method, reply.code))
    def onBye(self):
        self.note("onBye")
        return True
"""

KEYS = "def onDtmf(self, key, duration):\n    said.append((key, duration))"


def script(body: str) -> str:
    """A script whose dialog class has these lines, and a list `said`."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    return f"from ivr import *\nimport time\nsaid = []\nclass IvrDialog(IvrDialogBase):\n{lines}\n"


def warnings(bench: Bench) -> list[str]:
    """The sentences shown at the leg, in order."""
    return [e.text for e in bench.of(LegWarned) if isinstance(e, LegWarned)]


def states(bench: Bench) -> list[str]:
    """The signalling states of the leg, in order."""
    return [e.state for e in bench.of(LegChanged) if isinstance(e, LegChanged)]
