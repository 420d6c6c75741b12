"""A call of the test phone, saved as a test by `--save-test`, and run by pytest."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .lab.engine import Engine

if TYPE_CHECKING:
    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

MENU = (Path(__file__).parents[2] / "scripts" / "menu.py").read_text()


async def run(*arguments: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a Python command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None, "it has ended"
    return process.returncode, output.decode()


async def test_saved_and_replayed(tmp_path: Path, network: Network) -> None:
    """It passes with the script it was recorded from, and says what is wrong with another."""
    project = tmp_path / "engine"
    async with Engine(project, {"menu": MENU}) as engine:
        script = next(project.rglob("menu.py"))
        (script.parent / "wav").symlink_to(Path(__file__).parents[2] / "scripts" / "wav")
        call = ["-m", "ivrbench", "call", "menu", "--keys", ",,1", "--for", "3"]
        call += ("--wav", str(Path(__file__).parents[2] / "scripts" / "wav" / "hello.wav"))
        saved = ("--save-test", "test_menu.py", "--control-socket", str(engine.socket))
        code, output = await run(*call, *saved, folder=tmp_path)
        assert code == 0, output
        assert "saved: test_menu_1_caller_hangs_up in test_menu.py" in output
        assert 'hello.wav", wait=False)' in (tmp_path / "test_menu.py").read_text()
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nivr_script_path = {script.parent}\n")
    pytest_ = ("-m", "pytest", "-q", "-p", "ivrbench.testing.plugin", "test_menu.py")
    code, output = await run(*pytest_, folder=tmp_path)
    assert code == 0, output
    script.write_text(MENU.replace('"hours"', '"directions"'))
    code, output = await run(*pytest_, folder=tmp_path)
    assert code == 1
    assert "expected  the script plays hours.wav" in output
    assert "got       directions.wav" in output
