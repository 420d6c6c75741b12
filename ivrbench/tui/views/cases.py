"""The Cases screen: recorded calls, how they ran last, and what was different."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.text import Column, Line, clock_time, line, row

if TYPE_CHECKING:
    from ivrbench.tui.cases import Case
    from ivrbench.tui.model import Model
    from ivrbench.tui.theme import Glyphs

__all__ = ["case_lines", "case_mark", "detail_lines"]

_WIDTHS = (16, 14, 12)


def case_lines(model: Model, width: int) -> list[Line]:
    """A row for each case."""
    rows, glyphs = model.cases.rows, model.glyphs
    if not rows:
        return _no_cases()
    name_width = max(20, width - sum(_WIDTHS) - 8)
    selected = model.cases.case
    head = _cells("case", "script", "last run", "result", name_width)
    margin = Column("", 2)
    lines = [row([margin, *(Column(text, size, "head") for text, size in head)])]
    for case in rows:
        cells = _cells(case.name, case.script, _last_run(model, case), "", name_width)
        columns = [Column(text, size) for text, size in cells[:-1]]
        text, role = _result(case, glyphs)
        columns.append(Column(text, _WIDTHS[2], role))
        is_chosen = case is selected
        cursor = Column(f" {glyphs.cursor}", 2) if is_chosen else margin
        lines.append(row([cursor, *columns], key=case.key, selected=is_chosen))
    return lines


def _cells(*texts: object) -> list[tuple[str, int]]:
    *shown, name_width = texts
    assert isinstance(name_width, int), "the last one is the width of the first column"
    return list(zip((str(text) for text in shown), (name_width, *_WIDTHS), strict=True))


def _no_cases() -> list[Line]:
    return [
        line(""),
        line("  No case yet."),
        line(""),
        line("  ", ("R", "accent"), "  on a call that is over writes it down as a test, into"),
        line("     tests/calls, where pytest finds it too."),
    ]


def _last_run(model: Model, case: Case) -> str:
    if not case.ran_at_s:
        return "never"
    return f"{clock_time(case.ran_at_s, model.zone)} @{case.generation}"


def _result(case: Case, glyphs: Glyphs) -> tuple[str, str]:
    match case.state:
        case "ok":
            return f"{glyphs.ok} ok {case.took_s:.1f} s", "ok"
        case "failed":
            return f"{glyphs.bad} FAIL {case.took_s:.1f} s", "bad"
        case "running":
            return f"{glyphs.waiting} running", "accent"
    return "-", "dim"


def detail_lines(model: Model) -> list[Line]:
    """What the last run of the selected case said."""
    case = model.cases.case
    if model.cases.problem:
        return [line((f"  {model.cases.problem}", "bad"))]
    if case is None:
        return []
    if not case.message:
        said = {"ok": "passed", "running": "runs now", "": "enter runs it"}
        return [line(f"  {said.get(case.state, '')}")]
    return [_detail(text) for text in case.message]


def _detail(text: str) -> Line:
    shown = text.removeprefix("ivrbench.errors.ExpectationFailed: ")
    head, _, rest = shown.partition("  ")
    if head in ("expected", "got", "script"):
        role = "bad" if head == "got" else "head"
        return line((f"  {head:9} ", role), rest.strip())
    return line(f"  {shown}")


def case_mark(model: Model, script: str) -> tuple[str, str]:
    """How a script's cases did, for its row: text and role; ("", "") if it has none."""
    cases = model.cases.of(script)
    if not cases:
        return "", ""
    if any(case.state == "failed" for case in cases):
        return f"{len(cases)} case {model.glyphs.bad}", "bad"
    all_ok = all(case.state == "ok" for case in cases)
    return f"{len(cases)} case{f' {model.glyphs.ok}' if all_ok else ''}", "ok" if all_ok else "dim"
