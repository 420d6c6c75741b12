"""The Cases screen: recorded calls, how they ran last, what was different, and since when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ivrbench.tui.text import Column, Line, clock_time, count, line, row
from ivrbench.tui.views.script_diff import changed_lines, version_before

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import GenerationView
    from ivrbench.tui.cases import Case
    from ivrbench.tui.model import Model
    from ivrbench.tui.theme import Glyphs

__all__ = ["case_lines", "case_mark", "detail_lines", "first_place", "versions_of"]

_WIDTHS = (16, 14, 12)
_HEADS = ("expected", "got", "script")
# A file of Python, maybe with the version of the script, and a line.
_PLACE = re.compile(r"([\w./-]+\.py)(?:@\d+)?:(\d+)")


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
    chosen = model.cases.place or first_place(case)
    places = _places(case)
    lines = [_detail(*told, chosen) for told in zip(case.message, places, strict=True)]
    since = _since(model, case)
    if since:
        # After what was expected, what came and where; before the timeline.
        n_head = sum(1 for each in lines if each.text.strip().startswith(_HEADS))
        lines.insert(n_head, line(("  since     ", "head"), since))
    return lines


def versions_of(model: Model, case: Case) -> tuple[GenerationView, GenerationView] | None:
    """The version of its script that a failed case passed with, or the one before; and its own."""
    script = model.history.scripts.get(case.script)
    versions = {each.generation: each for each in script.generations} if script else {}
    shown = versions.get(case.generation)
    if script is None or shown is None:
        return None
    passed = versions.get(case.passed) if case.passed != case.generation else None
    before = passed or version_before(script, shown)
    return (before, shown) if before is not None and before.source else None


def _since(model: Model, case: Case) -> str:
    versions = versions_of(model, case)
    if case.state != "failed" or versions is None:
        return ""
    before, shown = versions
    changed = changed_lines(before, shown)
    if not changed:
        return f"@{shown.generation} changed no line of it"
    lines = "lines" if "-" in changed or "," in changed else "line"
    return f"@{shown.generation} changed {lines} {changed} (d shows the diff)"


def _detail(text: str, place: str, chosen: str) -> Line:
    """A line of what was said; one that names a place in a file can be opened."""
    shown = text.removeprefix("ivrbench.errors.ExpectationFailed: ")
    is_chosen = bool(place) and place == chosen
    head, _, rest = shown.partition("  ")
    if head in _HEADS:
        role = "bad" if head == "got" else "head"
        return line((f"  {head:9} ", role), rest.strip(), key=place, selected=is_chosen)
    return line(f"  {shown}", key=place, selected=is_chosen)


def _places(case: Case) -> list[str]:
    """For each line of what was said, the place it is the first to name, as "menu.py:48"."""
    found = (_PLACE.search(text) for text in case.message)
    places = [f"{each[1]}:{each[2]}" if each is not None else "" for each in found]
    return ["" if place in places[:n] else place for n, place in enumerate(places)]


def first_place(case: Case) -> str:
    """The first place that the last run named."""
    return next(filter(None, _places(case)), "")


def case_mark(model: Model, script: str) -> tuple[str, str]:
    """The cases of a script that failed, for its row: text and role; ("", "") if none did."""
    failed = sum(1 for case in model.cases.of(script) if case.state == "failed")
    return (f"{count(failed, 'case')} {model.glyphs.bad}", "bad") if failed else ("", "")
