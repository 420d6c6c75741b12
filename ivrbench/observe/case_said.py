"""What the caller said, where it was recorded: files that become part of a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import ItemEnqueued, RecordingEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.observe.case import Case, Step
    from ivrbench.observe.events import Stamped

__all__ = ["Said", "named_after", "said_into", "what_is_there", "with_voice"]

HEADER_BYTES: Final = 128
"""A sound file is at most so much longer than its samples."""


@dataclass(frozen=True, slots=True)
class Said:
    """A recording of the caller."""

    file: str
    """On the engine's machine."""
    n_bytes: int
    """Of samples."""

    @property
    def is_there(self) -> bool:
        """The file has not been removed or recorded into again since."""
        try:
            size = Path(self.file).stat().st_size
        except OSError:
            return False
        return 0 <= size - self.n_bytes <= HEADER_BYTES


def said_into(item: ItemEnqueued, told_later: Sequence[Stamped]) -> Said | None:
    """What was recorded by an item of a playlist; None: nothing, or it failed.

    Args:
        item: of the playlist, that records.
        told_later: what happened since it began.
    """
    name = PurePath(item.record).name
    for stamped in told_later:
        event = stamped.event
        if isinstance(event, RecordingEnded) and event.leg == item.leg:
            if PurePath(event.file).name == name:
                return (
                    Said(event.file, event.n_bytes) if event.n_bytes and not event.error else None
                )
    return None


def what_is_there(case: Case) -> Case:
    """The case without words whose file is gone; a note says so."""
    lost = [step for step in case.steps if step.said is not None and not step.said.is_there]
    if not lost:
        return case
    notes = [f"{PurePath(s.said.file).name} is not what was said any more" for s in lost if s.said]
    steps = [step for step in case.steps if step not in lost]
    return replace(case, steps=steps, notes=[*case.notes, *dict.fromkeys(notes)])


def named_after(case: Case, test: str) -> Case:
    """The case with its sound files named after the test."""
    steps, n = list(case.steps), 0
    for at, step in enumerate(steps):
        if step.said is not None:
            n += 1
            file = f"{test.removeprefix('test_')}_{n}{PurePath(step.said.file).suffix}"
            steps[at] = replace(step, arguments=[f'"{file}"', *step.arguments[1:]])
    return replace(case, steps=steps)


def with_voice(case: Case, step: Step) -> Case:
    """The case with words that the caller began to say once the call was answered."""
    at = next((n for n, each in enumerate(case.steps) if each.verb == "answered"), None)
    if at is None:
        return case
    step = replace(step, at_s=case.steps[at].at_s)
    return replace(case, steps=[*case.steps[: at + 1], step, *case.steps[at + 1 :]])
