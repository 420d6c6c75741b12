"""The API modules, installed for one test."""

from __future__ import annotations

import pytest

from ivrbench import scriptapi
from tests.scriptapi.fakes import FakeHost
from tests.scriptapi.installed import keep_modules


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """`ivr` and `log` are importable; what the script asked the host for is written down."""
    keep_modules(monkeypatch)
    fake = FakeHost()
    scriptapi.install(fake)
    fake.lines.clear()
    return fake
