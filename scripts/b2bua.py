"""Connects each caller with somebody else and stays in between, until one of them hangs up.

Whom, the header `P-App-Param: callee=ann@example.org` says, or `b2bua.conf` beside `ivr.conf` (or
beside this file):

    callee   whom to call, such as sip:ann@example.org
    timeout  how long it may ring, in seconds (default: 30)

The caller hears the callee's ringing, or announcement, and is answered when the callee answers.
"""

from ivr import *
from log import *

CALLEE = config.get("callee", "")
TIMEOUT_S = float(config.get("timeout", "30"))
RINGING = 1  # number of our timer


class IvrDialog(IvrDialogBase):
    def onInvite(self, hdrs):
        """Returns nothing: so the caller is not answered yet."""
        callee = self.getAppParam("callee") or CALLEE
        if not callee:
            error("b2bua.conf names no callee, and P-App-Param neither")
            self.reject(404)
            return
        uri = callee if callee.startswith(("sip:", "sips:")) else "sip:" + callee
        # The caller's own headers go along, without those that were for us.
        self.invite_req.hdrs += "X-Connected-By: b2bua\r\n"
        self.connectCallee("<" + uri + ">", uri)
        self.setTimer(RINGING, TIMEOUT_S)

    def onOtherReply(self, code, reason):
        """What the callee says; True: a refusal is passed on to the caller, and ends the call."""
        if code >= 200:
            self.removeTimer(RINGING)
            info("%s: %d %s", (self.dialog.remote_party, code, reason))
        return True

    def onTimer(self, id):
        self.terminateOtherLeg()
        self.reject(480, "No Answer")

    def onOtherDtmf(self, key, duration):
        info("the callee pressed %d", key)

    def onBye(self):
        return True  # ends the session, and the callee's call with it

    def onOtherBye(self):
        return True  # the same, the other way round
