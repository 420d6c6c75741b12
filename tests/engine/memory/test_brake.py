"""Code of scripts is stopped where it is: who, by what, and never beyond its own code."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.memory import brake as memory_brake
from ivrbench.engine.memory.brake import LOOK_S, OUT_OF_MEMORY, Brake, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 20.0


class Threads:
    """Threads that run code of scripts, and whose processor time the test decides."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.brake = Brake()
        self.used_s: dict[int, float] = {}
        self.uses: dict[int, float] = {}
        """What each uses while it is looked at."""
        clocks = SimpleNamespace(
            pthread_getcpuclockid=lambda ident: ident,
            clock_gettime=lambda ident: self.used_s[ident],
            sleep=self._sleep,
        )
        patch.setattr(memory_brake, "time", clocks)
        self._going_on = threading.Event()
        self._threads: list[threading.Thread] = []

    def _sleep(self, seconds: float) -> None:
        assert seconds == LOOK_S
        for ident, used_s in self.uses.items():
            self.used_s[ident] += used_s

    def start(self, code: Callable[[], object]) -> _Script:
        """A thread with this code; returns when it has entered it."""
        script = _Script(self.brake, code, self._note)
        thread = threading.Thread(target=script.run, daemon=True)
        self._threads.append(thread)
        thread.start()
        assert script.entered.wait(DEADLINE_S)
        return script

    def _note(self, ident: int) -> None:
        self.used_s.setdefault(ident, 0.0)

    def join(self) -> None:
        """All have to be through."""
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


class _Script:
    def __init__(
        self, brake: Brake, code: Callable[[], object], note: Callable[[int], None]
    ) -> None:
        self._brake, self._code, self._note = brake, code, note
        self.entered = threading.Event()
        self.ident = 0
        self.raised: BaseException | None = None
        self.through = False

    def run(self) -> None:
        self.ident = threading.get_ident()
        self._note(self.ident)
        try:
            self._brake.enter()
            self.entered.set()
            try:
                self._code()
            finally:
                self._brake.leave()
        except OUT_OF_MEMORY as exc:
            self._brake.leave()
            self.raised = exc
        self.through = True


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    made = Threads(monkeypatch)
    yield made
    made.join()


def spin(stop: threading.Event) -> Callable[[], None]:
    """Code that goes on until it is stopped, or told."""

    def code() -> None:
        while not stop.is_set():
            pass

    return code


def test_the_busiest_is_stopped(threads: Threads) -> None:
    """The other one goes on to its end."""
    stop = threading.Event()
    less, more = threads.start(spin(stop)), threads.start(spin(stop))
    threads.uses = {less.ident: 0.3 * LOOK_S, more.ident: 0.6 * LOOK_S}
    assert threads.brake.stop_busiest()
    threads._threads[1].join(DEADLINE_S)
    assert type(more.raised) is MemoryError
    assert more.through
    stop.set()
    threads.join()
    assert less.raised is None


def test_nobody_computes(threads: Threads) -> None:
    """Who waits takes no memory, and is left alone; so is everybody where nobody runs."""
    assert not threads.brake.stop_busiest()
    stop = threading.Event()
    script = threads.start(stop.wait)
    threads.uses = {script.ident: 0.09 * LOOK_S}
    assert not threads.brake.stop_busiest()
    stop.set()
    threads.join()
    assert script.raised is None
    assert not threads.brake.stop_busiest(), "it is through"


def test_who_goes_on_is_ended(threads: Threads) -> None:
    """The second one is nothing that `except Exception` catches."""
    caught = threading.Event()
    stop = threading.Event()

    def code() -> None:
        while True:
            try:
                spin(stop)()
            except Exception:
                caught.set()

    script = threads.start(code)
    threads.uses = {script.ident: LOOK_S}
    assert threads.brake.stop_busiest()
    assert caught.wait(DEADLINE_S)
    assert threads.brake.stop_busiest()
    threads.join()
    assert type(script.raised) is OutOfMemory


def test_leaving_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where one was sent; and who has left is not hit any more."""
    told: list[object] = []
    monkeypatch.setattr(memory_brake, "_raise_in", lambda ident, error: told.append(error))
    brake = Brake()
    brake.enter()
    brake.leave()
    assert told == []
    brake.enter()
    assert brake._hit(threading.get_ident())
    brake.leave()
    assert told == [MemoryError, None]
    brake.leave()
    assert not brake._hit(threading.get_ident())
    brake.enter()
    assert brake._hit(threading.get_ident())
    assert told[2:] == [MemoryError], "each piece of code has its own first one"
    brake.leave()
