"""Scripts as they were written in 2006, 2007, 2012 and 2020, each using much of what it had."""

from __future__ import annotations

__all__ = ["CALL_BACK_2007", "GATE_2006", "HOTLINE_2012", "SCREENING_2020"]

# Tabs, old names everywhere, a PIN as MD5, a recording in memory, a file of settings.
GATE_2006 = """\
#!/usr/bin/python
from log import *
from ivr import *
import md5, os, string, sys, time
import ConfigParser, StringIO, UserDict
from types import *

said = []
PIN_PROMPT, ANNOUNCEMENT, RECORDING, BYE = range(4)

class Users(UserDict.UserDict):
	def __init__(self, text):
		UserDict.UserDict.__init__(self)
		parser = ConfigParser.ConfigParser()
		parser.readfp(StringIO.StringIO(text))
		for name in parser.sections():
			self[name] = dict(parser.items(name))

users = Users('''
[ann]
pin = 81dc9bdb52d04dc20036dbd8313ed055
limit = 2
''')

class IvrDialog(IvrDialogBase):

	pin = ""
	state = PIN_PROMPT
	tries = 0

	def __init__(self):
		raise "never called"

	def onSessionStart(self, hdrs):
		user = getSessionParam(hdrs, "user") or "ann"
		if not users.has_key(user):
			raise ValueError, "no such user: %s" % `user`
		self.user = users[user]
		for name in ("contact_uri", "sip_ip", "next_hop"):
			assert type(getattr(self.dialog, name)) is StringType, name
		assert self.dialog.sip_port <> ""
		self.setTimer(1, 20)
		self.say(config["prompt"])

	def say(self, name):
		self.prompt = IvrAudioFile()
		self.prompt.open(name, ivr.AUDIO_READ)
		self.enqueue(self.prompt, None)

	def onDtmf(self, key, duration):
		if self.state == RECORDING:
			if key == 11:
				self.flush()
			return
		if key < 10:
			self.pin = self.pin + `key`
			return
		if not md5.new(self.pin).hexdigest() == self.user["pin"]:
			self.tries = self.tries + 1
			self.pin = ""
			said.append("wrong pin %d" % self.tries)
			if self.tries >= string.atoi(self.user["limit"]):
				self.bye()
				self.stopSession()
			return
		self.removeTimer(1)
		self.state = ANNOUNCEMENT
		said.append("pin is right")
		self.flush()
		self.say(config["prompt"])

	def onEmptyQueue(self):
		said.append("empty %d" % self.state)
		if self.state == ANNOUNCEMENT:
			self.memory = StringIO.StringIO()
			self.record = IvrAudioFile()
			self.record.fpopen("x.wav", AUDIO_WRITE, self.memory)
			self.record.setRecordTime(5000)
			self.enqueue(None, self.record)
			self.state = RECORDING
		elif self.state == RECORDING:
			self.state = BYE
			self.record.exportRaw()
			self.record.close()
			data = self.memory.getvalue()
			print >>sys.stderr, "recorded", len(data)
			said.append((data[:4], len(data) / 16000 >= 1))
			self.bye()
			self.stopSession()

	def onTimer(self, id):
		said.append("too late")
		self.stopSession()

	def onSipReply(self, reply):
		said.append((reply.code, reply.local_tag == self.dialog.local_tag))

	def onBye(self):
		self.stopSession()
"""

# A thread that takes orders from a queue and calls back; a beep into an announcement.
CALL_BACK_2007 = """
from log import *
from ivr import *
import Queue, sets, thread, time
from sets import Set

said = []
orders = Queue.Queue()
called = Set()
lock = thread.allocate_lock()

def worker():
    while True:
        order = orders.get()
        if order is None:
            return
        try:
            number, params = order
            lock.acquire()
            called.add(number)
            lock.release()
            uri = "sip:%s@%s" % (number, config["host"])
            IvrUAC().dialout(number, "callback", uri, "<sip:us@example.com>", "sip:us@example.com",
                             "<sip:%s@example.com>" % number, "", "", params)
        except Exception, e:
            error("order failed: %s" % e)

createThread(worker)

class IvrDialog(IvrDialogBase):
    def onSessionStart(self, hdrs):
        params = self.getSessionParams()
        if params is None:
            debug("%s calls", self.dialog.remote_uri)
            said.append("busy, we call back")
            orders.put((config["who"], ["one", "two"]))
            self.stopSession()
            return
        said.append(tuple(params))
        music, beep = IvrAudioFile(), IvrAudioFile()
        music.open(config["prompt"], AUDIO_READ)
        beep.open(config["prompt"], AUDIO_READ)
        self.mix = IvrAudioMixIn()
        self.mix.init(music, beep, 1, 0.5)
        self.enqueue(self.mix, None)
        self.setTimer(7, 1.5)

    def onEmptyQueue(self):
        said.append("played to %s" % ",".join(called))

    def onTimer(self, id):
        self.sendRequest("INFO", "X-Seen: yes\\r\\n")

    def onSipReply(self, reply):
        said.append("%s %d" % (self.getSessionParams() and "out" or "in", reply.code))
        if reply.code >= 200 and reply.cseq <> 0 and self.queueIsEmpty():
            orders.put(None)
            self.removeTimers()
            self.stopSession()

    def onBye(self):
        said.append("bye")
        self.stopSession()
"""

# A hotline: opening hours, agents one after the other, the tally kept by pickle.
HOTLINE_2012 = """
from log import *
from ivr import *
import cPickle, hashlib, os, sys
from itertools import izip, count
import urllib, urlparse

said = []
STORE = os.path.join(config["store"], 'tally')

def tally(name):
    seen = {}
    if os.path.exists(STORE):
        with open(STORE, 'rb') as store:
            seen = cPickle.load(store)
    seen[name] = seen.get(name, 0) + 1
    with open(STORE, 'wb') as store:
        cPickle.dump(seen, store)
    return sorted(seen.iteritems(), cmp=lambda a, b: cmp(b[1], a[1]))

class IvrDialog(IvrDialogBase):
    agents = None

    def onInvite(self, hdrs):
        self.token = hashlib.md5(self.invite_req.callid).hexdigest()[:8]
        said.append(urlparse.urlsplit(urllib.unquote(getHeader(hdrs, 'X-From-Page'))).path)
        return True

    def onSessionStart(self):
        self.agents = [a for a, n in izip(config['agents'].split(','), count())]
        self.music = IvrAudioFile()
        self.music.open(config['prompt'], AUDIO_READ)
        self.music.loop = True
        self.enqueue(self.music, None)
        self.next_agent()

    def next_agent(self):
        agent = self.agents.pop(0)
        self.agent = agent
        self.invite_req.hdrs = 'X-Token: %s\\r\\n' % self.token
        uri = 'sip:%s@%s' % (agent, config['host'])
        self.connectCallee('<%s>' % uri, uri)

    def onOtherReply(self, code, reason):
        if code < 200:
            return
        said.append((self.agent, code))
        if code < 300:
            self.flush()
            print >> sys.stderr, tally(self.agent)
        elif self.agents:
            self.next_agent()
        else:
            return True

    def onOtherBye(self):
        said.append(tally('calls'))
        self.setNoRelayonly()
        self.stopSession()

    def onDtmf(self, key, duration):
        if key == 10:
            self.terminateOtherLeg()

    def onSipReply(self, reply):
        said.append(reply.code)

    def onBye(self):
        self.stopSession()
"""

# Python 3 and the newest calls: screening before the answer, silence, messages, shutdown.
SCREENING_2020 = """
from log import *
from ivr import *

said = []

class IvrDialog(IvrDialogBase):
    stage = "new"

    def onSipRequest(self, req):
        said.append("%s %s" % (req.method, self.dialog.status_str))

    def onInvite(self, hdrs):
        if self.dialog.status_str == "Connected":
            return True
        if getHeader(hdrs, "X-Spam") == "yes":
            raise semserror({"code": 433, "reason": "No Robots", "hdrs": "X-By: us\\r\\n"})
        self.sendReply(180, "Ringing", "")
        self.setTimer(1, 0.2)

    def onTimer(self, timer):
        if timer == 1:
            self.sendReply(200, "OK", "X-Screened: %s\\r\\n" % self.getAppParam("level"))
        elif timer == 2:
            sendMessage(self.dialog.local_tag, "later")

    def onSessionStart(self):
        monitorLog(self.dialog.local_tag, "caller", self.dialog.remote_uri)
        monitorLogAdd(self.dialog.local_tag, "steps", "start")
        self.silence = IvrNullAudio()
        self.silence.init()
        self.silence.setReadLength(300)
        self.record = IvrAudioFile()
        self.record.open(config["store"] + "/said.wav|Mu-Law", AUDIO_WRITE)
        self.record.setRecordTime(2000)
        self.enqueue(self.silence, None)
        self.setTimer(2, 0.1)

    def onIvrMessage(self, msg):
        said.append(msg)
        self.stage = msg

    def onEmptyQueue(self):
        if self.stage == "later":
            self.stage = "record"
            self.enqueue(None, self.record)
        elif self.stage == "record":
            self.stage = "over"
            said.append(self.record.getDataSize() == 16000)
            self.record.close()
            monitorFinish(self.dialog.local_tag)
            self.sendRequest("OPTIONS", "")

    def onSipReply(self, req, reply):
        said.append("%s %d" % (req.method, reply.code))

    def onUser1(self):
        said.append("user 1")

    def onServerShutdown(self):
        said.append("shutdown")
        self.bye("Reason: Q.850;cause=16\\r\\n")
        self.stopSession()

    def onBye(self):
        return True
"""
