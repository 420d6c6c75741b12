"""What scripts ask of the server besides their own call."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

from ivrbench.observe.events import MonitorChanged
from tests.engine.calls.texts import script
from tests.engine.harness import Caller

if TYPE_CHECKING:
    import pytest

    from tests.engine.calls.conftest import MakeBench


def test_monitoring_store(make_bench: MakeBench) -> None:
    """ivr-api §1.1: properties by local tag or any other name; kept in the snapshot."""
    bench = make_bench(
        script(
            """
def onSessionStart(self):
    tag = self.dialog.local_tag
    monitorLog(tag, "state", "menu")
    monitorLogAdd(tag, "key", "1")
    monitorLogAdd(tag, "key", "2")
    monitorLog("shop", "n" * 999, "v" * 9999)
    monitorFinish("shop")
def onBye(self):
    monitorFinish(self.dialog.local_tag)
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    tag = bench.session.leg.dialog.local_tag
    caller.bye()
    call, shop = bench.hub.history.snapshot().monitor.values()
    assert (call.leg, call.finished) == ("c1", True)
    assert call.values == {"state": ["menu"], "key": ["1", "2"]}
    assert shop.finished
    assert [(len(name), len(values[0])) for name, values in shop.values.items()] == [(200, 1000)]
    assert [e.callid for e in bench.told if isinstance(e, MonitorChanged)][:1] == [tag]


def test_generation_0_10(make_bench: MakeBench) -> None:
    """A script of 2006: Python 2, tabs, hdrs, one-argument onSipReply, its own __init__."""
    bench = make_bench(
        {
            "app": """\
from log import *
from ivr import *
import string

said = []

class IvrDialog(IvrDialogBase):
	def __init__(self):
		return 5

	def onSessionStart(self, hdrs):
		print "call", self.dialog.user
		said.append(getSessionParam(hdrs, "lang") + getHeader(hdrs, "X-Old"))
		if {'a': 1}.has_key('a'):
			self.setTimer(1, 0777 / 511.0)

	def onTimer(self, id):
		try:
			raise ValueError, "x"
		except ValueError, e:
			said.append(string.upper(`e`))
		self.bye()

	def onSipReply(self, reply):
		said.append(reply.code)
		self.stopSession()

	def onBye(self):
		self.stopSession()
"""
        }
    )
    caller = Caller(bench)
    caller.dial(headers=[("P-App-Param", "lang=de"), ("X-Old", "yes")])
    bench.until(bench.ended)
    assert bench.said() == ["deyes", "VALUEERROR('X')", 200]


def test_generation_1_5(make_bench: MakeBench) -> None:
    """onSessionStart without argument, onInvite with headers, still one-argument onSipReply."""
    bench = make_bench(
        script(
            """
def onInvite(self, hdrs):
    said.append(getHeader(hdrs, "X-A"))
    return True
def onSessionStart(self):
    self.sendRequest("OPTIONS", "")
def onSipReply(self, reply):
    said.append((reply.code, reply.reason))
"""
        )
    )
    caller = Caller(bench)
    caller.dial(headers=[("X-A", "b")])
    bench.wait()
    assert bench.said() == ["b", (200, "OK")]
    caller.bye()


def test_what_a_script_holds_is_freed_with_its_call(make_bench: MakeBench) -> None:
    """Files and data of the dialog object are gone at once; no garbage collector is needed."""
    body = """
def onSessionStart(self):
    import weakref
    self.data = set(range(3))
    self.prompt = IvrAudioFile()
    said.extend((weakref.ref(self.data), weakref.ref(self.prompt), weakref.ref(self)))
    self.vars["a"] = 1
    self.setTimer(1, 100)
    self.pause = IvrNullAudio()
    self.pause.init()
    self.enqueue(self.pause, None)
def onTimer(self, id):
    pass
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    gc.disable()
    try:
        caller.dial()
        caller.bye()
        bench.wait(1)
        assert [one() for one in bench.said()] == [None, None, None]
    finally:
        gc.enable()


def test_lines_of_the_log_know_their_call(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler logs is shown at its call, what a thread or the module logs at the script."""
    caplog.set_level(logging.DEBUG, "ivrbench.script")
    bench = make_bench(
        "from log import *\nfrom ivr import *\nwarn('at module level')\n"
        "class IvrDialog(IvrDialogBase):\n"
        "    def onSessionStart(self):\n        warn('in %s', 'a handler')\n"
        "    async def onDtmf(self, key, duration):\n        ivr.log(2, 'key %d' % key)\n"
    )
    caller = Caller(bench)
    caller.dial()
    caller.press(5)
    bench.wait(1)
    told = {
        r.getMessage(): (getattr(r, "leg", ""), getattr(r, "script", "")) for r in caplog.records
    }
    assert told["Ivr-Python: at module level"] == ("", "app")
    assert told["Ivr-Python: in a handler"] == ("c1", "app")
    assert told["key 5"] == ("c1", "app")
    caller.bye()
