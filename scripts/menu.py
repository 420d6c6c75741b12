"""A menu for the keypad: a tree of prompts, with repeats, wrong keys and callers who press nothing.

    main ── 1 opening hours ── 1 weekdays
         │                  ├─ 2 weekend
         │                  └─ 0 back
         ├─ 2 directions
         └─ * again

A key interrupts the prompt that plays. `menu.conf` beside `ivr.conf` (or beside this file) may set
`wait`, the seconds to wait for a key, and `repeats`, how often to ask before hanging up.
"""

import os

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
WAIT_S = float(config.get("wait", "5"))  # settings are always strings
REPEATS = int(config.get("repeats", "3"))
NO_KEY = 1  # number of our timer; must be above 0

STAR = 10  # keys 0 to 9 are themselves; 11 is #

# Each menu: its prompt, and what its keys do. A key leads to another menu, or plays
# a prompt after which the same menu is offered again.
MENUS = {
    "main": ("main", {1: "hours", 2: "play directions", STAR: "main"}),
    "hours": ("hours", {1: "play weekdays", 2: "play weekend", 0: "main", STAR: "hours"}),
}


class IvrDialog(IvrDialogBase):
    # Class attributes are the start values of each call: __init__ is never called.
    menu = "main"
    asked = 0
    leaving = False

    def onSessionStart(self):
        self.offer("main")

    def onDtmf(self, key, duration):
        """A key, with the milliseconds it was held."""
        if self.leaving:
            return
        self.removeTimer(NO_KEY)
        self.flush()  # stop talking
        debug("key %d in menu %s", (key, self.menu))
        action = MENUS[self.menu][1].get(key)
        self.asked = 0
        if action is None:
            self.start("unknown")
            self.offer(self.menu)
        elif action.startswith("play "):
            self.start(action[5:])
            self.offer(self.menu)
        else:
            self.offer(action)

    def onEmptyQueue(self):
        """Everything has been said: hang up, or wait for a key."""
        if not self.queueIsEmpty():
            return  # a key that came at the same moment has queued more
        if self.leaving:
            self.stopSession()
        else:
            self.setTimer(NO_KEY, WAIT_S)

    def onTimer(self, id):
        """The caller pressed nothing."""
        if self.asked < REPEATS:
            self.offer(self.menu)
        else:
            self.leaving = True
            self.start("goodbye")

    def onBye(self):
        self.stopSession()

    # What follows is our own, not called by the server.

    def offer(self, menu):
        """Say the choices of a menu."""
        self.menu = menu
        self.asked += 1
        self.start(MENUS[menu][0])

    def start(self, name):
        """Append a prompt to the playlist, which keeps it as long as it needs it."""
        audio = IvrAudioFile()
        audio.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
        self.enqueue(audio, None)
