"""Numbers a caller pressed, as PINs and cards: other digits stand for them in a test.

Nothing tells a PIN from another number, so this is done where somebody asks for it. The digits
that stand for a number are the same wherever it was pressed, so a test goes the way of the call
once its script knows them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from ivrbench.observe.case_dial import SECRET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.observe.case import Case, Step

__all__ = ["ONE_NUMBER_S", "SHORTEST_NUMBER", "asked_for_secret", "without_numbers"]

ONE_NUMBER_S: Final = 2.0
"""Keys that follow each other sooner belong together."""
SHORTEST_NUMBER: Final = 3
"""Fewer keys are a choice from a menu."""
_NUMBER: Final = re.compile(rf"\d{{{SHORTEST_NUMBER},}}")


def asked_for_secret(case: Case) -> str:
    """The prompt before a number that is, by the prompt's name, a secret; "" if there is none."""
    prompt = ""
    for step in case.steps:
        if step.verb == "plays":
            prompt = step.arguments[0][1:-1]
        elif step.verb == "press" and SECRET.search(prompt) and _NUMBER.search(step.arguments[0]):
            return prompt
    return ""


def without_numbers(case: Case) -> Case:
    """The case with other digits for every number somebody pressed."""
    steps = [replace(step, arguments=list(step.arguments)) for step in case.steps]
    runs = _pressed_together(steps)
    stand_ins = _stand_ins([found for run in runs for found in _NUMBER.findall(_keys(run))])
    if not stand_ins:
        return case
    for run in runs:
        shown = iter(_NUMBER.sub(lambda found: stand_ins[found[0]], _keys(run)))
        for step in run:
            step.arguments[0] = f'"{"".join(islice(shown, len(step.arguments[0]) - 2))}"'
    for step in steps:
        if step.verb != "press":  # a script may call the number that was pressed
            step.arguments = [_replaced(each, stand_ins) for each in step.arguments]
    keys = _keys([step for step in steps if (step.who, step.verb) == ("call", "press")])
    note = "other numbers were pressed in the call: the script has to know those below instead"
    return replace(case, steps=steps, keys=keys, notes=[*case.notes, note])


def _pressed_together(steps: Sequence[Step]) -> list[list[Step]]:
    """Presses of one party that may be one number.

    Nothing happened between them, however slow they were; or they came quickly, whatever the
    script did at each key: it may beep.
    """
    runs: list[list[Step]] = []
    last: dict[str, tuple[int, list[Step]]] = {}
    for at, step in enumerate(steps):
        if step.verb != "press":
            continue
        before, run = last.get(step.who, (-1, []))
        n_keys = len(step.arguments[0]) - 2
        if run and (before == at - 1 or step.at_s - run[-1].at_s < ONE_NUMBER_S * n_keys):
            run.append(step)
        else:
            run = [step]
            runs.append(run)
        last[step.who] = at, run
    return runs


def _keys(presses: Sequence[Step]) -> str:
    return "".join(step.arguments[0][1:-1] for step in presses)


def _stand_ins(numbers: Sequence[str]) -> dict[str, str]:
    """For each number one as long: the same digit again and again, 1 for the first."""
    found: dict[str, str] = {}
    taken = set(numbers)
    for n, number in enumerate(dict.fromkeys(numbers)):
        digits = "123456789"[n % 9 :] + "123456789"[: n % 9]
        counted = (f"{count:0{len(number)}}" for count in range(10 ** len(number)))
        same = (digit * len(number) for digit in digits)
        found[number] = next(each for each in chain(same, counted) if each not in taken)
        taken.add(found[number])
    return found


def _replaced(text: str, stand_ins: dict[str, str]) -> str:
    found = re.compile("|".join(rf"(?<!\d){re.escape(each)}(?!\d)" for each in stand_ins))
    return found.sub(lambda match: stand_ins[match[0]], text)
