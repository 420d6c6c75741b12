"""Programs beside the workbench: scripts that are only imported, and the view for browsers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from ivrbench.tui.screens.help import HelpScreen
from ivrbench.tui.text import line

if TYPE_CHECKING:
    from ivrbench.tui.app import Workbench

__all__ = ["Beside"]

PROGRAM: Final = (sys.executable, "-m", "ivrbench")
ENDS_WITHIN_S: Final = 2.0


class Beside:
    """Starts them, and ends what still runs with the workbench.

    Args:
        app: whose.
    """

    def __init__(self, app: Workbench) -> None:
        self._app = app
        self._web: subprocess.Popen[str] | None = None
        self._address = ""

    def check(self) -> None:
        """Import every script in a process of its own, and show what comes of it."""
        self._app.run_worker(self._check(), group="check", exclusive=True)

    async def _check(self) -> None:
        engine = self._app.model.history.engine
        command = [*PROGRAM, "--check", f"--script-path={engine.script_path}"]
        command += [f"--config={engine.config_file}"] if engine.config_file else []
        self._app.say("importing all scripts …")
        run = partial(subprocess.run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        done = await asyncio.to_thread(run, command, stdin=subprocess.DEVNULL, check=False)
        lines = [line(text) for text in str(done.stdout).splitlines()]
        verdict = "all of them load" if done.returncode == 0 else "not all of them load"
        self._app.push_screen(HelpScreen(f"Import only: {verdict}", lines, self._app.model.glyphs))

    def browse(self) -> None:
        """Start the view for browsers, and tell and copy where it is."""
        self._app.run_worker(self._browse(), group="browse", exclusive=True)

    async def _browse(self) -> None:
        if self._web is None or self._web.poll() is not None:
            self.close()
            self._address = await asyncio.to_thread(self._start_web)
        before, found, token = self._address.partition("http")
        if found:
            self._app.copy(found + token)
            self._app.say(f"copied: {found}{token}", "ok")
        else:
            self._app.say(before or "the browser view did not start", "bad")

    def _start_web(self) -> str:
        """Start it; the first line it says."""
        command = [*PROGRAM, f"--attach={self._app.control_socket}", "--web", "--port=0"]
        self._web = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._web.stdout is not None, "it was started with a pipe"
        return self._web.stdout.readline().strip()

    def close(self) -> None:
        """End the view for browsers."""
        web, self._web = self._web, None
        if web is None:
            return
        web.terminate()
        with suppress(subprocess.TimeoutExpired):
            web.wait(ENDS_WITHIN_S)
        if web.stdout is not None:
            web.stdout.close()
