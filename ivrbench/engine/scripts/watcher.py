"""Watcher: which files of the script and configuration folders changed, once they are at rest.

An editor saves in several steps: it truncates and writes, or writes another file and renames it,
or deletes and creates. `Settler` makes one change of that; it has no clock. `Watcher` feeds it
from the operating system in a thread of its own.
"""

from __future__ import annotations

import queue
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ivrbench.clock import Clock

__all__ = ["Settler", "Watcher", "is_watched"]

QUIET_S: Final = 0.06
"""A file is at rest when nothing happened to it for this long …"""
AT_MOST_S: Final = 0.15
"""… or this long after the first change, whichever comes first."""
GONE_S: Final = 0.3
"""A deleted file that comes back within this time was being saved."""
_WATCHED: Final = re.compile(r"[^.].*\.(pyc?|conf)")
_TOUCHING: Final = frozenset({"created", "modified", "moved", "closed"})


def is_watched(path: Path) -> bool:
    """`*.py`, `*.pyc` and `*.conf`, but no editor's dotfiles, backups (`~`) and swap files."""
    return _WATCHED.fullmatch(path.name) is not None and path.parent.name != "__pycache__"


class Settler:
    """Holds changes back until each file is at rest."""

    def __init__(self) -> None:
        self._first_s: dict[Path, float] = {}
        self._due_s: dict[Path, float] = {}

    def touched(self, path: Path, now_s: float) -> None:
        """A file was created, written or moved here."""
        first_s = self._first_s.setdefault(path, now_s)
        self._due_s[path] = max(now_s, min(now_s + QUIET_S, first_s + AT_MOST_S))

    def deleted(self, path: Path, now_s: float) -> None:
        """A file was deleted or moved away."""
        self._first_s.pop(path, None)  # what comes next is a new file
        self._due_s[path] = now_s + GONE_S

    def deadline(self) -> float | None:
        """When to ask `settled` next; None: nothing is held back."""
        return min(self._due_s.values(), default=None)

    def settled(self, now_s: float) -> list[Path]:
        """The files that are at rest; whether each is there or gone is seen on the disk."""
        paths = sorted(path for path, due_s in self._due_s.items() if due_s <= now_s)
        for path in paths:
            del self._due_s[path]
            self._first_s.pop(path, None)
        return paths


class Watcher:
    """Watches folders and tells what changed.

    Args:
        tree: the script directory, watched with its packages.
        folders: watched without what lies below.
        changed: called in the watcher's thread with the files that are at rest.
        clock: for the settling times.
    """

    def __init__(
        self,
        tree: Path,
        folders: Iterable[Path],
        changed: Callable[[list[Path]], None],
        clock: Clock,
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._settler = Settler()
        self._events: queue.SimpleQueue[FileSystemEvent | None] = queue.SimpleQueue()
        self._observer = Observer()
        handler = _Forward(self._events)
        self._observer.schedule(handler, str(tree), recursive=True)
        for folder in dict.fromkeys(folders):
            if folder.is_dir() and folder != tree:
                self._observer.schedule(handler, str(folder), recursive=False)
        self._thread = threading.Thread(target=self._run, name="script-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch.

        Raises:
            OSError: the system does not let us watch (too many watches).
        """
        self._observer.start()
        self._thread.start()

    def close(self) -> None:
        """Stop; waits for the threads."""
        self._observer.stop()
        self._observer.join()
        self._events.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            deadline_s = self._settler.deadline()
            wait_s = None if deadline_s is None else max(0.0, deadline_s - self._clock.now())
            try:
                event = self._events.get(timeout=wait_s)
            except queue.Empty:
                self._changed(self._settler.settled(self._clock.now()))
                continue
            if event is None:
                return
            self._take(event)

    def _take(self, event: FileSystemEvent) -> None:
        now_s = self._clock.now()
        source = Path(_text(event.src_path))
        target = Path(_text(event.dest_path)) if event.dest_path else None
        if event.event_type in ("deleted", "moved") and is_watched(source):
            self._settler.deleted(source, now_s)
        if event.event_type == "moved" and target is not None and is_watched(target):
            self._settler.touched(target, now_s)
        elif event.event_type in _TOUCHING - {"moved"} and is_watched(source):
            self._settler.touched(source, now_s)


class _Forward(FileSystemEventHandler):
    def __init__(self, events: queue.SimpleQueue[FileSystemEvent | None]) -> None:
        self._events = events

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self._events.put(event)


def _text(path: bytes | str) -> str:
    return path.decode(errors="surrogateescape") if isinstance(path, bytes) else path
