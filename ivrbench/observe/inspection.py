"""What the attributes of a script's dialog object were after each event of its call."""

from __future__ import annotations

from msgspec import Struct, field

from ivrbench.observe._event import EventBase

__all__ = [
    "GROUPS",
    "AttributeChanged",
    "CallTouched",
    "InspectedValue",
    "InspectionEvent",
    "InspectionStep",
    "InspectionView",
    "LegInspected",
]

GROUPS = ("self", "dialog", "invite_req", "timers", "media")
"""What a path begins with: `self.keys`, `dialog.cseq`, `timers.1`."""


class InspectedValue(Struct, frozen=True, array_like=True):
    """A value in words, and what it consists of."""

    text: str
    """Like its `repr`, but no code of the script is run for it."""
    parts: tuple[tuple[str, InspectedValue], ...] = ()


class AttributeChanged(Struct, frozen=True, array_like=True):
    """One attribute that is not as it was."""

    path: str
    """Group and name, `self.keys`."""
    value: InspectedValue | None
    """None: it is gone."""
    was: str = ""
    """Its text before, "" if it was not there."""


class LegInspected(EventBase, frozen=True):
    """The attributes that changed since the leg was looked at last; the first time: all of them.

    It comes right before the `HandlerCalled` or `HandlerRaised` of the handler that changed them.
    """

    leg: str
    call: int
    """Matches `HandlerCalled.call`; 0: not after a handler."""
    changes: tuple[AttributeChanged, ...]
    is_whole: bool = False
    """What is not among the changes is not there."""


class CallTouched(EventBase, frozen=True):
    """Somebody changed the call by hand, with a line of the console."""

    leg: str
    text: str
    """The line."""
    result: str
    """What came of it, as the console said it."""


InspectionEvent = LegInspected | CallTouched


class InspectionStep(Struct, frozen=True, array_like=True):
    """What changed at one moment."""

    seq: int
    at_s: float
    call: int
    changes: tuple[AttributeChanged, ...]


class InspectionView(Struct):
    """The attributes of one leg's dialog object now and before."""

    first: dict[str, InspectedValue] = field(default_factory=dict)
    """As they were before the first of `steps`."""
    steps: list[InspectionStep] = field(default_factory=list)
    """Oldest first; what fell out went into `first`."""
    n_chars: int = 0
    """About how much text `steps` hold."""

    def at(self, seq: int) -> dict[str, InspectedValue]:
        """The attributes after the event with this number, by path."""
        values = dict(self.first)
        for step in self.steps:
            if step.seq > seq:
                break
            _take(values, step)
        return values

    def step_of(self, call: int) -> InspectionStep | None:
        """What a handler changed, None if nothing or not known."""
        return next((step for step in reversed(self.steps) if step.call == call), None)

    def add(self, step: InspectionStep, max_steps: int, max_chars: int) -> None:
        """Take one more step; the oldest become `first`."""
        self.steps.append(step)
        self.n_chars += _chars(step)
        while len(self.steps) > 1 and (len(self.steps) > max_steps or self.n_chars > max_chars):
            oldest = self.steps.pop(0)
            self.n_chars -= _chars(oldest)
            _take(self.first, oldest)

    def begin(self, step: InspectionStep) -> None:
        """Begin anew with a step that tells everything."""
        self.first, self.steps, self.n_chars = {}, [step], _chars(step)


def _take(values: dict[str, InspectedValue], step: InspectionStep) -> None:
    for change in step.changes:
        if change.value is None:
            values.pop(change.path, None)
        else:
            values[change.path] = change.value


def _chars(step: InspectionStep) -> int:
    return sum(
        len(change.path) + len(change.was) + (_value_chars(change.value) if change.value else 0)
        for change in step.changes
    )


def _value_chars(value: InspectedValue) -> int:
    return len(value.text) + sum(len(name) + _value_chars(part) for name, part in value.parts)
