"""The workbench on a fake engine, and what is on its screen as text."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual._context import active_app

from ivrbench.errors import EngineGone
from ivrbench.tui.app import Workbench
from tests.tui.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion
    from textual.pilot import Pilot

    from ivrbench.tui.engine import EngineProcess

WIDE = (120, 36)
NARROW = (80, 24)
PATIENCE_S = 40.0
"""A pytest of its own starts within a second, but not where the machine has other work."""


class Process:
    """An engine process of ours."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.refuses = ""
        self.starts = 0
        self.released = False

    def start(self) -> None:
        self.starts += 1
        if self.refuses:
            raise EngineGone(self.refuses)
        self.engine.start()

    @property
    def exit_code(self) -> int | None:
        return None if self.engine.is_up else 1

    def last_log(self, n_lines: int = 20) -> list[str]:
        return ["OSError: [Errno 98] udp 127.0.0.1:5080 is in use"]

    def release(self) -> None:
        self.released = True


class TextScreen(SingleFileSnapshotExtension):
    """Screens as text files: readable, and the same on every Python."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def screens(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares text with `__snapshots__/…/TEST.txt`."""
    return snapshot.use_extension(TextScreen)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clipboard file of a test is its own; the terminal is the same everywhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("NO_COLOR", "VISUAL", "EDITOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)


async def nothing_to_do(_min_sleep: float = 0.0, _max_sleep: float = 0.0) -> None:
    """Wait until the event loop would wait for time or for somebody else, and all is drawn."""
    loop: Any = asyncio.get_running_loop()  # Any: what is ready to run has no public name
    app = active_app.get()
    while True:
        while loop._ready:  # noqa: ASYNC110
            await asyncio.sleep(0)
        # What these would do by themselves, a little later; a screen may shine through another.
        waiting = [each for each in app.screen_stack if each._update_timer._active.is_set()]
        for screen in waiting:
            screen._on_timer_update()
        if waiting:
            continue
        if app._resize_timer is not None:
            app._check_resize()
        else:
            return


@pytest.fixture(autouse=True)
def no_clock_in_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's own wait is over once the process uses little CPU: also where it gets none. And
    where it would show the old screen for 50 ms more, a change is shown at once."""
    for module in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{module}.wait_for_idle", nothing_to_do)
    monkeypatch.setattr(Workbench, "delay_update", lambda app, delay=0.05: None)


def make_app(engine: FakeEngine, process: EngineProcess | None = None, **more: Any) -> Workbench:
    """The workbench as `run` makes it, on a clock that stands still; nothing moves slowly."""
    app = Workbench(engine.connect, process, clock=engine.clock, zone=UTC, **more)
    app.animation_level = "none"
    return app


@asynccontextmanager
async def workbench(
    engine: FakeEngine, size: tuple[int, int] = WIDE, **more: Any
) -> AsyncIterator[tuple[Workbench, Pilot[str]]]:
    """A running workbench that has seen everything the engine published."""
    app = make_app(engine, **more)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot, engine)
        yield app, pilot


async def settle(app: Workbench, pilot: Pilot[Any], engine: FakeEngine) -> None:
    """Wait until what happened is on the screen."""
    for _ in range(50):
        await pilot.pause()
        if all(client.is_idle for client in engine.clients):
            break
    app.draw_now()
    await pilot.pause()
    app.draw_now()
    await pilot.pause()


async def until(app: Workbench, pilot: Pilot[Any], engine: FakeEngine, text: str) -> None:
    """Wait for a text on the screen; for what a thread or a process does meanwhile."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await settle(app, pilot, engine)
            while text not in screen_text(app):
                await asyncio.sleep(0.01)  # neither tells this loop
                await settle(app, pilot, engine)
    except TimeoutError:
        raise AssertionError(f"{text!r} never came:\n{screen_text(app)}") from None


def screen_text(app: Workbench) -> str:
    """What a person sees, without colours."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    screen = app.screen
    update = screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    console.print(update)
    lines = console.export_text(styles=False).split("\n")
    return "\n".join(text.rstrip() for text in lines[:height]) + "\n"


def strip_text(app: Workbench) -> str:
    """The call strip."""
    return screen_text(app).splitlines()[-2]
