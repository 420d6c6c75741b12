"""The thread that looks: what it sets, and that it goes on where there is no memory."""

from __future__ import annotations

import gc
import resource
import threading
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.memory import watch as memory_watch
from ivrbench.engine.memory.budget import LOOK_S, MIB, SHORTEST_LOOK_S, Level, Look, Reading
from ivrbench.engine.memory.watch import COLLECT_S, TRIM_S, DataLimit, MemoryWatch

if TYPE_CHECKING:
    from collections.abc import Callable

UNLIMITED = resource.RLIM_INFINITY


class Machine:
    """A process whose memory the test decides, and what was asked of its system."""

    def __init__(self, patch: pytest.MonkeyPatch, hard: int = UNLIMITED) -> None:
        self.used_mb = 100
        self.now_s = 0.0
        self.frees: Callable[[], None] = lambda: None
        """What a collection or a trim does."""
        self.set: list[int] = []
        """Limits in MiB; -1: none."""
        self.done: list[str] = []
        self.looks: list[Look] = []
        self.fails = False
        patch.setattr(resource, "getrlimit", lambda which: (hard, hard))
        patch.setattr(resource, "setrlimit", self._set)
        patch.setattr(gc, "collect", lambda: self._free("collected"))
        patch.setattr(memory_watch, "_trim", lambda: self._free("trimmed"))
        patch.setattr(threading, "Thread", _NoThread)
        self.watch = MemoryWatch(
            *(self._read, self._take, DataLimit()),
            lambda: self.done.append("stopped"),
            lambda: self.now_s,
        )

    def _set(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_DATA
        self.set.append(limits[0] if limits[0] == UNLIMITED else limits[0] // MIB)

    def _free(self, how: str) -> None:
        self.done.append(how)
        self.frees()

    def _read(self) -> Reading:
        if self.fails:
            raise MemoryError
        return Reading(self.used_mb * MIB, 2000 * MIB)

    def _take(self, look: Look) -> None:
        self.looks.append(look)

    def look_at(self, used_mb: int) -> Level:
        """So much is in use now."""
        self.used_mb = used_mb
        self.watch.look()
        return self.looks[-1].level


class _NoThread:
    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        """The test looks itself."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(monkeypatch)
    made.watch.apply(1000 * MIB)
    return made


def test_the_limit_moves_along(machine: Machine) -> None:
    """It is set when it is known, and at each look."""
    assert machine.set == [3150]
    machine.look_at(500)
    assert machine.set[-1] == 2750


def test_another_limit_and_none(machine: Machine) -> None:
    """A new setting counts at once; 0 takes the limit off."""
    machine.look_at(990)
    machine.watch.apply(2000 * MIB)
    assert (machine.set[-1], machine.looks[-1].level) == (3510, Level.ROOMY)
    machine.watch.apply(0)
    assert machine.set[-1] == UNLIMITED
    n_looks = len(machine.looks)
    assert machine.watch.look() == LOOK_S
    assert len(machine.looks) == n_looks
    assert machine.set[-1] == UNLIMITED


def test_a_level_outlives_its_limit(machine: Machine) -> None:
    """Refused calls are let in where it is roomy, not because a number changed."""
    assert machine.look_at(910) is Level.FULL
    machine.used_mb = 870
    machine.watch.apply(1010 * MIB)
    assert machine.looks[-1].level is Level.FULL


def test_no_limit_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is set."""
    machine = Machine(monkeypatch)
    machine.watch.apply(0)
    machine.watch.close()
    assert machine.set == []


def test_closed(machine: Machine) -> None:
    """The limit goes with the watch."""
    machine.watch.close()
    assert machine.set[-1] == UNLIMITED


def test_limit_we_were_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing beyond it can be set."""
    machine = Machine(monkeypatch, hard=2100 * MIB)
    machine.watch.apply(1000 * MIB)
    machine.watch.close()
    assert machine.set == [2100, 2100]


def test_scripts_are_stopped_beyond_the_limit(machine: Machine) -> None:
    """At each look, as long as it is beyond."""
    machine.look_at(999)
    machine.done.clear()
    machine.look_at(1000)
    machine.look_at(1050)
    machine.look_at(999)
    assert machine.done == ["stopped", "stopped"]


def test_no_memory_to_look(machine: Machine) -> None:
    """It looks again soon; nobody is told of what was not seen."""
    n_looks = len(machine.looks)
    machine.fails = True
    assert machine.watch.look() == SHORTEST_LOOK_S
    assert len(machine.looks) == n_looks


def test_what_only_waits_to_be_freed(machine: Machine) -> None:
    """Calls are refused only where collecting does not help."""
    machine.frees = lambda: setattr(machine, "used_mb", 300)
    assert machine.look_at(940) is Level.ROOMY
    assert machine.done == ["collected", "trimmed"]


def test_freeing_is_not_done_all_the_time(machine: Machine) -> None:
    """Once a second, and only while memory is short."""
    assert machine.look_at(860) is Level.ROOMY
    assert machine.done == []
    assert machine.look_at(940) is Level.FULL
    machine.look_at(940)
    assert machine.done == ["collected", "trimmed"]
    machine.now_s += TRIM_S
    assert machine.look_at(870) is Level.FULL
    assert machine.done[2:] == ["trimmed"]
    machine.now_s += COLLECT_S
    machine.look_at(940)
    assert machine.done[3:] == ["collected", "trimmed"]


def test_collecting_takes_little_of_the_time(machine: Machine) -> None:
    """Where it takes long it is done less often."""

    def takes_long() -> None:
        machine.now_s += 0.25

    machine.frees = takes_long  # a collection and a trim
    machine.look_at(940)
    machine.done.clear()
    machine.now_s += 4.7
    machine.look_at(940)
    assert "collected" not in machine.done
    machine.now_s += 0.1
    machine.look_at(940)
    assert "collected" in machine.done


def test_the_c_librarys_trim_can_be_called() -> None:
    """Where there is one."""
    memory_watch._trim()
