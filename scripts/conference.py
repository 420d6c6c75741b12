"""Conference: everybody who calls the same room hears the others.

The room is the parameter `room` of the call (P-App-Param: room=sales), without it "main". Keys:

    5  records the conference, and stops that
    6  mutes, and ends that
    9  lets everybody hear a tone
    0  leaves

`conference.conf` beside `ivr.conf` (or beside this file) sets:

    folder  where recordings go (default: the working directory of the server)
"""

import os
import time

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
FOLDER = config.get("folder", ".")


class IvrDialog(IvrDialogBase):
    recording = None

    def onSessionStart(self):
        self.room = IvrConference(self.getAppParam("room") or "main")
        self.vars["room"] = self.room.room
        self.enqueue(prompt("hello"), None)
        self.enqueue(self.room, self.room)

    def onDtmf(self, key, duration):
        if key == 5:
            self.record_room()
        elif key == 6:
            self.mute_me()
        elif key == 9:
            self.room.announce(prompt("tone"))
        elif key == 0:
            self.stopSession()

    def onSpeaker(self, room, tag):
        self.vars["speaker"] = "you" if tag == self.dialog.local_tag else tag

    def onBye(self):
        self.stopSession()

    def record_room(self):
        if self.recording is None:
            name = f"{self.room.room}-{time.time():.0f}.wav"
            self.recording = IvrAudioFile()
            self.recording.open(os.path.join(FOLDER, name.replace("/", "_")), AUDIO_WRITE)
            self.room.record(self.recording)
        else:
            self.recording.close()
            self.recording = None

    def mute_me(self):
        if self.room.muted:
            self.room.unmute()
        else:
            self.room.mute()
        self.vars["muted"] = self.room.muted


def prompt(name):
    file = IvrAudioFile()
    file.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
    return file
