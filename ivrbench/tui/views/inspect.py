"""The attributes of a dialog object after any event of its call, and a console beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.observe.events import ApiCalled, HandlerCalled, HandlerRaised, ItemEnded
from ivrbench.observe.inspection import GROUPS, CallTouched, InspectionStep
from ivrbench.observe.ladder import AUDIO_CALLS
from ivrbench.tui.text import Line, cells, fit, line, minutes, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.events import Stamped
    from ivrbench.observe.inspection import InspectedValue
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = [
    "ConsoleEntry",
    "InspectChoice",
    "Moment",
    "changes_text",
    "console_lines",
    "inspect_title",
    "moment_lines",
    "moments",
    "place_of",
    "selected_moment",
    "tree_lines",
]

MAX_CONSOLE_ENTRIES = 200
_TITLES = {"self": "self", "dialog": "self.dialog", "invite_req": "self.invite_req"}
_NAME_WIDTH = 16


@dataclass(frozen=True, slots=True)
class ConsoleEntry:
    """One line that was typed, and what came of it."""

    leg: str
    text: str
    result: str = "…"
    ok: bool = True


@dataclass
class InspectChoice:
    """What the person chose on the Inspect screen."""

    seq: int = 0
    """The event whose values are shown, 0 for the newest."""
    row: str = ""
    """Path of the selected value."""
    open: set[str] = field(default_factory=lambda: {"self", "dialog", "timers", "media"})
    """Paths whose parts are shown."""
    changed_only: bool = False
    find: str = ""
    entries: list[ConsoleEntry] = field(default_factory=list)
    """Of the console, oldest first."""

    def type_line(self, entry: ConsoleEntry) -> None:
        """A line was typed; the oldest fall out."""
        self.entries.append(entry)
        del self.entries[:-MAX_CONSOLE_ENTRIES]

    def answer(self, asked: ConsoleEntry, entry: ConsoleEntry) -> None:
        """What came of it."""
        if asked in self.entries:
            self.entries[self.entries.index(asked)] = entry


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of the call that one can go back to."""

    seq: int
    at_s: float
    text: str
    role: str
    step: InspectionStep | None
    """What it changed, None if nothing or not known."""
    file: str = ""
    line: int = 0


def moments(leg: LegView | None) -> list[Moment]:
    """What can be stepped through, oldest first."""
    if leg is None:
        return []
    found = [moment for stamped in leg.timeline if (moment := _moment(leg, stamped)) is not None]
    steps = leg.inspected.steps if leg.inspected is not None else []
    found += [
        Moment(step.seq, step.at_s, "(meanwhile)", "dim", step)
        for step in steps[1:]
        if step.call == 0
    ]
    return sorted(found, key=lambda moment: moment.seq)


def _moment(leg: LegView, stamped: Stamped) -> Moment | None:
    seq, at_s, event = stamped.seq, stamped.at_s, stamped.event
    match event:
        case HandlerCalled():
            text = f"{event.handler}({event.arguments})"
            return Moment(seq, at_s, text, "", _step(leg, event.call), event.file, event.line)
        case HandlerRaised():
            text = f"{event.handler}({event.arguments}) raised {event.error_type}"
            return Moment(seq, at_s, text, "bad", _step(leg, event.call), event.file, event.line)
        case ItemEnded():
            ended = (i.enqueued for i in leg.items if i.enqueued.item == event.item)
            item = next(ended, None)
            name = item.label or item.play or item.record if item else f"item {event.item}"
            text = f"({name.rpartition('/')[2]} {event.reason})"
            return Moment(seq, at_s, text, "dim", None)
        case ApiCalled() if event.name not in AUDIO_CALLS:
            text = f"  {event.name}({event.arguments})"
            return Moment(seq, at_s, text, "accent", None, event.file, event.line)
        case CallTouched():
            return Moment(seq, at_s, f"by hand: {event.text}", "warn", None)
    return None


def _step(leg: LegView, call: int) -> InspectionStep | None:
    return leg.inspected.step_of(call) if leg.inspected is not None else None


def selected_moment(model: Model, found: list[Moment]) -> Moment | None:
    """The one under the cursor, else the newest."""
    chosen = (moment for moment in found if moment.seq == model.inspect.seq)
    return next(chosen, found[-1] if found else None)


def place_of(moment: Moment | None) -> str:
    """Where in the script it is: "menu.py:12", "" if nowhere."""
    if moment is None or not moment.line:
        return ""
    return f"{moment.file.rpartition('/')[2]}:{moment.line}"


def inspect_title(model: Model, leg: LegView | None, found: list[Moment]) -> tuple[str, str]:
    """Title of the tree: which object, and as of when."""
    if leg is None:
        return "no call", ""
    started = leg.started
    left = f"{leg.name} {model.glyphs.dot} {started.script}@{started.generation}"
    moment = selected_moment(model, found)
    if not model.inspect.seq or moment is None:
        return left, "now" if leg.ended is None else "at its end"
    return left, f"after event {found.index(moment) + 1}"


def changes_text(model: Model, leg: LegView, call: int) -> str:
    """What a handler changed of its own attributes: "keys '' → '1'".

    Args:
        model: for the arrow.
        leg: whose handler.
        call: number of its call; what the first look found is no change.
    """
    step = _step(leg, call)
    if step is None or leg.inspected is None or step is leg.inspected.steps[0]:
        return ""
    return _step_text(model, step)


def _step_text(model: Model, step: InspectionStep | None) -> str:
    if step is None:
        return ""
    own = [c for c in step.changes if c.path.startswith("self.")]
    return "  ".join(
        f"{c.path[5:]} {f'{_short(c.was)} {model.glyphs.arrow}' if c.was else '='} "
        f"{_short(c.value.text) if c.value else 'gone'}"
        for c in own
    )


def _short(text: str, limit: int = 24) -> str:
    return fit(text, min(cells(text), limit)) or "-"


# --- the tree -----------------------------------------------------------------------------------


def tree_lines(model: Model, leg: LegView | None, now_s: float, width: int) -> list[Line]:
    """Groups of attributes, with what the last event changed marked."""
    if leg is None:
        return [line(("  no call selected", "dim"))]
    if leg.inspected is None:
        return _nothing_yet(model, leg, width)
    found = moments(leg)
    moment = selected_moment(model, found)
    is_now = not model.inspect.seq
    seq = model.history.seq if is_now or moment is None else moment.seq
    values = leg.inspected.at(seq)
    steps = leg.inspected.steps
    last = moment.step if moment is not None else None
    if is_now and len(steps) > 1:
        last = steps[-1]
    was = {c.path: c.was for c in last.changes} if last is not None and last != steps[0] else {}
    return list(_Tree(model, leg, values, was, now_s if is_now else None, width).lines())


def _nothing_yet(model: Model, leg: LegView, width: int) -> list[Line]:
    text = (
        "Nobody looked at this call: its attributes were not kept. Those of test calls and of "
        "calls shown here are; inspect = all in ivr.conf keeps those of every call."
        if leg.ended is not None
        else "Its attributes are kept from now on: they show after its next event."
    )
    return [line(""), *(line((f"  {part}", "dim")) for part in wrap(text, max(10, width - 4)))]


@dataclass
class _Tree:
    """Makes the lines of one state."""

    model: Model
    leg: LegView
    values: dict[str, InspectedValue]
    was: dict[str, str]
    now_s: float | None
    """None: it is the past that is shown."""
    width: int

    def lines(self) -> Iterator[Line]:
        for group in GROUPS:
            own = {
                path: value
                for path, value in self.values.items()
                if path.partition(".")[0] == group and self._is_wanted(path, value)
            }
            if not own:
                continue
            whole = own.get(f"{group}.")
            title = _TITLES.get(group, group)
            yield self._line(group, 0, title, whole.text if whole else "", bool(own), role="head")
            if group not in self.model.inspect.open:
                continue
            if whole is not None:
                for name, part in whole.parts:
                    yield from self._value(f"{group}./{name}", 1, name, part)
                continue
            for path, value in own.items():
                name = path.partition(".")[2]
                if group == "timers":
                    yield from self._timer(path, name, value.text)
                else:
                    yield from self._value(path, 1, name, value, self.was.get(path))

    def _is_wanted(self, path: str, value: InspectedValue) -> bool:
        choice = self.model.inspect
        if choice.changed_only and path not in self.was:
            return False
        return choice.find.lower() in f"{path} {value.text}".lower()

    def _timer(self, path: str, timer_id: str, text: str) -> Iterator[Line]:
        due, _, name = text.partition(" ")
        label = f"{name} ({timer_id})" if name else timer_id
        try:
            due_s = float(due)
        except ValueError:
            due_s = 0.0
        if self.now_s is None:
            shown = f"at {minutes(due_s)}"
        else:
            shown = f"in {max(0.0, self.leg.at_s + due_s - self.now_s):.1f} s"
        yield self._line(path, 1, label, shown, False)

    def _value(
        self, path: str, depth: int, name: str, value: InspectedValue, was: str | None = None
    ) -> Iterator[Line]:
        yield self._line(path, depth, name, value.text, bool(value.parts), was=was)
        if value.parts and path in self.model.inspect.open:
            for part_name, part in value.parts:
                yield from self._value(f"{path}/{part_name}", depth + 1, part_name, part)

    def _line(
        self,
        path: str,
        depth: int,
        name: str,
        text: str,
        opens: bool,
        *,
        role: str = "",
        was: str | None = None,
    ) -> Line:
        glyphs, choice = self.model.glyphs, self.model.inspect
        mark = (glyphs.opened if path in choice.open else glyphs.open) if opens else " "
        selected = path == choice.row
        indent = "  " * depth
        name = fit(name, max(cells(name), _NAME_WIDTH - len(indent))) if text else name
        changed = ""
        if was is not None:
            changed = f"  {glyphs.up} was {_short(was)}" if was else f"  {glyphs.up} new"
        room = self.width - 4 - len(indent) - cells(name) - 1 - cells(changed)
        return line(
            (glyphs.cursor if selected else " ", "accent"),
            (f"{indent}{mark} ", "dim"),
            (f"{name} ", role),
            (fit(text, min(cells(text), max(0, room))), "warn" if was is not None else ""),
            (changed, "warn"),
            key=path,
            selected=selected,
        )


# --- the events ---------------------------------------------------------------------------------


def moment_lines(model: Model, leg: LegView | None, width: int) -> list[Line]:
    """The events of the call with what each changed; the chosen one is marked."""
    found = moments(leg)
    if leg is None or not found:
        return [line(("  nothing has happened yet", "dim"))]
    selected = selected_moment(model, found)
    lines = []
    for number, moment in enumerate(found, 1):
        place = f" :{moment.line}" if moment.line and width >= 60 else ""
        changed = _step_text(model, moment.step)
        room = width - 15 - len(place)
        text = fit(moment.text, min(cells(moment.text), room * 3 // 5 if changed else room))
        shown = fit(f"  {changed}", max(0, room - cells(text)))
        lines.append(
            line(
                (model.glyphs.cursor if moment is selected else " ", "accent"),
                (f"{number:3} ", "dim"),
                (f"{moment.at_s - leg.at_s:8.3f}  ", "dim"),
                (text, moment.role),
                (shown, "warn"),
                (place, "dim"),
                key=str(moment.seq),
                selected=moment is selected,
            )
        )
    return lines


# --- the console --------------------------------------------------------------------------------


def console_lines(model: Model, leg: LegView | None, width: int) -> list[Line]:
    """What was typed and what came of it; before that, what can be typed."""
    lines: list[Line] = []
    for entry in model.inspect.entries:
        if leg is None or entry.leg != leg.name:
            continue
        lines.append(line((fit(f">>> {entry.text}", width), "accent")))
        role = "" if entry.ok else "bad"
        lines += [line((fit(part, width), role)) for part in entry.result.splitlines() or [""]]
    if leg is not None and leg.touched_at_s:
        at = minutes(leg.touched_at_s - leg.at_s)
        lines.append(line((f"({leg.name} is marked: touched by hand at {at})", "warn")))
    if not lines and not model.history.engine.console:
        text = "The console is off in this engine: console = yes in ivr.conf turns it on."
        return [line((part, "dim")) for part in wrap(text, width)]
    return lines or [line((fit("Press : and type Python, such as self.keys", width), "dim"))]
