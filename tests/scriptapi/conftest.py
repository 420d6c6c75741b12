"""The API modules, installed for one test."""

from __future__ import annotations

import sys
from typing import Any

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


@pytest.fixture
def ivr(host: FakeHost) -> Any:  # Any: a module made at run time
    """The module `ivr`."""
    return sys.modules["ivr"]


@pytest.fixture
def log(host: FakeHost) -> Any:  # Any: as above
    """The module `log`."""
    return sys.modules["log"]
