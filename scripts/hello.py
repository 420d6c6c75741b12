"""The smallest useful script: answer, play one prompt, hang up.

Dial it by its name: sip:hello@127.0.0.1
"""

import os

from ivr import *
from log import *

# Prompts lie beside the script, so it works from whatever directory the server runs in.
WAV = os.path.join(os.path.dirname(__file__), "wav")


class IvrDialog(IvrDialogBase):
    # There is no onInvite here: then the server answers the call by itself.

    def onSessionStart(self):
        """The call is up; audio flows as soon as this handler has returned."""
        info("%s calls", self.dialog.remote_party)
        self.greeting = IvrAudioFile()
        self.greeting.open(os.path.join(WAV, "hello.wav"), AUDIO_READ)
        self.enqueue(self.greeting, None)

    def onEmptyQueue(self):
        """The prompt has ended: we hang up."""
        self.stopSession()

    def onBye(self):
        """The caller has hung up. Without this line the session would live on."""
        self.stopSession()
