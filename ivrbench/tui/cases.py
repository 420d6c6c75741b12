"""Cases: recorded calls as tests, found in the project's folder and run by pytest."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from ivrbench.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CASES_FOLDER", "Case", "Cases", "delete_case", "find_cases", "run_cases"]

CASES_FOLDER: Final = Path("tests/calls")
"""From where the workbench was started."""
LONGEST_RUN_S: Final = 300.0
MAX_MESSAGE_LINES: Final = 60


@dataclass(slots=True)
class Case:
    """One test of a file, and how its last run went."""

    file: Path
    name: str
    line: int
    script: str
    """The first one it dials, "" if that cannot be seen."""
    state: str = ""
    """"": never run; "running", "ok", "failed"."""
    ran_at_s: float = 0.0
    took_s: float = 0.0
    generation: int = 0
    """Of its script, when it ran."""
    passed: int = 0
    """The last generation it passed with."""
    message: list[str] = field(default_factory=list)
    """What pytest said about the failure."""

    @property
    def key(self) -> str:
        """Its name for pytest."""
        return f"{self.file}::{self.name}"


@dataclass
class Cases:
    """All cases, and what the person chose."""

    rows: list[Case] = field(default_factory=list)
    selected: str = ""
    place: str = ""
    """The line that was chosen in what the last run said, as "menu.py:48"; "" for the first."""
    runs_on_reload: bool = True
    due: set[str] = field(default_factory=set)
    """Scripts that were loaded again, whose cases have not run since."""
    problem: str = ""
    """Why a file could not be read, or nothing could be run."""

    @property
    def case(self) -> Case | None:
        """The selected one."""
        found = (each for each in self.rows if each.key == self.selected)
        return next(found, self.rows[0] if self.rows else None)

    def toggle_runs_on_reload(self) -> None:
        """Run them at each reload, or not."""
        self.runs_on_reload = not self.runs_on_reload

    def of(self, script: str) -> list[Case]:
        """The cases of a script."""
        return [each for each in self.rows if each.script == script]

    def look(self, folder: Path = CASES_FOLDER) -> None:
        """Read the files again; results of tests that are still there are kept."""
        before = {each.key: each for each in self.rows}
        self.rows, self.problem = find_cases(folder)
        for case in self.rows:
            old = before.get(case.key)
            if old is not None:
                case.state, case.ran_at_s, case.took_s = old.state, old.ran_at_s, old.took_s
                case.generation, case.message = old.generation, old.message
                case.passed = old.passed


def find_cases(folder: Path) -> tuple[list[Case], str]:
    """The tests of all files of a folder, and a sentence about those that cannot be read."""
    found: list[Case] = []
    problem = ""
    for path in sorted(folder.glob("test_*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, OSError, UnicodeDecodeError) as exc:
            line = f":{exc.lineno}" if isinstance(exc, SyntaxError) else ""
            problem = f"{path}{line} cannot be read: {getattr(exc, 'msg', exc)}"
            continue
        found += (
            Case(path, each.name, each.lineno, _script_of(each))
            for each in tree.body
            if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
        )
    return found, problem


def _script_of(function: ast.FunctionDef) -> str:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called, first = node.func, node.args[0]
        if isinstance(called, ast.Attribute) and called.attr == "dial":
            return str(first.value) if isinstance(first, ast.Constant) else ""
    return ""


def delete_case(case: Case) -> None:
    """Take a test out of its file.

    Raises:
        ControlError: it is not there any more, or the file cannot be written.
    """
    try:
        text = case.file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        node = next(
            each
            for each in tree.body
            if isinstance(each, ast.FunctionDef) and each.name == case.name
        )
        lines = text.splitlines(keepends=True)
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
        del lines[first : node.end_lineno]
        case.file.write_text("".join(lines).rstrip() + "\n", encoding="utf-8")
    except StopIteration:
        raise ControlError(f"{case.name} is not in {case.file} any more") from None
    except SyntaxError as exc:
        raise ControlError(f"{case.file}:{exc.lineno} cannot be read: {exc.msg}") from exc
    except OSError as exc:
        raise ControlError(f"{case.file} cannot be written: {exc.strerror or exc}") from exc


async def run_cases(cases: Sequence[Case], script_path: str, wall: Callable[[], float]) -> None:
    """Run tests in a process of their own; their state and message change.

    Args:
        cases: which.
        script_path: the folder of the scripts they call.
        wall: the time now.

    Raises:
        ControlError: pytest could not be run.
    """
    for case in cases:
        case.state = "running"
    with tempfile.TemporaryDirectory(prefix="ivrbench-") as folder:
        report = Path(folder) / "report.xml"
        try:
            output = await _pytest(cases, script_path, report)
            results = _read_report(report) if report.exists() else {}
        finally:
            for case in cases:
                case.state, case.ran_at_s = "", wall()
    if not results:
        raise ControlError(_why_nothing_ran(output))
    for case in cases:
        result = results.get(case.name)
        if result is not None:
            case.took_s, case.message = result
            case.state = "failed" if case.message else "ok"
            case.passed = case.passed if case.message else case.generation


async def _pytest(cases: Sequence[Case], script_path: str, report: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short"),
        *("-p", "ivrbench.testing.plugin", "-p", "no:cacheprovider"),
        *("-o", f"ivr_script_path={script_path}", f"--junitxml={report}"),
        *(case.key for case in cases),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONGEST_RUN_S):
            output, _ = await process.communicate()
    except TimeoutError:
        raise ControlError(f"the cases took more than {LONGEST_RUN_S:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return output.decode(errors="replace")


def _read_report(report: Path) -> dict[str, tuple[float, list[str]]]:
    """By name of the test: how long it took, and lines about its failure."""
    results = {}
    for element in ElementTree.parse(report).iter("testcase"):
        lines: list[str] = []
        for kind in ("failure", "error"):
            found = element.find(kind)
            if found is not None:
                text = found.get("message") or found.text or kind
                lines = text.splitlines()[:MAX_MESSAGE_LINES]
        results[element.get("name", "")] = (float(element.get("time", "0")), lines)
    return results


def _why_nothing_ran(output: str) -> str:
    if "No module named pytest" in output:
        return "pytest is not installed here: pip install pytest"
    last = next((text for text in reversed(output.splitlines()) if text.strip()), "no output")
    return f"pytest did not run: {last.strip()}"
