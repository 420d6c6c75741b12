"""A call of a shipped example script, without an engine."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, cast

from ivrbench.clock import SystemClock
from ivrbench.engine.scripts.loader import Load
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.ivr import HungUp
from tests.scriptapi.fakes import FakePort

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Caller:
    """A call of a script: what it plays, and the events that come back."""

    def __init__(
        self,
        name: str,
        folders: tuple[Path, ...] = (),
        *,
        starts: bool = True,
        params: dict[str, str] | None = None,
    ) -> None:
        load = Load(name, 1, SCRIPTS / f"{name}.py", folders, SystemClock())
        load.run()
        load.own.withdraw()
        assert load.generation is not None, load.failure
        assert load.warnings == ()
        self.port = FakePort(params=params or {})
        # Any: a script's class, unknown here.
        self.dialog = cast("Any", load.generation.new_dialog(self.port))
        if starts:
            self.dialog.onSessionStart()

    def runs(self, keys: str, recorded_ms: int = 0) -> list[str]:
        """The whole call of a script in the style of `async def`, and what was heard in it."""
        self.port.keys, self.port.recorded_ms = keys, recorded_ms
        with contextlib.suppress(HungUp):
            asyncio.run(self.dialog.onSessionStart())
        return self.heard()

    def heard(self) -> list[str]:
        """Prompts queued and other things asked for since the last time."""
        calls, self.port.calls = self.port.calls, []
        return [self._word(call) for call in calls]

    def _word(self, call: tuple[object, ...]) -> str:
        play, record = (call[1], call[2]) if call[0] == "enqueue" else (None, None)
        if isinstance(play, IvrAudioFile):
            return Path(play.opened().name).stem
        if call[0] == "reply_to_invite":
            return str(call[1])
        return "record" if record is not None else str(call[0])

    def drained(self) -> list[str]:
        """The playlist ran empty."""
        self.port.empty = True
        self.dialog.onEmptyQueue()
        return self.heard()

    def key(self, key: int) -> list[str]:
        self.dialog.onDtmf(key, 100)
        return self.heard()
