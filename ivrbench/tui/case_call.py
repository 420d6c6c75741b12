"""A case as a call to listen to: whom the test phone calls, and what it presses when."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ControlError
from ivrbench.tui.redial import ANY_PROMPT, Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.tui.cases import Case

__all__ = ["CaseCall", "case_call"]

KEY_S: Final = 0.18
"""From one key of `press` to the next: 100 ms and a pause of 80 ms."""


@dataclass(slots=True)
class CaseCall:
    """What the test phone is to do."""

    script: str
    moments: list[Moment] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Words of the test that the test phone cannot follow: "params", "connects"."""


def case_call(case: Case) -> CaseCall:
    """Read a test's own text; only what its caller does counts.

    Raises:
        ControlError: the file cannot be read, or the test calls no script by name.
    """
    try:
        tree = ast.parse(case.file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as exc:
        raise ControlError(f"{case.file} cannot be read: {exc}") from exc
    function = next(
        (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == case.name), None
    )
    if function is None or not case.script:
        raise ControlError(f"{case.name} does not say by name which script it calls")
    return _read(case.script, list(_verbs(function)))


def _verbs(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """Calls of methods on names, in the order of the text: ("call.press", node)."""
    found = (n for n in ast.walk(function) if isinstance(n, ast.Call))
    for node in sorted(found, key=lambda n: (n.lineno, n.col_offset)):
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            yield f"{called.value.id}.{called.attr}", node


def _read(script: str, verbs: list[tuple[str, ast.Call]]) -> CaseCall:
    made = CaseCall(script)
    prompts_named = any(verb == "call.plays" for verb, _ in verbs)
    n_prompts, prompt, after_s = (0, "", 0.0) if prompts_named else (ANY_PROMPT, "", 0.0)
    for verb, node in verbs:
        text = _constant(node)
        match verb.partition("."):
            case ("bench", _, "dial"):
                made.left_out += [f"{each.arg}" for each in node.keywords if each.arg != "caller"]
            case ("call", _, "plays" | "records") if prompts_named:
                name = str(text or "")
                n_prompts, after_s = n_prompts + 1, 0.0
                # A text said by text to speech is no file's name.
                prompt = "" if " " in name or not name else name
            case (_, _, "waits" | "wait" | "says_nothing" | "silence"):
                after_s += float(text) if isinstance(text, int | float) else 0.0
            case ("call", _, "press"):
                for key in str(text or ""):
                    made.moments.append(Moment(key, n_prompts, prompt, after_s))
                    after_s += KEY_S
            case ("call", _, "connects" | "hold" | "transfer" | "say" as left_out):
                made.left_out.append(left_out)
    made.left_out = list(dict.fromkeys(made.left_out))
    return made


def _constant(node: ast.Call) -> object:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) else None
