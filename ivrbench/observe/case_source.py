"""Source: a case as a pytest test that a person can read and edit, and the file it goes into."""

from __future__ import annotations

import ast
import math
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ControlError
from ivrbench.observe.case import quoted
from ivrbench.observe.case_said import named_after, what_is_there
from ivrbench.observe.case_secrets import without_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

    from ivrbench.observe.case import Case, Step

__all__ = ["Checks", "case_file", "case_name", "case_source", "save_case", "unique"]

_HEAD: Final = '''"""Recorded calls of {script}: edit them, and they are ordinary tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.testing import Bench
'''
_LINE: Final = 100
SHORTEST_PAUSE_S: Final = 0.3
"""Shorter ones are of no account."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What the test looks at."""

    prompts: bool = True
    """Prompts and recordings, in order."""
    keys: bool = True
    """All keys reach the script."""
    legs: bool = True
    """Answers, refusals and those whom the script calls."""
    end: bool = True
    """Who hangs up."""
    audio: bool = False
    """Each prompt is heard, by fingerprint."""
    latency_ms: int = 0
    """How soon after a key its prompt must begin; 0: any time."""
    said: bool = False
    """What the caller said and the script recorded is said again, from copies of the files."""
    masks: bool = False
    """Numbers that were pressed become others."""


def case_name(case: Case, checks: Checks = Checks()) -> str:
    """A name for the test, as a person might have it."""
    case = without_numbers(case) if checks.masks else case
    keys = re.sub(r"\W+", "", case.keys.replace("*", "star").replace("#", "hash"))
    end = next((s.arguments for s in reversed(case.steps) if s.checks == "end"), None)
    how = "caller_hangs_up" if end is None else "ends"
    words = [case.script, keys[:16] or "no_keys", how]
    return "test_" + re.sub(r"\W+", "_", "_".join(words)).lower()


def case_file(case: Case) -> str:
    """Where the tests of a script go, from the project's folder."""
    return f"tests/calls/test_{re.sub(r'[^A-Za-z0-9_]+', '_', case.script)}.py"


def case_source(
    case: Case, name: str, checks: Checks = Checks(), zone: tzinfo | None = None
) -> str:
    """The test as a function.

    Args:
        case: what happened.
        name: of the test.
        checks: what it looks at.
        zone: of the times that are shown; None: the machine's.
    """
    case = _chosen(case, name, checks)
    began = datetime.fromtimestamp(case.began_s, zone)
    lines = [
        f"def {name}(bench: Bench) -> None:",
        f'    """Recorded {began:%Y-%m-%d %H:%M} from {case.script}@{case.generation}."""',
    ]
    lines += [f"    # {note}" for note in case.notes]
    if case.dial.masked:
        lines.append('    # What is called "secret" here was another value in the call.')
    lines += _dial(case)
    lines += (f"    {line}" for line in _steps(case, checks))
    if checks.keys and case.keys:
        lines.append(f"    assert call.keys == {quoted(case.keys)}")
    return "\n".join([*lines, ""])


def _chosen(case: Case, name: str, checks: Checks) -> Case:
    """The case as far as it is wanted."""
    case = named_after(what_is_there(case), name) if checks.said else case
    return without_numbers(case) if checks.masks else case


def _dial(case: Case) -> list[str]:
    dial, arguments = case.dial, [quoted(case.script)]
    if dial.uri:
        arguments.append(f"uri={quoted(dial.uri)}")
    if dial.caller:
        arguments.append(f"caller={quoted(dial.caller)}")
    if dial.params:
        pairs = ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in dial.params)
        arguments.append(f"params={{{pairs}}}")
    if dial.headers:
        pairs = ", ".join(f"({quoted(key)}, {quoted(value)})" for key, value in dial.headers)
        arguments.append(f"headers=[{pairs}]")
    arguments += dial.how
    line = f"    call = bench.dial({', '.join(arguments)})"
    if len(line) <= _LINE:
        return [line]
    return ["    call = bench.dial(", *(f"        {each}," for each in arguments), "    )"]


def _steps(case: Case, checks: Checks) -> Iterator[str]:
    before_s, skipped_s = case.began_s, 0.0
    for step in case.steps:
        passed_s, before_s = step.at_s - before_s, step.at_s
        if not _is_shown(step, checks):
            skipped_s += passed_s
            continue
        # What is not waited for by an expectation has to be waited for by the clock.
        pause_s = math.floor(skipped_s * 10) / 10 + step.pause_s
        skipped_s = 0.0
        if pause_s >= SHORTEST_PAUSE_S:
            yield f"call.waits({pause_s:g})"
        yield from _lines(step, checks)


def _is_shown(step: Step, checks: Checks) -> bool:
    always = not step.checks or step.result or step.verb == "hangs_up"
    return bool(always or getattr(checks, step.checks))


def _lines(step: Step, checks: Checks) -> Iterator[str]:
    arguments = list(step.arguments)
    if step.verb == "hangs_up" and step.checks and not checks.end:
        arguments[0] = 'by=""'
    if checks.latency_ms and step.after_key_s is not None and step.verb == "plays":
        arguments = [each for each in arguments if not each.startswith("within_s")]
        arguments.append(f"within_s={checks.latency_ms / 1000:g}")
    line = f"{step.who}.{step.verb}({', '.join(arguments)})"
    if step.result:
        line = f"{step.result} = {line}"
    yield f"{line}  # {step.comment}" if step.comment and checks.prompts else line
    if checks.audio and step.verb == "plays":
        yield f"call.hears({step.arguments[0]})"


def save_case(case: Case, path: Path, name: str = "", checks: Checks = Checks()) -> str:
    """Append the test to a file, which is made if there is none; sound files are put beside it.

    Args:
        case: what happened.
        path: the file.
        name: of the test; "": one is made up. A number is added if the file has it already.
        checks: what it looks at.

    Returns:
        the name it got.

    Raises:
        ControlError: the file is no Python, or cannot be written.
    """
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        taken = _functions(before, path)
        given = unique(name or case_name(case, checks), taken)
        path.parent.mkdir(parents=True, exist_ok=True)
        for step in _chosen(case, given, checks).steps if checks.said else ():
            if step.said is not None:
                shutil.copyfile(step.said.file, path.parent / step.arguments[0][1:-1])
        text = before.rstrip() + "\n" if before.strip() else _HEAD.format(script=case.script)
        path.write_text(f"{text}\n\n{case_source(case, given, checks)}", encoding="utf-8")
    except OSError as exc:
        raise ControlError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    return given


def _functions(text: str, path: Path) -> set[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError as exc:
        raise ControlError(f"{path}:{exc.lineno} is no Python: nothing was added") from exc
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken."""
    number, given = 2, name
    while given in taken:
        given, number = f"{name}_{number}", number + 1
    return given
