"""The line console: the workbench's verbs without a screen, for screen readers, dumb terminals
and programs. `--json` makes every line of output one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ivrbench.clock import Clock, SystemClock
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import Drain, HangUp, PlaceTestCall, ReloadScripts, TellPhone, Watch
from ivrbench.observe.events import LegEnded, LegStarted, LogWritten, Stamped
from ivrbench.observe.ladder import legs_of
from ivrbench.observe.phones import PhoneRang
from ivrbench.tui.link import Link
from ivrbench.tui.model import TEST_PHONE, Model
from ivrbench.tui.plain_verbs import HELP, VERBS
from ivrbench.tui.theme import ASCII, UNICODE
from ivrbench.tui.views.call import event_line
from ivrbench.tui.views.ladder import ladder_lines, picture, shown_rows
from ivrbench.tui.views.legs import leg_lines
from ivrbench.tui.views.log import latest_log_lines
from ivrbench.tui.views.scripts import script_lines, state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import tzinfo

    from ivrbench.observe.commands import Command
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.link import Client

__all__ = ["Console", "run_plain"]

WIDTH: Final = 100
READY_WITHIN_S: Final = 30.0
LOG_LINES: Final = 20
PHONE_VERBS: Final = (
    *("press", "mute", "hold", "keys-by", "network", "rtcp", "say"),
    *("microphone", "speaker", "transfer"),
)


class Console:
    """Reads commands, writes lines.

    Args:
        connect: makes a connection to the control socket.
        write: takes one line of output.
        clock: for times.
        as_json: every line is a JSON object.
        ascii_only: nothing beyond ASCII.
        zone: of the times shown, None for the machine's.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        write: Callable[[str], None],
        clock: Clock,
        *,
        as_json: bool = False,
        ascii_only: bool = False,
        zone: tzinfo | None = None,
    ) -> None:
        self.model = Model(glyphs=ASCII if ascii_only else UNICODE, zone=zone)
        self.model.on_event = self._happened
        self._write = write
        self._clock = clock
        self._as_json = as_json
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._link = Link(self.model, connect, clock, self._on_change, self._on_lost)
        self._followed = ""
        self._inspected: tuple[str, ...] = ()
        self._told_news = ""

    async def run(self, commands: AsyncIterator[str]) -> None:
        """Obey until `quit` or the end of the commands."""
        reading = asyncio.create_task(self._link.run())
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._ready.wait()
            await self.watch()
            async for text in commands:
                if text.strip() in ("quit", "exit"):
                    return
                await self.obey(text)
        except TimeoutError:
            reason = self.model.down_reason or "it does not listen for calls"
            self.say("error", text=f"no engine: {reason}")
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    def now_s(self) -> float:
        """Wall-clock time."""
        return self._clock.wall()

    async def watch(self, leg: str = "") -> None:
        """Keep the attributes of this leg from now on, beside those of the legs before it."""
        self._inspected = tuple(dict.fromkeys((*self._inspected, leg))) if leg else ()
        await self._link.ask(Watch(all_legs=True, inspected=self._inspected))

    async def find_leg(self, name: str) -> LegView | None:
        """A leg by name, else the test call's, with all that the engine knows of it and of the
        other legs of its call. Says so if there is none.
        """
        history = self.model.history
        leg = history.leg(name or self.model.test_leg)
        if leg is None:
            self.say("error", text=f"there is no leg {name or '(which?)'}: legs lists them")
            return None
        name = leg.name
        brief = tuple(leg.name for leg in legs_of(history, name) if leg.brief)
        if brief:
            await self._link.ask(Watch(legs=brief, all_legs=True, inspected=self._inspected))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN_S):
                while any(leg.brief for leg in legs_of(history, name)):
                    self._changed.clear()
                    await self._changed.wait()
        return history.leg(name)

    async def obey(self, text: str) -> None:
        """Carry out one line."""
        verb, _, argument = text.strip().partition(" ")
        action = _VERBS.get(verb)
        if action is not None:
            await action(self, argument.strip())
        elif verb in PHONE_VERBS:
            await self._tell_phone(verb, argument.strip())
        elif verb:
            self.say("error", text=f"there is no command {verb}: help lists them")

    # --- output ---------------------------------------------------------------------------

    def say(self, kind: str, /, **fields: object) -> None:
        """One answer: its text, or all of it as JSON."""
        if self._as_json:
            self._write(msgspec.json.encode({"type": kind, **fields}).decode())
        elif fields.get("text"):
            self._write(self.model.glyphs.draw(str(fields["text"])))

    def tell(self, kind: str, texts: list[str], values: list[dict[str, Any]]) -> None:
        """A list: lines for people, one object each for programs."""
        if self._as_json:
            for value in values:
                self.say(kind, **value)
        else:
            for text in texts:
                self._write(self.model.glyphs.draw(text.rstrip()))

    # --- what happens -----------------------------------------------------------------------

    def _on_change(self) -> None:
        self._changed.set()
        listeners = self.model.history.engine.listeners.values()
        # An engine that was started for us is there before its scripts and sockets are.
        if self.model.link == "up" and any(listener.up for listener in listeners):
            self._ready.set()
        news = self.model.news
        if news is not None and news.text != self._told_news:
            self._told_news = news.text
            self.say("news", text=f"* {news.text}")

    def _on_lost(self) -> None:
        self.say("error", text=f"the engine is gone: {self.model.down_reason}")

    def _happened(self, stamped: Stamped) -> None:
        event = stamped.event
        name = getattr(event, "leg", "")
        if isinstance(event, PhoneRang):
            text = f"* {name or event.phone} rings: {event.caller} calls {event.called}"
            self.say("rings", leg=name, phone=event.phone, text=text)
        if isinstance(event, LegStarted | LegEnded) and self._followed != name:
            leg = self.model.history.leg(name)
            if leg is not None and leg.started.peer == TEST_PHONE and isinstance(event, LegEnded):
                self.say("ended", leg=name, text=f"* {name} over: by {event.by} {event.reason}")
        if not name or self._followed not in (name, "all"):
            return
        if self._as_json:
            self._write(msgspec.json.encode(_event_value(stamped)).decode())
            return
        leg = self.model.history.leg(name)
        shown = event_line(self.model, leg, stamped, WIDTH - 6) if leg is not None else None
        if isinstance(event, LogWritten):
            self._write(f"{name:5} {event.text}")
        elif shown is not None:
            self._write(self.model.glyphs.draw(f"{name:5} {shown.text.rstrip()}"))

    # --- verbs ------------------------------------------------------------------------------

    async def ask(self, command: Command) -> None:
        answered = await self._link.ask(command)
        if isinstance(command, PlaceTestCall) and answered.ok and not command.answers:
            self.model.begin_test_call(answered.phone)
            self.model.test_leg = answered.leg
        text = answered.text
        if answered.leg and not text.startswith(answered.leg):
            text = f"{answered.leg} {text}"
        self.say(
            "answer" if answered.ok else "error",
            ok=answered.ok,
            leg=answered.leg,
            phone=answered.phone,
            text=text if answered.ok else f"error: {text}",
        )

    async def _call(self, target: str) -> None:
        if target:
            await self.ask(PlaceTestCall(target))
        else:
            self.say("error", text="call whom? scripts lists them")

    async def _tell_phone(self, verb: str, argument: str) -> None:
        phone = self.model.phone_to_tell
        if phone:
            await self.ask(TellPhone(phone, verb, argument))
        else:
            self.say("error", text="no test call is up: call NAME makes one")

    async def _hang_up(self, leg: str) -> None:
        leg = leg or self.model.test_leg
        phone = self.model.history.phone_of(leg)
        if phone is not None and phone.ended is None:
            await self.ask(TellPhone(leg, "hangup"))
        elif leg:
            await self.ask(HangUp(leg))
        elif self.model.phone_to_tell:
            await self._tell_phone("hangup", "")
        else:
            self.say("error", text="hang up what? legs lists them")

    async def _legs(self, _: str) -> None:
        history = self.model.history
        legs = (*reversed(history.live.values()), *reversed(history.done.values()))
        lines = leg_lines(self.model, self._clock.wall(), WIDTH)
        self.tell("leg", [one.text for one in lines], [_leg_value(leg) for leg in legs])

    async def _scripts(self, _: str) -> None:
        scripts = self.model.history.scripts
        values = []
        for name, script in sorted(scripts.items()):
            serving = script.serving
            values.append(
                {
                    "script": name,
                    "generation": serving.generation if serving else 0,
                    "calls": script.live_calls,
                    "state": state_of(self.model, script)[0],
                }
            )
        self.tell("script", [one.text for one in script_lines(self.model, 60)], values)

    async def _ladder(self, names: str) -> None:
        legs = [await self.find_leg(name) for name in names.split() or [""]]
        found = [leg.name for leg in legs if leg is not None]
        if len(found) < len(legs):
            return
        self.model.ladder.times = 1
        _, ladder = picture(self.model, *found)
        self.model.ladder.unfolded = tuple(row.key for row in ladder.rows if row.below)
        values = [
            {
                "leg": row.leg,
                "at_s": row.at_s,
                "kind": row.kind,
                "from": ladder.columns[row.start].name,
                "to": ladder.columns[row.end].name,
                "label": row.label,
                "note": row.note,
            }
            for row in shown_rows(self.model.ladder, ladder)
        ]
        texts = [f" {one.text[1:]}" for one in ladder_lines(self.model, ladder, WIDTH)]
        self.tell("row", texts, values)

    async def _follow(self, name: str) -> None:
        self._followed = "" if name == "off" else name or self.model.test_leg or "all"
        self.say("answer", ok=True, text=f"following {self._followed or 'nothing'}")

    async def _reload(self, name: str) -> None:
        await self.ask(ReloadScripts(name))

    async def _log(self, number: str) -> None:
        n_lines = int(number) if number.isdigit() else LOG_LINES
        lines = latest_log_lines(self.model, WIDTH, n_lines)
        kept = [s for s in self.model.history.logs.events if isinstance(s.event, LogWritten)]
        self.tell(
            "log",
            [one.text for one in lines],
            [{**_event_value(s), "type": "log"} for s in kept[-n_lines:]],
        )

    async def _wait(self, what: str) -> None:
        if what == "ended":
            while self.model.test_leg or self.model.phone_to_tell:
                self._changed.clear()
                await self._changed.wait()
            return
        try:
            await asyncio.sleep(float(what))
        except ValueError:
            self.say("error", text="wait SECONDS, or wait ended")

    async def _drain(self, _: str) -> None:
        await self.ask(Drain())

    async def _help(self, _: str) -> None:
        self.tell("help", list(HELP), [{"text": text} for text in HELP])


def _leg_value(leg: LegView) -> dict[str, Any]:  # Any: the values of a JSON object
    return {
        "leg": leg.name,
        "script": leg.started.script,
        "generation": leg.started.generation,
        "peer": leg.started.peer,
        "state": leg.state,
        "code": leg.code,
        "keys": leg.keys,
    }


def _event_value(stamped: Stamped) -> dict[str, Any]:  # Any: the values of a JSON object
    value: dict[str, Any] = msgspec.to_builtins(stamped.event)
    return {"seq": stamped.seq, "at_s": stamped.at_s, **value}


_VERBS: Final[dict[str, Callable[[Console, str], Awaitable[None]]]] = {
    "call": Console._call,
    "hangup": Console._hang_up,
    "legs": Console._legs,
    "scripts": Console._scripts,
    "ladder": Console._ladder,
    "follow": Console._follow,
    "reload": Console._reload,
    "log": Console._log,
    "wait": Console._wait,
    "drain": Console._drain,
    "help": Console._help,
    **VERBS,
}


def run_plain(control_socket: str, *, as_json: bool, ascii_only: bool = False) -> int:
    """Obey standard input until it ends or says `quit`.

    Args:
        control_socket: the engine's.
        as_json: every line of output is a JSON object.
        ascii_only: nothing beyond ASCII.

    Returns:
        The exit code: 0.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(control_socket, as_json, ascii_only))
    return 0


async def _run(control_socket: str, as_json: bool, ascii_only: bool) -> None:
    async def connect() -> ControlClient:
        return await ControlClient.connect(control_socket)

    console = Console(connect, _write, SystemClock(), as_json=as_json, ascii_only=ascii_only)
    await console.run(_typed(prompt=sys.stdin.isatty() and not as_json))


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _typed(*, prompt: bool) -> AsyncIterator[str]:
    """Lines of standard input, read in a thread that dies with the process."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            for text in iter(sys.stdin.readline, ""):
                loop.call_soon_threadsafe(lines.put_nowait, text)
            loop.call_soon_threadsafe(lines.put_nowait, "quit")

    threading.Thread(target=read, daemon=True).start()
    while True:
        if prompt and lines.empty():
            sys.stdout.write("> ")
            sys.stdout.flush()
        yield await lines.get()
