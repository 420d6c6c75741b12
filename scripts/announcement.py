"""Play an announcement, answered or not, and end the call.

`announcement.conf` beside `ivr.conf` (or beside this file) may set:

    file    what to play (default: wav/announcement.wav)
    times   how often (default: 1)
    answer  no: the caller hears it before the call is answered, which costs nothing, and then the
            call is refused with 480 (default: yes)

A call can ask for one of the prompts in `wav` by the header `P-App-Param: play=NAME`.
"""

import os
import re

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
FILE = config.get("file") or os.path.join(WAV, "announcement.wav")
TIMES = int(config.get("times", "1"))
ANSWER = config.get("answer", "yes") != "no"


class IvrDialog(IvrDialogBase):
    def onInvite(self, hdrs):
        """Returning exactly True lets the server answer; anything else leaves that to us."""
        if ANSWER:
            return True
        self.early_media()  # 183: audio from now on
        self.announce()
        return None

    def onSessionStart(self):
        """The call is up: it was answered."""
        self.announce()

    def onEmptyQueue(self):
        """All has been said."""
        if ANSWER:
            self.stopSession()
        else:
            self.reject(480, "Temporarily Unavailable")

    def onBye(self):
        self.stopSession()

    # What follows is our own, not called by the server.

    def announce(self):
        path = self.path()
        info("announcing %s", path)
        for _ in range(TIMES):
            audio = IvrAudioFile()
            audio.open(path, AUDIO_READ)
            self.enqueue(audio, None)  # the playlist keeps it as long as it needs it

    def path(self):
        name = self.getAppParam("play")
        if not name:
            return FILE
        if not re.fullmatch(r"\w+", name):  # a caller must not choose among all files of the disk
            warn("no such announcement: %s", name)
            return FILE
        return os.path.join(WAV, name + ".wav")
