"""A folder of scripts and a library on it, for tests of the script side of the engine."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TypeVar

from ivrbench import scriptapi
from ivrbench.clock import SystemClock
from ivrbench.engine.scripts.library import ScriptLibrary
from ivrbench.engine.scripts.registry import Registry
from ivrbench.observe.events import ScriptFailed
from tests.scriptapi.fakes import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.engine.scripts.generation import Generation
    from ivrbench.observe.events import Event

_E = TypeVar("_E")
DEADLINE_S = 20.0  # for threads that should be done in milliseconds

HEAD = "from log import *\nfrom ivr import *\n"
SCRIPT = """from log import *
from ivr import *
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        pass
"""


class Events:
    """Collects events; `wait` blocks until one comes that fits."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.all.append(event)
            self._changed.notify_all()

    def of(self, kind: type[_E]) -> list[_E]:
        """Those of one class so far."""
        return [event for event in self.all if isinstance(event, kind)]

    def wait(self, kind: type[_E], count: int = 1) -> _E:
        """The `count`-th of one class, once it is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, DEADLINE_S), (
                f"no {kind.__name__} came; there were {self.all}"
            )
            return self.of(kind)[count - 1]


class Bench:
    """A script folder with its library; `close` it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = Events()
        self.registry = Registry(self.events)
        self.host = FakeHost()
        scriptapi.install(self.host)
        self.library = ScriptLibrary(folder, [folder], self.registry, self.events, SystemClock())

    def write(self, name: str, text: str = SCRIPT) -> Path:
        """Save a file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def changed(self, *names: str) -> None:
        """Tell the library that files are at rest after a change, and wait until it is done."""
        self.library._files_changed([self.folder / name for name in names])
        self.library._ask(lambda: None)

    def serving(self, name: str) -> Generation:
        """The generation that serves; there must be one."""
        generation = self.registry.serving(name)
        assert generation is not None, f"{name} does not serve"
        return generation

    def close(self) -> None:
        """End the library and take its modules out of `sys.modules`."""
        self.library.close()
        for name, module in list(sys.modules.items()):
            if "__ivrbench_modules__" in vars(module):
                del sys.modules[name]


def failure(bench: Bench, text: str | bytes, conf: str | None = None) -> ScriptFailed:
    """Load one script that must fail."""
    path = bench.write("menu.py", "")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if conf is not None:
        bench.write("menu.conf", conf)
    assert not bench.library.load_all()
    (event,) = [event for event in bench.events.of(ScriptFailed) if event.script == "menu"]
    assert bench.registry.serving("menu") is None
    return event
