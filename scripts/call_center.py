"""A queue: callers hear music while the agents are called one after the other.

Each call begins with the agent after the one who got the last call, and leaves out those who talk.
When all have been tried it waits a little and begins again. `call_center.conf` beside `ivr.conf`
(or beside this file) has to say who the agents are:

    agents    their URIs with blanks between, in quotes: "sip:ann@10.0.0.5 sip:ben@10.0.0.6"
    ring      how long each may ring, in seconds (default: 15)
    pause     how long to wait when all have been tried, in seconds (default: 5)
    rounds    how often to try them all (default: 10)
"""

import os
import threading
import weakref

from ivr import *
from log import *

WAV = os.path.join(os.path.dirname(__file__), "wav")
AGENTS = config.get("agents", "").split()
RING_S = float(config.get("ring", "15"))
PAUSE_S = float(config.get("pause", "5"))
ROUNDS = int(config.get("rounds", "10"))
RINGING, WAITING = 1, 2  # numbers of our timers


class Desk:
    """Who is talking, and whose turn it is; calls ask at the same time, so under a lock."""

    def __init__(self, agents):
        self.lock = threading.Lock()
        self.agents = list(agents)
        # A call that is over falls out by itself.
        self.busy: weakref.WeakValueDictionary[str, IvrDialogBase] = weakref.WeakValueDictionary()

    def take(self, tried, call):
        """The next free agent that this call has not tried, None if there is none."""
        with self.lock:
            for agent in self.agents:
                if agent not in self.busy and agent not in tried:
                    self.agents.remove(agent)
                    self.agents.append(agent)  # the next call begins with somebody else
                    self.busy[agent] = call
                    return agent
        return None

    def give_back(self, agent):
        with self.lock:
            self.busy.pop(agent, None)


desk = Desk(AGENTS)


class IvrDialog(IvrDialogBase):
    agent = None
    music = None
    rounds = 0
    tried = frozenset[str]()

    def onSessionStart(self):
        self.play_music()
        self.call_next()

    def onOtherReply(self, code, reason):
        """Returns nothing: the caller stays, whatever the agent's telephone says."""
        if code >= 300:
            info("%s: %d %s", (self.agent, code, reason))
            self.let_go()
            self.call_next()
        elif code >= 200:
            self.removeTimer(RINGING)
            self.flush()  # the music
            info("%s talks to %s", (self.agent, self.dialog.remote_party))

    def onTimer(self, id):
        if id == RINGING:
            info("%s does not answer", self.agent)
            self.terminateOtherLeg()
            self.let_go()
        self.call_next()

    def onOtherBye(self):
        """The agent hung up: the conversation is over."""
        self.let_go()
        self.enqueue(prompt("goodbye"), None)

    def onEmptyQueue(self):
        self.stopSession()

    def onBye(self):
        self.let_go()
        self.stopSession()

    # What follows is our own, not called by the server.

    def play_music(self):
        self.music = prompt("music")
        self.music.loop = True
        self.enqueue(self.music, None)

    def call_next(self):
        self.agent = desk.take(self.tried, self)
        if self.agent is not None:
            self.tried |= {self.agent}
            self.connectCallee("<" + self.agent + ">", self.agent)
            self.setTimer(RINGING, RING_S)
        elif self.rounds + 1 < ROUNDS:
            self.rounds, self.tried = self.rounds + 1, frozenset()
            self.setTimer(WAITING, PAUSE_S)
        else:
            self.flush()
            self.enqueue(prompt("refused"), None)

    def let_go(self):
        self.removeTimer(RINGING)
        if self.agent is not None:
            desk.give_back(self.agent)
            self.agent = None


def prompt(name):
    file = IvrAudioFile()
    file.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
    return file
