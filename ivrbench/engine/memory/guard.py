"""MemoryGuard: on the loop, what follows from how much memory is left."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.observe.memory import MemoryChanged, MemoryUser

from .brake import brake
from .budget import MIB, Level, MemoryBudget
from .readings import MemoryReader, limit_bytes_for, machine_memory_bytes
from .watch import DataLimit, MemoryWatch

if TYPE_CHECKING:
    from ivrbench.config.settings import Settings
    from ivrbench.engine.switchboard import Switchboard

    from .budget import Look

__all__ = ["MemoryGuard"]

log = logging.getLogger("ivrbench.engine")


class MemoryGuard:
    """Keeps calls out, and tells, while memory is short.

    Args:
        board: whose calls and scripts they are.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._reader: MemoryReader | None = None
        self._watch: MemoryWatch | None = None
        self._limit_bytes = 0
        self._level = Level.ROOMY
        self._refused_before = 0

    def apply(self, settings: Settings) -> None:
        """Keep to `max_memory_mb` from now on."""
        limit_bytes = limit_bytes_for(settings.max_memory_mb, machine_memory_bytes())
        if limit_bytes == self._limit_bytes:
            return
        if self._watch is None:
            try:
                self._reader = MemoryReader()
            except OSError as exc:
                log.warning("max_memory_mb has no effect on this system: %s", exc)
                return
            self._watch = MemoryWatch(
                self._reader.read, self._looked, DataLimit(), brake.stop_busiest
            )
        self._limit_bytes = self._board.admission.memory.limit_bytes = limit_bytes
        if limit_bytes:
            log.info("memory: at most %d MB (max_memory_mb)", limit_bytes // MIB)
        else:
            self._open()
        self._watch.apply(limit_bytes)

    def close(self) -> None:
        """Look no more."""
        if self._watch is not None:
            self._watch.close()

    def _looked(self, look: Look) -> None:
        """In the watch's thread."""
        memory = self._board.admission.memory
        memory.used_bytes = look.used_bytes
        self._board.inbox.wake()
        if look.level is not self._level:  # also once more, where there was no memory to tell
            self._board.inbox.post(self.take, look)

    def take(self, look: Look) -> None:
        """Another level: let calls in or keep them out, and tell."""
        memory = self._board.admission.memory
        if look.level is self._level or look.limit_bytes != memory.limit_bytes:
            return
        memory.is_full = look.level is not Level.ROOMY
        self._board.pool.calls_handlers = look.level is not Level.SPENT
        # If there is no memory for these, all of it is done again after the next look.
        users = self._users()
        n_refused = memory.refused - self._refused_before
        self._tell(look, users, n_refused)
        self._board.publish(
            MemoryChanged(
                look.level.value,
                look.used_bytes // MIB,
                look.limit_bytes // MIB,
                users,
                n_refused,
            )
        )
        self._level = look.level
        if look.level is Level.ROOMY:
            self._refused_before = memory.refused

    def _open(self) -> None:
        self._board.admission.memory.is_full = False
        self._level = Level.ROOMY
        self._board.pool.calls_handlers = True

    def _tell(self, look: Look, users: tuple[MemoryUser, ...], n_refused: int) -> None:
        used, limit = look.used_bytes // MIB, look.limit_bytes // MIB
        roomy_below = MemoryBudget(look.limit_bytes).roomy_below // MIB
        if look.level is Level.ROOMY:
            text = "memory: %d of %d MB in use, new calls come in again; refused: %d"
            log.warning(text, used, limit, n_refused)
        elif look.level is Level.SPENT:
            log.error(
                "memory: %d of %d MB in use and none is given back: handlers are not called any "
                "more, what happens by default happens; %s",
                used,
                limit,
                _users_text(users),
            )
        elif self._level is Level.ROOMY:
            log.warning(
                "memory: %d of %d MB in use (max_memory_mb): new calls are refused until it is "
                "less than %d; %s",
                used,
                limit,
                roomy_below,
                _users_text(users),
            )
        else:
            log.warning("memory: %d of %d MB in use: handlers are called again", used, limit)

    def _users(self) -> tuple[MemoryUser, ...]:
        """Who may have it: scripts with calls, those with most of them first."""
        calls: Counter[str] = Counter()
        running: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for session in self._board.sessions.values():
            script = f"{session.generation.script}@{session.generation.number}"
            calls[script] += 1
            handler = session.mailbox.running()
            if handler is not None and handler.call.handler:
                where = f" at {Path(handler.file).name}:{handler.line}" if handler.file else ""
                running[script][f"{handler.call.handler}{where}"] += 1
        return tuple(
            MemoryUser(script, count, tuple(sorted(running[script].items())))
            for script, count in sorted(calls.items(), key=lambda each: (-each[1], each[0]))
        )


def _users_text(users: tuple[MemoryUser, ...]) -> str:
    """`calls of menu@3: 12 (2 in onDtmf), hello@1: 1`."""
    if not users:
        return "no script has a call: a module or a thread keeps it"
    parts = []
    for user in users:
        handlers = ", ".join(f"{count} in {name}" for name, count in user.handlers)
        parts.append(f"{user.script}: {user.calls}" + (f" ({handlers})" if handlers else ""))
    return "calls of " + ", ".join(parts)
