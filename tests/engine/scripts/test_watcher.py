"""Files at rest: editors save in several steps (tui §5.1)."""

from __future__ import annotations

import os
import queue
from pathlib import Path

import pytest

from ivrbench.clock import SystemClock
from ivrbench.engine.scripts.watcher import Settler, Watcher, is_watched

A, B = Path("/s/a.py"), Path("/s/b.py")


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("menu.py", True),
        ("menu.conf", True),
        ("a-b.py", True),
        (".menu.py", False),
        (".#menu.py", False),
        ("menu.py~", False),
        ("menu.py.swp", False),
        (".menu.py.swp", False),
        ("menu.pyc", True),
        ("__pycache__/menu.pyc", False),
        ("4913", False),
        (".py", False),
        ("prompt.wav", False),
    ],
)
def test_filter(name: str, watched: bool) -> None:
    """`*.py`, `*.pyc` and `*.conf`, no dotfiles, backups, swap files or caches."""
    assert is_watched(Path("/s") / name) is watched


def test_a_file_is_at_rest_after_60_ms() -> None:
    """Each write starts the wait again."""
    settler = Settler()
    settler.touched(A, 10.0)
    settler.touched(A, 10.05)
    assert settler.deadline() == pytest.approx(10.11)
    assert settler.settled(10.1) == []
    assert settler.settled(10.111) == [A]
    assert settler.settled(11.0) == []
    assert settler.deadline() is None


def test_a_file_that_is_written_for_long_is_taken_after_150_ms() -> None:
    """So that the next call runs the new text soon."""
    settler = Settler()
    for step in range(20):
        settler.touched(A, 10.0 + step * 0.02)
        if settled := settler.settled(10.0 + step * 0.02):
            break
    assert settled == [A]
    assert step * 0.02 <= 0.17


def test_delete_and_create_is_one_edit() -> None:
    """Editors that rename: the file is back within 300 ms."""
    settler = Settler()
    settler.touched(A, 9.99)
    settler.deleted(A, 10.0)
    assert settler.settled(10.2) == []
    settler.touched(A, 10.25)
    assert settler.settled(10.3) == []
    assert settler.settled(10.32) == [A]
    assert settler.deadline() is None


def test_a_file_that_stays_away_is_told_after_300_ms() -> None:
    """Then it was deleted."""
    settler = Settler()
    settler.deleted(A, 10.0)
    settler.touched(B, 10.0)
    assert settler.settled(10.1) == [B]
    assert settler.settled(10.31) == [A]


def test_real_changes_are_seen(tmp_path: Path) -> None:
    """Write, rename over, delete, a package's file, a settings file elsewhere; no wav, no tilde."""
    tree, conf = tmp_path / "scripts", tmp_path / "conf"
    for folder in (tree, tree / "pkg", conf):
        folder.mkdir()
    seen: queue.SimpleQueue[list[Path]] = queue.SimpleQueue()
    watcher = Watcher(tree, [conf, tree, tmp_path / "none"], seen.put, SystemClock())
    watcher.start()
    expected = [tree / "a.py", tree / "b.py", tree / "pkg" / "c.py", conf / "a.conf"]
    (tree / "x.wav").write_bytes(b"")
    (tree / "a.py~").write_text("")
    (tree / "a.py").write_text("1")
    (tree / "tmp").write_text("2")
    os.replace(tree / "tmp", tree / "b.py")
    (tree / "pkg" / "c.py").write_text("3")
    (conf / "a.conf").write_text("")
    found: set[Path] = set()
    while found != set(expected):
        found.update(seen.get(timeout=20))
        assert found <= set(expected)
    # A slow machine may tell of the same save twice, so other files may still come.
    (tree / "a.py").unlink()
    while tree / "a.py" not in seen.get(timeout=20):
        pass
    os.rename(tree / "b.py", tree / "b.txt")
    while tree / "b.py" not in seen.get(timeout=20):
        pass
    watcher.close()
