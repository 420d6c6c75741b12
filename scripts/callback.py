"""Call the caller back: they hear that we will, and are called a moment after the end of the call.

Whoever is busy or does not answer is tried again. `callback.conf` beside `ivr.conf` (or beside
this file) may set:

    wait     seconds between the end of the call and ours (default: 5)
    tries    how often to call (default: 3)
    retry    seconds between two tries (default: 60)
    ring     how long it may ring, in seconds (default: 30)
    gateway  host to call numbers at, such as sip.provider.example (default: where the call came
             from)
    from     who calls (default: our own address)
    numbers  a regular expression: whom we call back (default: everybody; who pays for the calls
             wants to say more here)
"""

import os
import re

from ivr import *
from log import *

NAME = os.path.splitext(os.path.basename(__file__))[0]
WAV = os.path.join(os.path.dirname(__file__), "wav")
WAIT_S = float(config.get("wait", "5"))
TRIES = int(config.get("tries", "3"))
RETRY_S = float(config.get("retry", "60"))
RING_S = float(config.get("ring", "30"))
GATEWAY = config.get("gateway", "")
SENDER = config.get("from", "")
NUMBERS = config.get("numbers", ".*")
CALL = 1  # the number of our timer


class IvrDialog(IvrDialogBase):
    """Both calls are calls of this script; ours has session parameters: whom, and which try."""

    def onInvite(self, hdrs):
        """Refuse whom we do not call back, before anybody pays for anything."""
        if re.fullmatch(NUMBERS, self.number()):
            return True
        warn("%s is not called back", self.number())
        self.reject(403, "Forbidden")
        return None

    def onSessionStart(self):
        self.tell("callback_here" if self.getSessionParams() else "callback_soon")

    def onEmptyQueue(self):
        if self.getSessionParams():
            self.stopSession()  # a real script would go on here
        else:
            self.bye()  # the call ends, the session goes on: it calls back
            self.setTimer(CALL, WAIT_S)

    def onBye(self):
        if self.getSessionParams():
            self.stopSession()
        else:
            self.setTimer(CALL, WAIT_S)  # hung up before the prompt was over: called back too

    def onTimer(self, id):
        uri, tried = self.whom()
        params = [uri, str(tried + 1)]
        IvrUAC().dialout(NAME, NAME, uri, SENDER, "", "", "", "", params, timeout=RING_S)
        self.stopSession()

    def onFailed(self, code, reason):
        """Our call was not answered. Returning True lets the session end."""
        uri, tried = self.whom()
        info("%s was not reached by try %d: %d %s", (uri, tried, code, reason))
        if tried >= TRIES:
            return True
        self.setTimer(CALL, RETRY_S)
        return None

    # What follows is our own, not called by the server.

    def whom(self):
        """Whom to call back, and how often that was tried."""
        params = self.getSessionParams()
        if isinstance(params, list):
            return params[0], int(params[1])
        return self.uri(), 0

    def number(self):
        """The user part of who called."""
        found = re.search(r"sips?:([^@;>]*)@", getattr(self.invite_req, "from"))
        return found.group(1) if found else ""

    def uri(self):
        """Where to call back."""
        return f"sip:{self.number()}@{GATEWAY}" if GATEWAY else self.dialog.remote_uri

    def tell(self, name):
        self.audio = IvrAudioFile()
        self.audio.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
        self.enqueue(self.audio, None)
