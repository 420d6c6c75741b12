"""An engine that plays a written list of events: for tests, and to look at the workbench.

`python -m tests.tui.fake_engine SOCKET` serves one that moves, until it is interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ivrbench.clock import Clock, ManualClock, SystemClock
from ivrbench.errors import EngineGone
from ivrbench.observe import commands, wire
from ivrbench.observe import events as ev
from ivrbench.observe.history import KEY_NAMES, History
from ivrbench.observe.hub import Hub
from ivrbench.observe.phones import (
    PhoneChanged,
    PhoneEnded,
    PhoneHeard,
    PhoneKeyPressed,
    PhoneMeasured,
    PhoneProgressed,
    PhoneRang,
    PhoneReady,
    PhoneStarted,
)
from ivrbench.observe.serve import serve_connection
from ivrbench.observe.snapshot import EngineView, Snapshot, WholeLegs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FakeClient", "FakeEngine", "bench_events", "ladder_events"]

NOON_S = 1_795_348_800.0
"""22 Nov 2026, 12:00:00 UTC: when every test happens."""

PIN_COLLECT = """# Collects a PIN and calls a conference.
from log import *
from ivr import *

HINT_TIMER = 1


class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.keys = ""
        self.pin_msg = IvrAudioFile()
        self.pin_msg.open("pin_prompt.wav", AUDIO_READ)
        self.enqueue(self.pin_msg, None)

    def onDtmf(self, key, duration):
        self.flush()
        self.keys += str(key)
        debug("added key, PIN = " + self.keys)
"""

MAILBOX = """from log import *
from ivr import *

from util import say_number

# states
GREETING, RECORDING, DONE = range(3)

MAX_MS = int(config.get("max_ms", 60000))

# greeting: a wav file, see mailbox.conf
GREETING_FILE = config["greetng"]


class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.greeting = IvrAudioFile()
"""

MAILBOX_TRACEBACK = """Traceback (most recent call last):
  File "/srv/ivrbench/engine/loader.py", line 88, in load
    exec(code, module.__dict__)
  File "/home/dev/scripts/mailbox.py", line 12, in <module>
    GREETING_FILE = config["greetng"]
KeyError: 'greetng'
"""


class FakeEngine:
    """A hub without calls behind it; remembers what it was asked.

    Args:
        clock: stands still in tests.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or ManualClock(wall_s=NOON_S)
        self.hub = self._new_hub()
        self.asked: list[commands.Command] = []
        self.refuses = ""
        """Why every command is refused, "" if it is not."""
        self.results: dict[str, str] = {}
        """What lines of the console give; others are refused."""
        self.deaf = False
        """Test phones do not obey."""
        self.is_up = True
        self.clients: list[FakeClient] = []
        self._n_calls = 20

    def _new_hub(self) -> Hub:
        engine = EngineView(
            version="0.1.0",
            pid=4121,
            script_path="/home/dev/scripts",
            config_file="/home/dev/ivr.conf",
            rtp_low_port=10000,
            rtp_high_port=10999,
            started_at_s=self.clock.wall(),
        )
        return Hub(self.clock, History(engine))

    def publish(self, *events: ev.Event) -> None:
        """Let these happen now."""
        for event in events:
            self.hub.publish(event)

    def play(self, events: Iterator[tuple[float, ev.Event]]) -> None:
        """Let these happen, each so many seconds after the last one."""
        assert isinstance(self.clock, ManualClock), "only a manual clock can be moved"
        for wait_s, event in events:
            self.clock.advance(wait_s)
            self.hub.publish(event)

    # --- clients in memory --------------------------------------------------------------

    async def connect(self) -> FakeClient:
        """As `ControlClient.connect`."""
        if not self.is_up:
            raise EngineGone("no engine at /run/ivrbench.sock: Connection refused")
        client = FakeClient(self)
        self.clients.append(client)
        return client

    def die(self) -> None:
        """Cut all clients and refuse new ones."""
        self.is_up = False
        self.cut()

    def cut(self) -> None:
        """Cut all clients; they may come back."""
        for client in self.clients:
            client.gone = EngineGone("the engine closed the connection")
            client.ready.set()

    def start(self) -> None:
        """Be there again, with nothing of the life before."""
        self.hub = self._new_hub()
        self.is_up = True

    # --- commands -----------------------------------------------------------------------

    async def handle(self, command: commands.Command) -> commands.Answered:
        """Do what a real engine would, as far as events show it."""
        self.asked.append(command)
        if self.refuses:
            return commands.Answered(command.request, ok=False, text=self.refuses)
        leg = phone = ""
        match command:
            case commands.PlaceTestCall(answers=answers) if answers:
                self._n_calls += 1
                phone = f"p{self._n_calls}"
                for waiting in [v.name for v in self.hub.history.phones.values() if v.is_idle]:
                    self.publish(PhoneEnded("", 0, False, 0.0, phone=waiting))
                target = command.register
                self.publish(PhoneStarted(phone=phone, target=target, answers=answers))
                self.publish(PhoneReady("127.0.0.1:7070", phone=phone))
                text = "what scripts call comes to the test phone"
                return commands.Answered(command.request, ok=True, phone=phone, text=text)
            case commands.PlaceTestCall(level_test=True):
                self._n_calls += 1
                phone = f"p{self._n_calls}"
                self.publish(PhoneStarted(phone=phone, target=""))
            case commands.PlaceTestCall(target=target):
                self._n_calls += 1
                leg = f"c{self._n_calls}"
                phone = f"p{self._n_calls}"
                started = PhoneStarted(
                    phone=phone, target=target, recording=command.record, leg=leg
                )
                self.publish(started)
                self.publish(*leg_up(leg, target, self._serving(target), "test phone"))
            case commands.DialOut(script=script, uri=uri):
                text = f"c90: {script} calls {uri}"
                return commands.Answered(command.request, ok=True, text=text, leg="c90")
            case commands.ListSoundCards():
                cards = (commands.SoundCard("USB Headset", 1, 2), commands.SoundCard("HDMI", 0, 2))
                return commands.Answered(command.request, ok=True, cards=cards)
            case commands.HangUp(leg=ended):
                self.publish(ev.LegEnded(ended, "engine", 200, "hung up", 4.0))
                over = PhoneEnded("the other side hung up", 200, True, 4.0, phone=f"p{ended[1:]}")
                self.publish(over)
            case commands.TellPhone(phone=ended, verb="hangup") if not self.deaf:
                self.publish(ev.LegEnded(ended, "caller", 200, "BYE", 4.0))
                self.publish(PhoneEnded("hung up", 200, True, 4.0, phone=f"p{ended[1:]}"))
            case commands.TellPhone(phone=pressed, verb="press", argument=keys):
                for key in keys.replace(",", ""):
                    code = KEY_NAMES.index(key)
                    self.publish(ev.KeyReceived(pressed, code, 100, "RFC 4733"))
            case commands.Evaluate(text=line):
                known = line in self.results
                text = self.results.get(line, "refused: this changes the call. Prefix with !")
                return commands.Answered(command.request, ok=known, text=text)
        return commands.Answered(command.request, ok=True, leg=leg, phone=phone)

    def _serving(self, script: str) -> int:
        view = self.hub.history.scripts.get(script)
        return view.serving.generation if view and view.serving else 0


class FakeClient:
    """A client without a socket; messages go through the wire format all the same."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.ready = asyncio.Event()
        self.gone: EngineGone | None = None
        snapshot, self.feed = engine.hub.connect(self.ready.set)
        self._frames = [snapshot]
        self.ready.set()

    @property
    def is_idle(self) -> bool:
        """True if everything published has been taken."""
        return not self.ready.is_set() and not self._frames

    def __aiter__(self) -> FakeClient:
        return self

    async def __anext__(self) -> Snapshot | WholeLegs | list[ev.Stamped]:
        while not self._frames:
            await self.ready.wait()
            self.ready.clear()
            if self.gone is not None:
                raise self.gone
            self._frames = self.feed.take()
        message = wire.decode_server(self._frames.pop(0)[4:])
        assert isinstance(message, Snapshot | WholeLegs | wire.Batch), "answers come another way"
        return message.events if isinstance(message, wire.Batch) else message

    async def request(self, command: commands.Command) -> commands.Answered:
        if self.gone is not None:
            raise self.gone
        if isinstance(command, commands.Watch):
            self._engine.hub.watch(self.feed, command)
            return commands.Answered(0, ok=True)
        return await self._engine.handle(command)

    async def close(self) -> None:
        self._engine.hub.disconnect(self.feed)
        self._engine.clients.remove(self)


# --- written events -------------------------------------------------------------------------


def leg_up(leg: str, script: str, generation: int, peer: str) -> Iterator[ev.Event]:
    """A call that is answered."""
    yield ev.LegStarted(
        leg, "in", script, generation, peer, f"{leg}@127.0.0.1", f"sip:{script}@bench", "8f21"
    )
    yield ev.LegChanged(leg, "up", 200, "OK")
    yield ev.MediaAgreed(
        leg, "PCMU", 8000, 0, 20, 101, "127.0.0.1:10006", "127.0.0.1:41022", "sendrecv"
    )


def rings(clock: Clock, phone: str, leg: str) -> Iterator[ev.Event]:
    """The script of leg `c21` calls somebody, as leg `c21b`, and the test phone takes it."""
    pair = leg.removesuffix("b")
    uri = "sip:conf@192.0.2.9"
    yield ev.LegStarted(leg, "out", "menu", 1, uri, f"{leg}@127.0.0.1", uri, "77", pair=pair)
    yield PhoneRang(f"{leg}@127.0.0.1", "sip:phone@bench", uri, clock.wall(), phone=phone, leg=leg)
    yield ev.LegChanged(leg, "early", 180, "Ringing")


def measured(leg: str, item: int, position_ms: int, dbfs: float = -18.0) -> ev.LegMeasured:
    """Levels and counters of a healthy call."""
    return ev.LegMeasured(
        leg, dbfs, -6.0, dbfs - 4, -9.0, item, position_ms, 0, 40, 2101, 2098, 2, 0, 0, 1.8, 0.4
    )


def report(live_legs: int = 5) -> ev.EngineReported:
    """A healthy engine."""
    return ev.EngineReported(
        live_legs, 0.1, 0.9, 3.5, 3.1, 0, 300, 300, 12, 1000, 1203, 1180, 1, 0, 3, 1, 32
    )


def loaded(name: str, generation: int, **more: object) -> ev.ScriptLoaded:
    """A generation that loaded."""
    fields: dict[str, object] = {
        "source": PIN_COLLECT,
        "handlers": (("onSessionStart", 9), ("onDtmf", 15)),
        **more,
    }
    file = f"/home/dev/scripts/{name}.py"
    return ev.ScriptLoaded(name, generation, file, 12.0, **fields)  # type: ignore[arg-type]


def mailbox_failed() -> ev.ScriptFailed:
    """The failure of the script screen's mock-up."""
    return ev.ScriptFailed(
        "mailbox",
        5,
        "/home/dev/scripts/mailbox.py",
        12,
        "KeyError",
        "'greetng'",
        MAILBOX_TRACEBACK,
        "did you mean 'greeting'?",
        4,
        MAILBOX,
    )


def script_events() -> Iterator[tuple[float, ev.Event]]:
    """Scripts in every state."""
    yield 0.0, ev.ListenerChanged("udp", "127.0.0.1", 5080, up=True)
    yield 0.0, ev.ListenerChanged("tcp", "127.0.0.1", 5080, up=True)
    yield 0.0, ev.WorkerChanged(0, 4122, up=True, priority="SCHED_FIFO 10")
    for name, generation in (("annrecorder", 3), ("b2bua", 2), ("music", 1), ("mailbox", 4)):
        yield 0.0, loaded(name, generation)
    yield 0.0, loaded("pin_collect", 6)
    yield 0.0, loaded("util", 2, is_helper=True, helper_of=("mailbox", "pin_collect"), handlers=())
    yield (
        0.0,
        ev.ScriptFailed(
            "survey",
            1,
            "/home/dev/scripts/survey.py",
            7,
            "SyntaxError",
            "'(' was never closed",
            "",
            "",
            0,
            "print(\n",
        ),
    )


def bench_events() -> Iterator[tuple[float, ev.Event]]:
    """The calls of the bench's mock-up."""
    yield from script_events()
    yield 1.0, ev.LogWritten(2, "load", "pin_collect@6 registered in 11 ms", script="pin_collect")
    for event in leg_up("c7", "mailbox", 4, "sip:bob@10.0.0.8"):
        yield 0.0, event
    yield 31.0, ev.LegEnded("c7", "caller", 200, "BYE", 31.0)
    for event in leg_up("c9", "pin_collect", 6, "sip:bob@10.0.0.8"):
        yield 0.0, event
    yield 0.0, ev.ItemEnqueued("c9", 1, "", "", "/tmp/msg_9.wav", -1, 10_000)
    yield 0.0, ev.ItemStarted("c9", 1)
    yield 30.0, loaded("pin_collect", 7)
    yield (
        0.0,
        ev.LogWritten(2, "load", "pin_collect@7 registered in 12 ms (was @6; c9 stays on @6)"),
    )
    for event in leg_up("c10", "music", 1, "sip:+4930123@trunk"):
        yield 20.0, event
    yield 0.0, ev.ItemEnqueued("c10", 1, "", "loop.wav", "", 60_000, loop=True)
    yield 0.0, ev.ItemStarted("c10", 1)
    for event in leg_up("c11", "b2bua", 2, "sip:anna@10.0.0.7"):
        yield 0.0, event
    yield 0.0, ev.LegStarted("c11b", "out", "b2bua", 2, "sip:music@10.0.0.9", "x", "", "t", "c11")
    yield 4.0, ev.LegChanged("c11b", "up", 200, "OK")
    yield 0.0, ev.LegStarted("c6", "in", "nobody", 0, "sip:tim@10.0.0.4", "x", "sip:nobody@x", "t")
    yield 0.0, ev.LegEnded("c6", "engine", 404, "no script named nobody", 0.0)
    yield 0.0, mailbox_failed()
    yield (
        0.0,
        ev.LogWritten(
            0,
            "load",
            "mailbox@5 failed: mailbox.py:12 KeyError: 'greetng' · @4 keeps serving",
            script="mailbox",
            detail=MAILBOX_TRACEBACK,
        ),
    )
    yield from pin_call_events()


def pin_call_events() -> Iterator[tuple[float, ev.Event]]:
    """A test call that presses keys."""
    for event in leg_up("c12", "pin_collect", 7, "test phone"):
        yield 0.0, event
    yield 0.0, ev.LogWritten(2, "call", "INVITE sip:pin_collect@127.0.0.1 from test phone", "c12")
    yield 0.002, ev.HandlerCalled("c12", 1, "onSessionStart", "", "None", "", 2.0, "p.py", 9)
    yield 0.0, ev.ItemEnqueued("c12", 1, "welcome_msg", "wav/default_en.wav", "", 3200)
    yield 0.0, ev.ItemEnqueued("c12", 2, "", "wav/menu.wav", "", 4800)
    yield 0.02, ev.ItemStarted("c12", 1)
    yield 3.2, ev.ItemEnded("c12", 1, "played", 3200, 0)
    yield 0.0, ev.ItemStarted("c12", 2)
    yield 1.4, ev.KeyReceived("c12", 1, 100, "RFC 4733")
    yield 0.001, ev.ApiCalled("c12", "flush", "", "p.py", 16)
    yield 0.0, ev.ItemEnded("c12", 2, "flushed", 1400, 0, "key 1")
    yield 0.002, ev.HandlerCalled("c12", 2, "onDtmf", "1, 100", "None", "", 3.0, "p.py", 15)
    yield 0.0, ev.ItemEnqueued("c12", 3, "pin_msg", "wav/pin_prompt.wav", "", 4800)
    yield 0.0, ev.ItemEnqueued("c12", 4, "", "beep.wav", "", 300)
    yield 0.0, ev.ItemEnqueued("c12", 5, "", "", "/tmp/pin_c12.wav", -1, 10_000)
    yield 0.0, ev.ItemStarted("c12", 3)
    yield 0.8, ev.KeyReceived("c12", 2, 100, "RFC 4733")
    yield 0.003, ev.HandlerCalled("c12", 3, "onDtmf", "2, 100", "None", "", 31.0, "p.py", 15)
    yield 0.0, ev.LogWritten(3, "script", "added key, PIN = 12", leg="c12", script="pin_collect")
    yield 0.1, ev.LogWritten(1, "rtp", "lost 1 packet (seq 40112)", leg="c10")
    yield 0.2, report()
    yield 1.0, measured("c12", 3, 2100)


def phone_events(at_s: float) -> Iterator[tuple[float, ev.Event]]:
    """The test phone's side of `pin_call_events`, which begins at `at_s`."""
    who = {"phone": "p1", "leg": "c12"}
    yield 0.0, PhoneStarted(phone="p1", target="pin_collect", recording="/tmp/heard.wav")
    for step, after_ms in (("100", 1.2), ("200", 9.0), ("packet", 22.0), ("sound", 31.0)):
        yield 0.0, PhoneProgressed(step=step, after_ms=after_ms, text="", **who)
    yield 0.0, PhoneChanged(False, False, "auto", "tone 440 Hz", 5.0, 0, 20, phone="p1", leg="c12")
    for after_s, key in ((4.322, "1"), (5.124, "2"), (6.0, "#")):
        yield 0.0, PhoneKeyPressed(key, 100, "RFC 4733", at_s + after_s, **who)
    yield 0.0, PhoneHeard(True, at_s + 0.05, **who)
    for n in range(30):
        level = (-20.0, -80.0, -45.0)[n // 10]
        yield (
            0.2,
            PhoneMeasured(-31.0, -0.2, level, -6.0, 2101, 2, 0, 1.8, 0.4, 40, 30, 40, **who),
        )


def call_events() -> Iterator[tuple[float, ev.Event]]:
    """A test call as the Call screen shows it."""
    yield from script_events()
    yield 0.0, loaded("pin_collect", 7)
    yield from pin_call_events()
    yield from phone_events(NOON_S)


def sip(leg: str, sent: bool, start: str, cseq: str, *more: str, sdp: bool = False) -> ev.SipTraced:
    """A message of one of the legs of `ladder_events`."""
    remote = "10.0.0.5:5060" if leg.endswith("b") else "127.0.0.1:41022"
    head = [start, "Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK8f21", f"CSeq: {cseq}"]
    head += [f"Call-ID: {leg}@127.0.0.1", *more]
    body = SDP if sdp else ""
    raw = "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()
    text = start[8:] if start.startswith("SIP/2.0") else start.partition(" ")[0]
    summary = f"{text} (SDP)" if sdp else text
    return ev.SipTraced(leg, sent, "udp", "127.0.0.1:5080", remote, summary, raw)


SDP = """v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio 10006 RTP/AVP 0 8 101\r
a=rtpmap:101 telephone-event/8000\r
"""


def ladder_events() -> Iterator[tuple[float, ev.Event]]:
    """A call whose script connects a second leg, with a lost packet and a header of its own."""
    yield 0.0, ev.ListenerChanged("udp", "127.0.0.1", 5080, up=True)
    yield 0.0, loaded("pin_collect", 7)
    started, up, agreed = leg_up("c12", "pin_collect", 7, "test phone")
    yield 0.0, started
    yield 0.0, sip("c12", False, "INVITE sip:pin_collect@bench SIP/2.0", "1 INVITE", sdp=True)
    yield 0.001, sip("c12", True, "SIP/2.0 100 Trying", "1 INVITE")
    yield 0.005, sip("c12", True, "SIP/2.0 200 OK", "1 INVITE", sdp=True)
    yield 0.0, up
    yield 0.001, agreed
    yield 0.0, sip("c12", False, "ACK sip:pin_collect@bench SIP/2.0", "1 ACK")
    yield 4.089, ev.KeyReceived("c12", 1, 100, "RFC 4733")
    yield 0.003, ev.HandlerCalled("c12", 2, "onDtmf", "1, 100", "None", "", 3.0, "p.py", 15)
    hdrs = "'sip:conf@10.0.0.5', 'X-Pin: 1234\\r\\n'"
    yield 0.031, ev.ApiCalled("c12", "connectCallee", hdrs, "/s/pin_collect.py", 97)
    yield (
        0.0,
        ev.LegStarted("c12b", "out", "pin_collect", 7, "sip:conf@10.0.0.5", "x", "", "t", "c12"),
    )
    invite = sip(
        "c12b", True, "INVITE sip:conf@10.0.0.5 SIP/2.0", "1 INVITE", "X-Pin: 1234", sdp=True
    )
    yield 0.001, invite
    yield 0.5, msgspec.structs.replace(invite, retransmission=True)
    yield 0.012, sip("c12b", False, "SIP/2.0 180 Ringing", "1 INVITE")
    yield 0.8, sip("c12b", False, "SIP/2.0 200 OK", "1 INVITE", sdp=True)
    yield 0.001, sip("c12b", True, "ACK sip:conf@10.0.0.5 SIP/2.0", "1 ACK")
    yield 0.0, ev.LegChanged("c12b", "up", 200, "OK")
    yield (
        0.02,
        ev.MediaAgreed(
            "c12b", "PCMA", 8000, 8, 20, 101, "127.0.0.1:10008", "10.0.0.5:7000", "sendrecv"
        ),
    )
    reinvite = "INVITE sip:phone@127.0.0.1 SIP/2.0"
    yield 0.004, sip("c12", True, reinvite, "1 INVITE", "To: <sip:a@b>;tag=1", sdp=True)
    yield 0.003, sip("c12", False, "SIP/2.0 200 OK", "1 INVITE", sdp=True)
    yield 0.001, measured("c12", 0, 0)


def parted_events() -> Iterator[tuple[float, ev.Event]]:
    """`ladder_events`, and then the script parts the two: re-INVITEs on both legs."""
    yield from ladder_events()
    tag = "To: <sip:a@b>;tag=1"
    yield 3.0, ev.ApiCalled("c12", "connectAudio", "", "/s/pin_collect.py", 120)
    yield 0.001, sip("c12", True, "INVITE sip:phone@x SIP/2.0", "7 INVITE", tag, sdp=True)
    yield 0.2, sip("c12", False, "SIP/2.0 200 OK", "7 INVITE", sdp=True)
    yield 0.001, sip("c12", True, "ACK sip:phone@x SIP/2.0", "7 ACK")
    yield 0.001, sip("c12b", True, "INVITE sip:conf@10.0.0.5 SIP/2.0", "8 INVITE", tag, sdp=True)
    yield 0.001, sip("c12", False, "INFO sip:x SIP/2.0", "9 INFO")
    yield 0.1, sip("c12b", False, "SIP/2.0 200 OK", "8 INVITE", sdp=True)
    yield 0.0, sip("c12b", True, "ACK sip:conf@10.0.0.5 SIP/2.0", "8 ACK")
    yield 90.0, sip("c12", True, "INVITE sip:phone@x SIP/2.0", "10 INVITE", tag, sdp=True)
    yield 0.1, sip("c12", False, "SIP/2.0 200 OK", "10 INVITE", sdp=True)


def two_call_events() -> Iterator[tuple[float, ev.Event]]:
    """`ladder_events`, and a second caller of the same address who gets as far as ringing."""
    yield from ladder_events()
    started, _, _ = leg_up("c13", "pin_collect", 7, "sip:bob@10.0.0.8")
    yield 1.0, started
    yield 0.0, sip("c13", False, "INVITE sip:pin_collect@bench SIP/2.0", "1 INVITE", sdp=True)
    yield 0.001, sip("c13", True, "SIP/2.0 180 Ringing", "1 INVITE")


# --- to look at ------------------------------------------------------------------------------


async def _serve(path: str) -> None:
    engine = FakeEngine(SystemClock())
    server = await asyncio.start_unix_server(
        lambda reader, writer: serve_connection(reader, writer, engine.hub, engine.handle), path
    )
    async with server:
        for wait_s, event in bench_events():
            await asyncio.sleep(min(wait_s, 0.02))
            engine.publish(event)
        tick = 0
        while True:
            await asyncio.sleep(0.1)
            tick += 1
            for leg in list(engine.hub.history.live.values()):
                item = leg.playing.enqueued.item if leg.playing else 0
                level = -30 + 20 * math.sin(tick / 5)
                engine.publish(measured(leg.name, item, tick * 100 % 4800, level))
            if tick % 10 == 0:
                engine.publish(report(len(engine.hub.history.live)))


if __name__ == "__main__":
    Path(sys.argv[1]).unlink(missing_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1]))
