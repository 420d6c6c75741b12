"""The stubs: editors complete and check scripts by them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrbench.scriptapi.handlers import HANDLERS
from ivrbench.scriptapi.stubs import ivr_stub, log_stub, write_stubs

if TYPE_CHECKING:
    import pytest

FOR_ENGINE = set("attach copy_of detach length_ms opened record_limit_ms settings".split())
"""No business of scripts."""
SCRIPTS = Path(__file__).parents[2] / "scripts"


def names(text: str) -> set[str]:
    """What the stub defines at its top level."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_they_name_what_scripts_import(ivr: Any, log: Any) -> None:
    """Neither more nor less than the modules have."""
    there = {name for name in vars(ivr) if not name.startswith("_")}
    assert names(ivr_stub()) == there | {"config"}
    assert names(log_stub()) == {name for name in vars(log) if not name.startswith("_")}


def test_classes_are_whole(ivr: Any) -> None:
    """Every public method and attribute of a class is in its stub, and what editors complete."""
    text = ivr_stub()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Ivr"):
            stubs = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            stubs |= {n.name for n in node.body if isinstance(n, ast.AsyncFunctionDef)}
            stubs |= {
                n.target.id
                for n in node.body
                if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            }
            there = {n for n in dir(getattr(ivr, node.name)) if n[0] != "_" and n != "from"}
            assert there - stubs <= FOR_ENGINE, node.name
            more = set(HANDLERS) if node.name == "IvrDialogBase" else set()
            assert stubs - there <= {"__init__"} | more, node.name


def check(folder: Path, *files: str | Path) -> str:
    """What mypy says of scripts in a folder with the stubs."""
    command = [sys.executable, "-m", "mypy", "--check-untyped-defs", f"--cache-dir={folder}/cache"]
    done = subprocess.run(
        [*command, "--config-file=", *map(str, files)],
        cwd=folder,
        env=os.environ | {"MYPYPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_example_scripts_are_right_by_them(tmp_path: Path) -> None:
    """And the stubs themselves."""
    stubs = write_stubs(tmp_path / "new")
    assert [path.name for path in stubs] == ["ivr.pyi", "log.pyi"]
    for path in SCRIPTS.glob("*.py"):
        (tmp_path / "new" / path.name).write_text(path.read_text())
    text = check(tmp_path / "new", *stubs, *(path.name for path in SCRIPTS.glob("*.py")))
    assert text.startswith("Success: no issues found"), text


def test_mistakes_are_found(tmp_path: Path) -> None:
    """A wrong argument, a method that does not exist, a handler of the wrong form."""
    write_stubs(tmp_path)
    (tmp_path / "menu.py").write_text(
        "from log import *\nfrom ivr import *\n"
        "class IvrDialog(IvrDialogBase):\n"
        "    def onDtmf(self, key):\n"
        "        self.setTimer('1', 2)\n"
        "        self.enque(None, None)\n"
        "        info('%s', ivr.AUDIO_READ)\n"
        "        return config['x']\n"
    )
    lines = [line for line in check(tmp_path, "menu.py").splitlines() if "error:" in line]
    assert [line.split(":")[1] for line in lines] == ["4", "5", "6"]


def test_they_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the old ones."""
    write_stubs(tmp_path)
    (tmp_path / "ivr.pyi").write_text("old")
    write_stubs(tmp_path)
    assert (tmp_path / "ivr.pyi").read_text() == ivr_stub()
