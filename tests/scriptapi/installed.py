"""Puts back what `scriptapi.install` replaces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def keep_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `ivr`, `log` and the excepthook restored after the test."""
    for name in ("ivr", "log"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name, sys))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
