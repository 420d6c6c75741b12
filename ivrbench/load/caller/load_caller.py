"""What each caller of `ivrbench load` does: it says something, presses its keys, hangs up."""

from ivr import *

from ivrbench.phone.keys import GAP_MS, Press, parse_keys

HANG_UP = 1
NEXT_KEY = 2
FIRST_KEY_S = 0.5


class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        order = self.getSessionParams()
        self.setTimer(HANG_UP, float(order["call_s"]))
        if order["wav"]:
            said = IvrAudioFile()
            said.open(order["wav"], AUDIO_READ)
            said.loop = True
            self.enqueue(said, None)
        self.steps = list(parse_keys(order["keys"]))
        if self.steps:
            self.setTimer(NEXT_KEY, FIRST_KEY_S)

    def onServerShutdown(self):
        """Ctrl+C: no further call is placed, this one goes on to its end."""

    def onTimer(self, timer):
        if timer == HANG_UP:
            self.stopSession()
            return
        step = self.steps.pop(0)
        if isinstance(step, Press):
            self.send_dtmf(step.name, step.duration_ms)
        if self.steps:
            self.setTimer(NEXT_KEY, (step.duration_ms + GAP_MS) / 1000)
