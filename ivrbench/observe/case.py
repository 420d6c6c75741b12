"""Case: a call that was, as the steps of a test: what the caller did, what the script must do.

The steps name the verbs of `ivrbench.testing`; `case_source.py` makes pytest source of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from ivrbench.errors import ControlError
from ivrbench.observe.case_dial import Dial, dial_of
from ivrbench.observe.case_said import Said, said_into
from ivrbench.observe.case_secrets import ONE_NUMBER_S
from ivrbench.observe.case_sip import (
    ACCEPTED,
    answer_to,
    had_early_audio,
    refer_target,
    reported_code,
    transfers_of,
)
from ivrbench.observe.events import (
    ItemEnded,
    ItemEnqueued,
    ItemStarted,
    KeyReceived,
    LegChanged,
    LegEnded,
    LegStarted,
    SipTraced,
    Stamped,
)
from ivrbench.observe.feel import key_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.observe.snapshot import LegView

__all__ = ["Case", "Step", "case_of", "quoted"]

ENOUGH_S: Final = 5.0
"""How long the verbs of a test wait by themselves."""
LONG_KEY_MS: Final = 300
WAYS: Final = {"INFO": "info", "in-band": "tones"}


@dataclass(slots=True)
class Step:
    """One line of the test."""

    at_s: float
    """Wall clock."""
    who: str
    """"call", "callee", "callee2"."""
    verb: str
    arguments: list[str] = field(default_factory=list)
    """As in the source: `"welcome.wav"`, `within_s=9`."""
    checks: str = ""
    """What the line checks: "prompts", "legs" or "end"; "said" for words that were recorded; "" if
    the caller does it."""
    comment: str = ""
    result: str = ""
    """Name that gets what the verb returns."""
    after_key_s: float | None = None
    """For a prompt that a key brought: how long after it."""
    pause_s: float = 0.0
    """What time passes before it, where the caller or callee does it."""
    said: Said | None = None
    """What `say` says, where the script has recorded it."""


@dataclass(slots=True)
class Case:
    """A call as steps.

    Attributes:
        script: its name.
        generation: its version.
        began_s: wall clock.
        lasted_s: from its beginning to its end.
        dial: how it was called.
        steps: what happened, in order.
        keys: all keys that reached the script.
        notes: sentences about what the test cannot repeat.
    """

    script: str
    generation: int
    began_s: float
    lasted_s: float
    dial: Dial
    steps: list[Step]
    keys: str
    notes: list[str]


def case_of(legs: Sequence[LegView]) -> Case:
    """Read a call.

    Args:
        legs: of one call, the first one first.

    Raises:
        ControlError: it is not over, did not come in, or too much of it is forgotten.
    """
    if not legs:
        raise ControlError("there is no such call any more")
    first = legs[0]
    name = first.name
    if first.ended is None:
        raise ControlError(f"{name} is not over yet: it can be recorded as a test when it is")
    if first.started.direction != "in":
        raise ControlError(f"{name} is a call of ours; only calls that came in become tests")
    if not isinstance(first.timeline[0].event, LegStarted):
        raise ControlError(f"{name} was too long: its beginning is forgotten")
    return _Reader(legs).read()


class _Reader:
    """Makes the steps of one call, event by event."""

    def __init__(self, legs: Sequence[LegView]) -> None:
        self.first = legs[0]
        self.legs = {leg.name: leg for leg in legs}
        self.names = {leg.name: self._name(n) for n, leg in enumerate(legs)}
        told = [stamped for leg in legs for stamped in leg.timeline]
        self.events = sorted((*told, *transfers_of(self.first)), key=lambda s: s.seq)
        self.steps: list[Step] = []
        self.anchor_s = self.first.at_s
        """When the last step of the test was."""
        self.busy_until_s = self.first.at_s
        self.items: dict[int, ItemEnqueued] = {}
        self.ended_items: set[int] = set()
        self.playing: ItemEnqueued | None = None
        self.states: dict[str, str] = {}
        self.ends = {leg.name: leg.ended for leg in legs if leg.ended is not None}
        self.gone: set[str] = set()
        """Parties that have hung up."""
        self.keys = ""
        self.key_s: float | None = None

    @staticmethod
    def _name(n: int) -> str:
        return "call" if n == 0 else "callee" if n == 1 else f"callee{n}"

    def read(self) -> Case:
        for stamped in self.events:
            handle = _READS.get(type(stamped.event))
            leg = getattr(stamped.event, "leg", "")
            if handle is not None and leg in self.names:
                handle(self, stamped, stamped.event)
        started = self.first.started
        return Case(
            script=started.script,
            generation=started.generation,
            began_s=self.first.at_s,
            lasted_s=self.events[-1].at_s - self.first.at_s,
            dial=dial_of(self.first),
            steps=self.steps,
            keys=self.keys,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        notes = []
        if self.first.touched_at_s:
            at_s = self.first.touched_at_s - self.first.at_s
            notes.append(f"somebody changed this call by hand after {at_s:.0f} s; that is left out")
        if self.first.raised:
            notes.append(f"{self.first.raised} handlers raised in this call")
        return notes

    # --- steps --------------------------------------------------------------------------------

    def add(self, at_s: float, who: str, verb: str, *arguments: str, **more: Any) -> Step:
        step = Step(at_s, who, verb, list(arguments), **more)
        self.steps.append(step)
        self.anchor_s = at_s
        return step

    def act(self, at_s: float, who: str, verb: str, *arguments: str, **more: Any) -> Step:
        """A step of the caller's or callee's own will: first what time passes before it."""
        # A key that came before the prompt's end must not come after it, and the other way.
        round_ = math.floor if self.playing is not None else math.ceil
        pause_s = round_((at_s - self.anchor_s) * 10) / 10
        return self.add(at_s, who, verb, *arguments, pause_s=pause_s, **more)

    def expect(self, at_s: float, who: str, verb: str, *arguments: str, **more: Any) -> Step:
        """A step that the test waits for: longer than usual if it took longer."""
        waited_s = at_s - max(self.anchor_s, min(self.busy_until_s, at_s))
        if waited_s > ENOUGH_S - 1:
            arguments = (*arguments, f"within_s={math.ceil(waited_s + 2)}")
        return self.add(at_s, who, verb, *arguments, **more)

    # --- legs ---------------------------------------------------------------------------------

    def started(self, stamped: Stamped, event: LegStarted) -> None:
        who = self.names[event.leg]
        if who != "call":
            uri = quoted(event.request_uri.partition(";")[0])
            self.expect(stamped.at_s, "call", "connects", uri, checks="legs", result=who)

    def changed(self, stamped: Stamped, event: LegChanged) -> None:
        who = self.names[event.leg]
        before = self.states.get(who, "trying")
        if event.state == "ending":
            self._ending(stamped.at_s, event.leg)
            return
        self.states[who] = event.state
        if event.state == "early" and event.code > 100 and before != "early":
            act = self.expect if who == "call" else self.act
            how = [] if event.code == 180 else [str(event.code)]
            if who != "call" and had_early_audio(self.legs[event.leg], event.code):
                how.append("early_media=True")
            act(stamped.at_s, who, "rings", *how, checks="legs" if who == "call" else "")
        elif event.state == "up" and before in ("trying", "early"):
            if who == "call":
                self.expect(stamped.at_s, who, "answered", checks="legs")
            else:
                self.act(stamped.at_s, who, "answer")
        elif event.state != before and {event.state, before} == {"up", "held"}:
            self.act(stamped.at_s, who, "hold" if event.state == "held" else "resume")

    def traced(self, stamped: Stamped, event: SipTraced) -> None:
        """A transfer by the script, reports on it, or a transfer by the caller."""
        to = quoted(refer_target(event))
        if event.raw.startswith(b"NOTIFY"):
            code = reported_code(event)
            if code:
                self.act(stamped.at_s, "call", "reports_transfer", str(code))
        elif event.sent:
            answer = answer_to(event, self.first.sip)
            how = () if answer in (0, ACCEPTED) else (f"answer={answer}",)
            self.expect(stamped.at_s, "call", "is_transferred", to, *how)
        else:
            self.act(stamped.at_s, "call", "transfer", to)

    def _ending(self, at_s: float, leg: str) -> None:
        """A party hangs up now, if it is this one who ends the call."""
        who, by = self.names[leg], self.ends[leg].by if leg in self.ends else ""
        if who == "call" and by == "caller":
            self._hang_up(at_s)
        elif who != "call" and by == "callee" and self._is_up(who):
            self._callee_hangs_up(at_s, who)

    def _hang_up(self, at_s: float) -> None:
        if "call" not in self.gone:
            self.gone.add("call")
            self.act(at_s, "call", "hangs_up" if self._is_up("call") else "hang_up")

    def _callee_hangs_up(self, at_s: float, who: str) -> None:
        if who not in self.gone:
            self.gone.add(who)
            self.act(at_s, who, "hang_up")

    def _is_up(self, who: str) -> bool:
        return self.states.get(who) in ("up", "held")

    def ended(self, stamped: Stamped, event: LegEnded) -> None:
        who, at_s = self.names[event.leg], stamped.at_s
        was_up = self._is_up(who)
        if who == "call":
            self._call_ended(at_s, event, was_up=was_up)
        elif event.by == "callee" and was_up:
            self._callee_hangs_up(at_s, who)
        elif event.by == "callee":
            self.act(at_s, who, "reject", str(event.code))
        else:
            if not self._is_up("call") and self.ends[self.first.name].by == "caller":
                self._hang_up(at_s)  # a CANCEL, which ends the callee's call first
            verb = "is_hung_up" if was_up else "is_given_up"
            self.expect(at_s, who, verb, checks="legs")

    def _call_ended(self, at_s: float, event: LegEnded, *, was_up: bool) -> None:
        if event.by == "caller":
            self._hang_up(at_s)
        elif was_up:
            self.expect(at_s, "call", "hangs_up", f"by={quoted(event.by)}", checks="end")
        else:
            self.expect(at_s, "call", "refused", str(event.code), checks="end")

    # --- prompts and keys ---------------------------------------------------------------------

    def enqueued(self, stamped: Stamped, event: ItemEnqueued) -> None:
        self.items[event.item] = event

    def item_started(self, stamped: Stamped, event: ItemStarted) -> None:
        item = self.items.get(event.item)
        if item is None or self.names[event.leg] != "call":
            return
        self.playing = item
        if item.play:
            step = self.expect(
                stamped.at_s, "call", "plays", quoted(_short(item)), checks="prompts"
            )
        else:
            # Names with a date or an id in them are others the next time.
            name = PurePath(item.record).name
            names = () if any(each.isdigit() for each in name) else (quoted(name),)
            step = self.expect(stamped.at_s, "call", "records", *names, checks="prompts")
            self._say(stamped, item)
        if self.key_s is not None:
            step.after_key_s = stamped.at_s - self.key_s
            self.key_s = None

    def _say(self, stamped: Stamped, item: ItemEnqueued) -> None:
        """The words that were recorded, said while the test goes on as the call did."""
        said = said_into(item, [later for later in self.events if later.seq > stamped.seq])
        if said is not None:
            name = quoted(PurePath(said.file).name)
            self.add(stamped.at_s, "call", "say", name, "wait=False", checks="said", said=said)

    def item_ended(self, stamped: Stamped, event: ItemEnded) -> None:
        if self.playing is not None and self.playing.item == event.item:
            self.busy_until_s = stamped.at_s
            self.playing = None

    def key(self, stamped: Stamped, event: KeyReceived) -> None:
        who, name, at_s = self.names[event.leg], key_name(event.key), stamped.at_s
        last = self.steps[-1] if self.steps else None
        if who == "call":
            self.keys += name
            self.key_s = at_s
        how = _how(event)
        if last and (last.who, last.verb, last.arguments[1:]) == (who, "press", how):
            pause_s = at_s - last.at_s
            if pause_s < ONE_NUMBER_S:
                last.arguments[0] = quoted(last.arguments[0][1:-1] + name)
                last.at_s = self.anchor_s = at_s
                return
        cuts = who == "call" and self.playing is not None and bool(self.playing.play)
        comment = "while it plays" if cuts and self._names_it() else ""
        self.act(at_s, who, "press", quoted(name), *how, comment=comment)

    def _names_it(self) -> bool:
        return bool(self.steps) and self.steps[-1].verb == "plays"


def _how(event: KeyReceived) -> list[str]:
    how = []
    if event.duration_ms >= LONG_KEY_MS:
        how.append(f"duration_ms={event.duration_ms}")
    if event.source in WAYS:
        how.append(f"by={quoted(WAYS[event.source])}")
    return how


def _short(item: ItemEnqueued) -> str:
    return item.text or PurePath(item.play).name


def quoted(text: str) -> str:
    """A text as a Python literal, in double quotes unless it has some itself."""
    literal = repr(text)
    return literal if '"' in literal or "\\" in literal else f'"{literal[1:-1]}"'


_READS: Final[dict[type, Callable[..., None]]] = {
    LegStarted: _Reader.started,
    LegChanged: _Reader.changed,
    LegEnded: _Reader.ended,
    ItemEnqueued: _Reader.enqueued,
    ItemStarted: _Reader.item_started,
    ItemEnded: _Reader.item_ended,
    KeyReceived: _Reader.key,
    SipTraced: _Reader.traced,
}
