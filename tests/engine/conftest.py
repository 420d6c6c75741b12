"""Fixtures of the engine's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench import scriptapi
from ivrbench.engine.scripts.helpers import hook_imports
from tests.engine.scripts.bench import Bench
from tests.scriptapi.fakes import FakeHost
from tests.scriptapi.installed import keep_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """An empty script folder with a library on it."""
    keep_modules(monkeypatch)
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The API is installed, and the working directory is not the project's."""
    keep_modules(monkeypatch)
    scriptapi.install(FakeHost())
    monkeypatch.chdir(tmp_path)
    unhook = hook_imports()
    yield
    unhook()
