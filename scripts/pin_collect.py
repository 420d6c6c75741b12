"""Ask for a PIN, let callers in who know one, and hand them on.

`pin_collect.conf` beside `ivr.conf` (or beside this file) sets:

    pins         the PINs that are right, 1234,4711 (default: 1234, for trying it out)
    tries        how often a caller may be wrong (default: 3)
    wait         seconds to wait for a key (default: 5)
    transfer_to  a SIP URI; callers who are let in are transferred to it (default: they hear
                 that they are in, and that is all)
"""

import hmac
import os

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
PINS = [pin.strip() for pin in config.get("pins", "1234").split(",") if pin.strip()]
TRIES = int(config.get("tries", "3"))
WAIT_S = float(config.get("wait", "5"))
TRANSFER_TO = config.get("transfer_to", "")

MAX_KEYS = 16
NO_KEY = 1  # number of our timer; must be above 0
STAR, HASH = 10, 11  # keys 0 to 9 are themselves


class IvrDialog(IvrDialogBase):
    # Class attributes are the start values of each call: __init__ is never called.
    keys = ""
    wrong = 0
    state = "asking"  # then "transferring" or "leaving"

    def onSessionStart(self):
        self.ask("pin")

    def onDtmf(self, key, duration):
        if self.state != "asking":
            return
        self.removeTimer(NO_KEY)
        self.flush()  # who knows the PIN need not listen to the end
        if key == HASH:
            self.judge()
        elif key == STAR:
            self.keys = ""  # begin again
            self.setTimer(NO_KEY, WAIT_S)
        else:
            self.keys = (self.keys + str(key))[-MAX_KEYS:]
            self.setTimer(NO_KEY, WAIT_S)

    def onEmptyQueue(self):
        """Everything has been said."""
        if not self.queueIsEmpty():
            return  # a key that came at the same moment has queued more
        if self.state == "asking":
            self.setTimer(NO_KEY, WAIT_S)
        elif self.state == "transferring":
            self.refer(TRANSFER_TO)
        else:
            self.stopSession()

    def onTimer(self, id):
        """No key for a while: what there is must be the PIN."""
        self.judge()

    def onSipReply(self, req, reply):
        """How the transfer went: 202, and the caller's phone takes over; or it cannot."""
        if req.method == "REFER" and reply.code >= 200:
            info("transfer to %s: %d %s", (TRANSFER_TO, reply.code, reply.reason))
            self.stopSession()

    def onBye(self):
        self.stopSession()

    # What follows is our own, not called by the server.

    def judge(self):
        keys, self.keys = self.keys, ""
        # Every PIN is compared, to its end: nothing can be learned from how long that takes.
        right = [hmac.compare_digest(keys, pin) for pin in PINS]
        if any(right):
            info("let in: %s", self.dialog.remote_party)
            self.state = "transferring" if TRANSFER_TO else "leaving"
            self.start("accepted")
            return
        self.wrong += 1
        warn("wrong PIN from %s, try %d", (self.dialog.remote_party, self.wrong))
        if self.wrong < TRIES:
            self.start("wrong_pin")
            self.ask("pin")
        else:
            self.state = "leaving"
            self.start("refused")

    def ask(self, name):
        self.state = "asking"
        self.start(name)

    def start(self, name):
        """Append a prompt to the playlist, which keeps it as long as it needs it."""
        audio = IvrAudioFile()
        audio.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
        self.enqueue(audio, None)
