"""`ivrbench --check`, as a process of its own: it fills `sys.modules` as the engine does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
    from ivr import *
    from log import *

    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            info("started")
    """
BAD = GOOD.replace("def onSessionStart(self):", "def onSessionStart(self)")


def check(folder: Path, scripts: dict[str, str], conf: str = "") -> tuple[int, str]:
    (folder / "scripts").mkdir()
    for name, source in scripts.items():
        (folder / "scripts" / f"{name}.py").write_text(textwrap.dedent(source))
    (folder / "ivr.conf").write_text(f"script_path = scripts\n{conf}")
    done = subprocess.run(
        [sys.executable, "-m", "ivrbench", "--check", "--config", str(folder / "ivr.conf")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_all_scripts_load(tmp_path: Path) -> None:
    """Exit 0, and the log names each application."""
    code, text = check(tmp_path, {"menu": GOOD, "hello": GOOD})
    assert code == 0
    assert "Application script registered: hello" in text
    assert "Application script registered: menu" in text


def test_one_does_not_load(tmp_path: Path) -> None:
    """Exit 1; the others are still loaded, the bad one is named with file and line."""
    code, text = check(tmp_path, {"bad": BAD, "menu": GOOD})
    assert code == 1
    assert "bad.py:6" in text
    assert "SyntaxError" in text
    assert "Application script registered: menu" in text


def test_helper_is_no_failure(tmp_path: Path) -> None:
    """A module that another script imports needs no `IvrDialog`."""
    code, _ = check(
        tmp_path, {"util": "X = 1\n", "menu": "from util import X\n" + textwrap.dedent(GOOD)}
    )
    assert code == 0


def test_empty_folder_is_fine(tmp_path: Path) -> None:
    """Nothing to load is nothing wrong."""
    assert check(tmp_path, {})[0] == 0


@pytest.mark.parametrize(
    "ending", ["import sys; sys.exit(3)", "import os; raise KeyboardInterrupt"]
)
def test_script_that_exits_is_a_failure_not_the_end(tmp_path: Path, ending: str) -> None:
    """`sys.exit()` at module level ends nothing but the load of that script."""
    code, text = check(tmp_path, {"ends": ending, "menu": GOOD})
    assert code == 1
    assert "Application script registered: menu" in text
