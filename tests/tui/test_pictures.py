"""The pictures of the README and the documentation show the workbench of today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PICTURES = runpy.run_path(str(REPO / "docs" / "picture.py"))


@pytest.mark.parametrize("name", sorted(PICTURES["PICTURES"]))
async def test_a_picture_is_up_to_date(name: str) -> None:
    """If not: `.venv/bin/python docs/picture.py` draws them all."""
    drawn = await PICTURES["draw"](name)
    kept = (REPO / "docs" / f"{name}.svg").read_text(encoding="utf-8")
    assert PICTURES["words"](kept) == PICTURES["words"](drawn)
    assert len(PICTURES["words"](drawn)) > 30
