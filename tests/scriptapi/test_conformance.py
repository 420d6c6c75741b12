"""The conformance table of docs/api.md is complete, and says what is true."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from ivrbench.scriptapi.handlers import HANDLERS
from ivrbench.scriptapi.stubs import ivr_stub, log_stub

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "api.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Conformance")[2]
ROWS = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
INSIDE = {"IvrSipDialog", "IvrSipRequest", "IvrSipReply"}
"""Classes whose attributes are one row."""


def names_of_the_api() -> set[str]:
    """Everything a script can use."""
    names = set(HANDLERS)
    for text in (ivr_stub(), log_stub()):
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
            if isinstance(node, ast.ClassDef) and node.name not in INSIDE:
                members = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AnnAssign)]
                functions = {n.name for n in members if isinstance(n, ast.FunctionDef)}
                names |= functions - {"__init__"}
    return names


@cache
def defined_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_every_name_has_a_row() -> None:
    """Functions, constants, classes, methods and handlers."""
    told = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}
    missing = names_of_the_api() - told - {"IvrDialogBase"}
    assert missing == set()


def test_every_test_exists() -> None:
    """Each row names tests; one without a file is in the file before it."""
    for row in ROWS:
        file = ""
        found = re.findall(r"`([^`]+)`", row[3])
        assert found, f"{row[0]} has no test"
        for name in found:
            file, name = name.split("::") if "::" in name else (file, name)
            assert name in defined_in(file), f"{file} has no {name}"


def test_tests_use_what_they_stand_for() -> None:
    """Each name of a row occurs in a file of its tests."""
    shared = (TESTS / "engine" / "calls" / "texts.py").read_text(encoding="utf-8")
    for row in ROWS:
        files = re.findall(r"`([\w/]+\.py)::", row[3])
        text = shared + "".join((TESTS / file).read_text(encoding="utf-8") for file in files)
        unused = [name for name in re.findall(r"`(\w+)`", row[0]) if name not in text]
        assert unused == [], f"{files} do without {unused}"
