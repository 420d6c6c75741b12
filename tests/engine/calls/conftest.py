"""Fixtures: an engine for each test, closed and looked through in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from ivrbench.audio.files import wav_header
from tests.engine.harness import Bench
from tests.scriptapi.installed import keep_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class MakeBench(Protocol):
    """Makes a bench with these scripts and settings."""

    def __call__(self, scripts: dict[str, str] | str, **settings: object) -> Bench: ...


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    """Half a second of loud audio."""
    path = tmp_path / "prompt.wav"
    pcm = np.full(4000, 8000, np.int16).tobytes()
    path.write_bytes(wav_header(len(pcm)) + pcm)
    return str(path)


@pytest.fixture
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    """Engines; a script given as text alone is called `app`."""
    keep_modules(monkeypatch)
    made: list[Bench] = []

    def make(scripts: dict[str, str] | str, **settings: object) -> Bench:
        folder = tmp_path / f"scripts{len(made)}"
        folder.mkdir()
        texts = {"app": scripts} if isinstance(scripts, str) else scripts
        bench = Bench(folder, texts, **settings)  # type: ignore[arg-type]
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.close()
        assert bench.nothing_left(), "a call that is over gives everything back"
