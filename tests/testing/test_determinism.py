"""The same test gives the same events at the same moments, however busy the machine is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.testing.busy_calls import digest, prepare, story

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
COLLECTORS: tuple[list[str], ...] = ([], ["no-gc"], ["always-gc"])


@pytest.fixture
def load() -> Iterator[None]:
    """A process that computes all the time."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield
    burner.kill()
    burner.wait()


def digests(folder: Path, n_runs: int, seed: int, collector: list[str]) -> set[str]:
    """Runs in a process of their own: another order of sets, another garbage collector."""
    command = [sys.executable, "-m", "tests.testing.busy_calls", str(folder), str(n_runs)]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        [*command, *collector], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert len(lines) == n_runs
    return set(lines)


@pytest.mark.usefixtures("load")
def test_same_events_under_load(tmp_path: Path) -> None:
    """Ten runs, line by line."""
    scripts = prepare(tmp_path)
    first = story(scripts)
    assert len(first) > 150
    assert not any("Raised" in line for line in first)
    for _ in range(9):
        again = story(scripts)
        assert again == first


def test_same_events_in_any_python(tmp_path: Path) -> None:
    """Neither the order of sets nor when the garbage collector comes changes anything."""
    here = digest(story(prepare(tmp_path)))
    for seed, collector in enumerate(COLLECTORS):
        assert digests(tmp_path, 1, seed, collector) == {here}


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("load")
def test_same_events_200_times(tmp_path: Path) -> None:
    """200 runs under load: ten in each of 20 processes, each with its own hash seed."""
    told: set[str] = set()
    for seed in range(20):
        told |= digests(tmp_path, 10, seed, COLLECTORS[seed % len(COLLECTORS)])
    assert len(told) == 1
