"""Whole scripts in the manner of each generation of the API, on real calls (ivr-api §2.3, §11)."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np

from tests.engine.callee import Callee
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.calls.conftest import MakeBench
    from tests.engine.harness import Bench


def prompt(folder: Path, name: str = "welcome.wav", seconds: float = 0.5) -> str:
    """A WAV file, at most a second long; gives its path."""
    path = folder / name
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(np.full(round(8000 * seconds), 8000, np.int16).tobytes())
    return str(path)


def until_over(bench: Bench) -> None:
    """Wait for the end of the call."""
    bench.until(bench.ended)


# Python 2 with tabs, `onSessionStart(hdrs)`, the names of 2006, and a list that is flushed.
MAILBOX_0_10 = """\
#!/usr/bin/env python
from log import *
from ivr import *
import os, string, time, thread, urllib
import xmlrpclib
from email.MIMEText import MIMEText
from types import StringType

said = []
CONFIG = config
GREETING, RECORDING = range(2)

class IvrDialog(IvrDialogBase):
	state = None
	box = None

	def __init__(self):
		return "never called"

	def onSessionStart(self, hdrs):
		self.mail = getSessionParam(hdrs, "Email-Address")
		if type(self.mail) != StringType or not len(self.mail):
			error("no mail address")
			self.bye()
			self.stopSession()
			return
		if not config.has_key('greeting'):
			raise Exception, "no greeting"
		print >>sys.stderr, "greeting", config['greeting']
		self.announcement = IvrAudioFile()
		self.announcement.open(config['greeting'], ivr.AUDIO_READ)
		self.state = GREETING
		self.enqueue(self.announcement, None)

	def onEmptyQueue(self):
		said.append("empty %s" % `self.state`)
		if self.state == GREETING:
			self.box = IvrAudioFile()
			self.fp = os.tmpfile()
			self.box.fpopen("message.wav", AUDIO_WRITE, self.fp)
			self.box.setRecordTime(60 * 1000)
			self.enqueue(None, self.box)
			self.state = RECORDING

	def onDtmf(self, key, duration):
		if self.state == RECORDING and key <> 10:
			self.flush()

	def onBye(self):
		if self.box:
			fp = self.box.exportRaw()
			fp.seek(0)
			data = fp.read()
			fp.close()
			said.append((data[:4], len(data) > 8000))
		text = MIMEText(string.join(["Hi", "there"], ", "))
		said.append(text.get_payload())
		said.append(urllib.quote("a b"))
		said.append(xmlrpclib.dumps((1L,)).count("<int>1</int>"))
		lock = thread.allocate_lock()
		lock.acquire()
		self.stopSession()
"""


def test_mailbox_of_2006(make_bench: MakeBench, tmp_path: Path) -> None:
    """0.10 to 1.4: P-Iptel-Param, fpopen and exportRaw, flush that empties the queue."""
    bench = make_bench(
        {
            "app": MAILBOX_0_10,
            "app.conf": f"greeting={prompt(tmp_path)} # spoken\nflush_notifies=yes\n",
        }
    )
    caller = Caller(bench)
    caller.dial(headers=[("P-Iptel-Param", 'Email-Address="ann@example.com";Language=en')])
    caller.speak(2)
    caller.press(5)
    bench.wait(0.5)
    caller.bye()
    until_over(bench)
    assert bench.said() == ["empty 0", "empty 1", (b"RIFF", True), "Hi, there", "a%20b", 1]


# As call centres of 2007 were written: who is busy is followed by the next.
CALL_CENTER_1_0 = """
from log import *
from ivr import *
import time

said = []

class IvrDialog(IvrDialogBase):
    agents = ["bob", "eve"]

    def onSessionStart(self, hdrs):
        debug("headers %s", hdrs)
        self.waiting = IvrAudioFile()
        self.waiting.open(config["music"], AUDIO_READ)
        self.waiting.loop = True
        self.setTimer(1, 1)

    def onTimer(self, id):
        said.append("timer %d" % id)
        self.enqueue(self.waiting, None)
        self.next_agent()

    def next_agent(self):
        user = self.agents[0]
        self.agents = self.agents[1:]
        uri = "sip:" + user + "@" + self.dialog.domain
        self.connectCallee('"Agent" <%s>' % uri, "sip:%s@192.0.2.50" % user)

    def onOtherReply(self, code, reason):
        said.append("%d %s" % (code, reason))
        if code < 200:
            return
        if code < 300:
            self.flush()
            self.disconnectMedia()
            self.mute()
        elif len(self.agents):
            self.next_agent()

    def onOtherBye(self):
        said.append("agent hung up")
        return True

    def onSipReply(self, reply):
        if getattr(reply, "code") == 200:
            said.append("reply " + reply.remote_tag[:0] + reply.reason)

    def onBye(self):
        self.stopSession()
"""


def test_call_center_of_2007(make_bench: MakeBench, tmp_path: Path) -> None:
    """1.0 to 1.4: connectCallee out of a timer, onOtherReply, the next one after a refusal."""
    bench = make_bench({"app": CALL_CENTER_1_0, "app.conf": f"music={prompt(tmp_path)}\n"})
    caller, callee = Caller(bench), Callee(bench, ("192.0.2.50", 5060), 40_500)
    caller.dial()
    bench.until(lambda: callee.invites)
    callee.refuse(486)
    bench.until(lambda: len(callee.invites) == 2)
    callee.accept()
    bench.wait(0.5)
    callee.bye()
    until_over(bench)
    said = bench.said()
    assert said[0] == "timer 1"
    assert [line for line in said if line[:3] in ("486", "200")] == ["486 Busy Here", "200 OK"]
    assert said[-2:] == ["agent hung up", "reply OK"]


# 1.5: no headers for onSessionStart, onInvite with headers, getAppParam; still one reply argument.
ANNOUNCEMENT_1_5 = """
from log import *
from ivr import *

said = []

class IvrDialog(IvrDialogBase):
    def onInvite(self, hdrs):
        said.append(getHeader(hdrs, "x-lang") + getHeaders(hdrs, "X-Lang"))
        return True

    def onSessionStart(self):
        said.append((self.getAppParam("lang"), getAppParam("lang"), self.getSessionParams()))
        self.first = IvrAudioFile()
        self.first.open(config["prompt"], AUDIO_READ)
        self.second = IvrAudioFile()
        self.second.open(config["prompt"], AUDIO_READ)
        self.mix = IvrAudioMixIn()
        self.mix.init(self.first, self.second, 1, 0.5, 1)
        self.enqueue(self.mix, None)

    def onEmptyQueue(self):
        if self.queueIsEmpty():
            self.bye("X-Why: done\\r\\n")
            self.stopSession()

    def onSipReply(self, reply):
        said.append((reply.code, reply.cseq > 0))
"""


def test_announcement_of_2012(make_bench: MakeBench, tmp_path: Path) -> None:
    """1.5 and 1.6."""
    bench = make_bench({"app": ANNOUNCEMENT_1_5, "app.conf": f"prompt={prompt(tmp_path)}\n"})
    caller = Caller(bench)
    caller.dial(headers=[("P-App-Param", "lang=de;x=1=2"), ("X-Lang", "de"), ("X-Lang", "en")])
    until_over(bench)
    assert bench.said() == ["dede, en", ("de", "de", None), (200, True)]
    assert caller.got[-1] == "BYE"


# 1.7: two arguments for onSipReply, semserror, silence, messages, the monitoring store.
GATE_1_7 = """
from log import *
from ivr import *

said = []

class IvrDialog(IvrDialogBase):
    def onSipRequest(self, req):
        said.append("< " + req.method)

    def onInvite(self, hdrs):
        if getHeader(hdrs, "X-Gate") != "open":
            raise semserror({"code": 603, "reason": "Decline", "hdrs": "X-Gate: closed\\r\\n"})
        self.sendReply(183, "Session Progress", "")
        self.setTimer(1, 0.3)

    def onTimer(self, id):
        self.sendReply(200, "OK", "")

    def onSessionStart(self):
        monitorLog(self.dialog.local_tag, "state", "up")
        self.pause = IvrNullAudio()
        self.pause.init(300)
        self.enqueue(self.pause, None)
        sendMessage(self.dialog.local_tag, "hello")

    def onIvrMessage(self, msg):
        said.append(msg)

    def onEmptyQueue(self):
        monitorFinish(self.dialog.local_tag)
        self.sendRequest("OPTIONS", "X-A: b\\r\\n")

    def onSipReply(self, req, reply):
        said.append((req.method, reply.code))
        if req.method == "OPTIONS":
            self.stopSession()
"""


def test_gate_of_2020(make_bench: MakeBench) -> None:
    """1.7 and later: refused by semserror; answered by the script's own replies."""
    bench = make_bench(GATE_1_7)
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "603"]
    assert bench.said() == ["< INVITE"]
    caller = Caller(bench, ("192.0.2.98", 5060), 40_010)
    caller.dial(headers=[("X-Gate", "open")])
    bench.until(lambda: bench.ended("c2"))
    said = [line for line in bench.said()[1:] if line not in ("< ACK", "< PRACK")]
    assert said == ["< INVITE", "hello", ("OPTIONS", 200), ("BYE", 200)]


# What never was in the host's own names, but every script had: the modules of Python 2.
IMPORTS = """
from log import *
from ivr import *
import urllib, xmlrpc
from ivr import log as host_log

said = []

class IvrDialog(IvrDialogBase):
    def onSessionStart(self, *args):
        said.append((urllib.parse.quote("a b"), xmlrpc.client.__name__, len(args)))
        host_log(2, "two arguments")
        log(2, "from log import * came first, so this is ivr's")
        self.stopSession()
"""


def test_names_that_are_there_without_an_import(make_bench: MakeBench) -> None:
    """ivr-api §11: `urllib.parse` and `xmlrpc.client` come with their packages; *args is newest."""
    bench = make_bench(IMPORTS)
    Caller(bench).dial()
    until_over(bench)
    assert bench.said() == [("a%20b", "xmlrpc.client", 0)]
