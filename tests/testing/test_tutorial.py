"""The tutorial of docs/testing.md, done as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivrbench.audio import tts

# What a run within this one loads, it forgets again; numpy cannot be loaded twice.
from ivrbench.testing import bench, scripts  # noqa: F401

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
STEP = re.compile(r"^<!-- (file|add|replace|run): ([^>]*) -->\n```\w*\n(.*?)^```$", re.M | re.S)
ON_DTMF = re.compile(r"    def onDtmf.*?(?=    def onEmptyQueue)", re.S)


@pytest.mark.skipif(not tts.is_installed(), reason="text to speech is not installed")
def test_the_tutorial(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is written and every run ends as the page says, down to the failure's words."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    steps = STEP.findall(PAGE.read_text())
    assert [step[0] for step in steps].count("run") == 4
    for verb, what, text in steps:
        if verb == "run":
            run(pytester, what, text)
            continue
        path = pytester.path / what
        path.parent.mkdir(exist_ok=True)
        if verb == "file":
            path.write_text(text)
        elif verb == "add":
            path.write_text(f"{path.read_text()}\n\n{text}")
        else:
            path.write_text(ON_DTMF.sub(text.replace("\\", r"\\") + "\n", path.read_text()))


def run(pytester: pytest.Pytester, outcome: str, shown: str) -> None:
    """Run the tests; the lines of a failure are those of the page."""
    result = pytester.runpytest("-p", "ivrbench.testing.plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(**{what: int(n) for n, what in re.findall(r"(\d+) (\w+)", outcome)})
    expected = [line.removeprefix("E   ") for line in shown.splitlines() if line.startswith("E ")]
    result.stdout.fnmatch_lines([f"E *{line}" for line in expected])
