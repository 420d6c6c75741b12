"""The shipped example scripts: they load from anywhere, and behave as their comments say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from ivrbench import scriptapi
from ivrbench.audio.files import decode_file
from ivrbench.clock import SystemClock
from ivrbench.engine.helpers import hook_imports
from ivrbench.engine.loader import Load
from ivrbench.scriptapi.audiofile import IvrAudioFile
from tests.scriptapi.fakes import FakeHost, FakePort
from tests.scriptapi.installed import keep_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(__file__).parents[2] / "scripts"
HASH = 11


class Caller:
    """A call of a script: what it plays, and the events that come back."""

    def __init__(self, name: str, folders: tuple[Path, ...] = ()) -> None:
        load = Load(name, 1, SCRIPTS / f"{name}.py", folders, SystemClock())
        load.run()
        load.own.withdraw()
        assert load.generation is not None, load.failure
        self.port = FakePort()
        # Any: a script's class, unknown here.
        self.dialog = cast("Any", load.generation.new_dialog(self.port))
        self.dialog.onSessionStart()

    def heard(self) -> list[str]:
        """Prompts queued and other things asked for since the last time."""
        calls, self.port.calls = self.port.calls, []
        return [self._word(call) for call in calls]

    def _word(self, call: tuple[object, ...]) -> str:
        play, record = (call[1], call[2]) if call[0] == "enqueue" else (None, None)
        if isinstance(play, IvrAudioFile):
            return Path(play.opened().name).stem
        return "record" if record is not None else str(call[0])

    def drained(self) -> list[str]:
        """The playlist ran empty."""
        self.port.empty = True
        self.dialog.onEmptyQueue()
        return self.heard()

    def key(self, key: int) -> list[str]:
        self.dialog.onDtmf(key, 100)
        return self.heard()


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The API is installed, and the working directory is not the project's."""
    keep_modules(monkeypatch)
    scriptapi.install(FakeHost())
    monkeypatch.chdir(tmp_path)
    unhook = hook_imports()
    yield
    unhook()


def test_prompts_are_small_and_playable() -> None:
    """8 kHz, below 100 kB each, and loud enough to be heard."""
    prompts = sorted((SCRIPTS / "wav").glob("*.wav"))
    assert prompts
    for path in prompts:
        pcm, rate_hz = decode_file(path)
        assert rate_hz == 8000
        assert path.stat().st_size < 100_000
        assert abs(pcm).max() > 10_000


def test_hello() -> None:
    """One prompt, then it hangs up; a caller who hangs up ends it too."""
    caller = Caller("hello")
    assert caller.heard() == ["hello"]
    assert caller.drained() == ["stop_session"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]


def test_menu_keys() -> None:
    """The tree of the keypad: down, a prompt, back up, a key that does nothing."""
    caller = Caller("menu")
    assert caller.heard() == ["main"]
    quiet = ["remove_timer", "flush"]
    assert caller.key(1) == [*quiet, "hours"]
    assert caller.key(2) == [*quiet, "weekend", "hours"]
    assert caller.key(0) == [*quiet, "main"]
    assert caller.key(2) == [*quiet, "directions", "main"]
    assert caller.key(9) == [*quiet, "unknown", "main"]
    assert caller.key(10) == [*quiet, "main"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]


def test_menu_without_keys(tmp_path: Path) -> None:
    """It asks as often as menu.conf says, then says goodbye; late events do no harm."""
    (tmp_path / "menu.conf").write_text("repeats = 2\nwait = 1.5\n")
    caller = Caller("menu", (tmp_path,))
    caller.heard()
    caller.dialog.onEmptyQueue()  # came too late: the next prompt is queued already
    assert caller.heard() == []
    caller.port.empty = True
    caller.dialog.onEmptyQueue()
    assert caller.port.calls == [("set_timer", 1, 1.5)]
    caller.heard()
    caller.dialog.onTimer(1)
    assert caller.heard() == ["main"]
    assert caller.drained() == ["set_timer"]
    caller.dialog.onTimer(1)
    assert caller.heard() == ["goodbye"]
    assert caller.key(1) == []
    assert caller.drained() == ["stop_session"]


def recorded(caller: Caller, n_bytes: int) -> None:
    """Let the recording have so much audio."""
    audio = caller.dialog.message.opened()
    with Path(audio.path).open("ab") as file:
        file.write(bytes(n_bytes))


def test_record(tmp_path: Path) -> None:
    """Record, listen, record again, keep; a recording without speech is asked for again."""
    (tmp_path / "record.conf").write_text(f"folder = {tmp_path}/kept\nlimit = 30\n")
    caller = Caller("record", (tmp_path,))
    assert caller.heard() == ["leave_message", "tone"]
    assert caller.drained() == ["record"]
    assert caller.dialog.message.record_limit_ms == 30_000
    recorded(caller, 16_000)
    assert caller.key(HASH) == ["flush", "review"]
    assert caller.drained() == []
    assert caller.key(1)[0] == "flush"
    assert caller.key(2) == ["flush", "leave_message", "tone"]
    assert caller.key(HASH) == ["flush", "record"]
    assert caller.drained() == ["empty", "leave_message", "tone"]
    assert caller.drained() == ["record"]
    recorded(caller, 16_000)
    assert caller.drained() == ["review"]
    assert caller.key(HASH) == ["flush", "saved"]
    assert caller.drained() == ["stop_session"]
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.endswith("-l1.wav")


def test_record_hang_up(tmp_path: Path) -> None:
    """What was recorded so far is kept when the caller hangs up."""
    (tmp_path / "record.conf").write_text(f"folder = {tmp_path}/kept\n")
    caller = Caller("record", (tmp_path,))
    caller.drained()
    caller.heard()
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]
    with pytest.raises(ValueError, match="not open"):
        caller.dialog.message.opened()
    assert len(list((tmp_path / "kept").iterdir())) == 1
