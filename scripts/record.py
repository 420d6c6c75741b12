"""Record a message, listen to it, record it again, keep it.

`record.conf` beside `ivr.conf` (or beside this file) may set `folder`, where messages are kept
(default: ivrbench-messages in the system's folder for temporary files), and `limit`, the longest
message in seconds.
"""

import os
import tempfile
import time

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
FOLDER = config.get("folder") or os.path.join(tempfile.gettempdir(), "ivrbench-messages")
LIMIT_MS = int(config.get("limit", "60")) * 1000
SHORTEST_BYTES = 8000  # half a second of 16-bit samples at 8 kHz

HASH = 11


class IvrDialog(IvrDialogBase):
    state = "asking"  # then "recording", "reviewing", "leaving"

    def onSessionStart(self):
        os.makedirs(FOLDER, exist_ok=True)
        self.path = os.path.join(
            FOLDER, time.strftime("%Y%m%d-%H%M%S-") + self.dialog.local_tag + ".wav"
        )
        self.message = IvrAudioFile()
        self.ask()

    def onEmptyQueue(self):
        if not self.queueIsEmpty():
            return  # a key that came at the same moment has queued more
        if self.state == "asking":
            self.begin()
        elif self.state == "recording":  # the limit was reached
            self.recorded()
        elif self.state == "leaving":
            self.stopSession()

    def onDtmf(self, key, duration):
        if self.state == "asking" and key == HASH:
            self.flush()
            self.begin()
        elif self.state == "recording" and key == HASH:
            self.flush()
            self.recorded()
        elif self.state == "reviewing" and key == 1:
            self.flush()
            self.listen()
        elif self.state == "reviewing" and key == 2:
            self.flush()
            self.ask()
        elif self.state == "reviewing" and key == HASH:
            self.flush()
            self.leave("saved")

    def onBye(self):
        """The caller hung up: what was recorded so far is kept."""
        self.message.close()
        self.stopSession()

    # What follows is our own, not called by the server.

    def ask(self):
        self.state = "asking"
        self.prompt("leave_message")
        self.prompt("tone")

    def begin(self):
        """The first half of an item is played, the second recorded into; both may be None."""
        self.state = "recording"
        self.message.open(self.path, AUDIO_WRITE)  # truncates an earlier try
        self.message.setRecordTime(LIMIT_MS)
        self.enqueue(None, self.message)

    def recorded(self):
        self.message.close()  # now the file is complete
        size = os.path.getsize(self.path)
        info("%d bytes recorded to %s", (size, self.path))
        if size < SHORTEST_BYTES:
            self.prompt("empty")
            self.ask()
        else:
            self.state = "reviewing"
            self.prompt("review")

    def listen(self):
        message = IvrAudioFile()
        message.open(self.path, AUDIO_READ)
        self.enqueue(message, None)
        self.prompt("review")

    def leave(self, prompt):
        self.state = "leaving"
        self.prompt(prompt)

    def prompt(self, name):
        """Append a prompt to the playlist, which keeps it as long as it needs it."""
        audio = IvrAudioFile()
        audio.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
        self.enqueue(audio, None)
