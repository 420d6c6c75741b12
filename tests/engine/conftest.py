"""Fixtures of the engine's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.scripts import Bench
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
