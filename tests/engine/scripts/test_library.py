"""Reloading: generations, helpers, threads, the file system (tui §5)."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.scripts.watcher import Watcher
from ivrbench.observe.events import (
    ScriptFailed,
    ScriptLoaded,
    ScriptLoading,
    ScriptRemoved,
    ScriptRetired,
    ScriptUnchanged,
)
from tests.engine.scripts.bench import DEADLINE_S, SCRIPT
from tests.scriptapi.fakes import FakePort

if TYPE_CHECKING:
    from tests.engine.scripts.bench import Bench

# --- reloading --------------------------------------------------------------------------------


def test_a_changed_script_serves_new_calls(bench: Bench) -> None:
    """The call that runs keeps its version, and its tracebacks keep their lines."""
    bench.write("menu.py", SCRIPT.replace("pass", "return 1 / 0  # old"))
    bench.library.load_all()
    old = bench.registry.acquire("menu")
    assert old is not None
    bench.write("menu.py", "# one line more\n" + SCRIPT)
    bench.changed("menu.py")
    assert bench.serving("menu").number == 2
    with pytest.raises(ZeroDivisionError) as caught:
        old.new_dialog(FakePort()).onSessionStart()  # type: ignore[attr-defined]
    assert "return 1 / 0  # old" in "".join(traceback.format_tb(caught.tb))
    bench.registry.release(old)
    assert bench.events.of(ScriptRetired)[0].generation == 1
    assert bench.serving("menu") is not old


def test_the_last_good_one_serves(bench: Bench) -> None:
    """A version that does not load never replaces one that does; its number is used up."""
    bench.write("menu.py")
    bench.library.load_all()
    bench.write("menu.py", "broken(")
    bench.changed("menu.py")
    event = bench.events.of(ScriptFailed)[0]
    assert (event.generation, event.serving_generation) == (2, 1)
    assert bench.serving("menu").number == 1
    bench.write("menu.py", SCRIPT + "\n")
    bench.changed("menu.py")
    assert bench.serving("menu").number == 3


def test_the_same_text_is_no_new_generation(bench: Bench) -> None:
    """`unchanged`; but a failed one is tried again, since its surroundings may have changed."""
    bench.write("menu.py")
    bench.library.load_all()
    bench.changed("menu.py")
    assert bench.events.of(ScriptUnchanged) == [ScriptUnchanged(script="menu", generation=1)]
    assert bench.serving("menu").number == 1
    bench.write("menu.py", "broken(")
    bench.changed("menu.py")
    bench.changed("menu.py")
    assert [event.generation for event in bench.events.of(ScriptFailed)] == [2, 3]


def test_a_deleted_script_is_refused(bench: Bench) -> None:
    """Live calls keep it; it may come back under the next number."""
    bench.write("menu.py")
    bench.library.load_all()
    bench.registry.acquire("menu")
    (bench.folder / "menu.py").unlink()
    bench.changed("menu.py", "never_was.py")
    assert bench.events.of(ScriptRemoved) == [ScriptRemoved(script="menu", live_calls=1)]
    assert bench.registry.serving("menu") is None
    bench.write("menu.py")
    bench.changed("menu.py")
    assert bench.serving("menu").number == 2


def test_changed_settings_reload_their_script(bench: Bench) -> None:
    """NAME.conf changed, appeared or vanished; the same content does nothing."""
    bench.write("menu.py")
    bench.library.load_all()
    path = bench.write("menu.conf", "a=1\n")
    bench.changed("menu.conf", "other.conf")
    assert bench.serving("menu").config == {"a": "1"}
    assert bench.events.of(ScriptLoaded)[-1].because == "menu.conf changed"
    bench.changed("menu.conf")
    assert bench.events.of(ScriptUnchanged)[0].generation == 2
    path.unlink()
    bench.changed("menu.conf")
    assert bench.serving("menu").config == {}
    assert bench.serving("menu").number == 3


def test_reload_and_rollback_by_hand(bench: Bench) -> None:
    """The palette: reload what has not changed, go back to the one before."""
    bench.write("menu.py")
    bench.library.load_all()
    assert bench.registry.rollback("menu") is None
    bench.library.reload("menu")
    bench.library.reload()
    bench.changed()
    assert bench.serving("menu").number == 3
    assert bench.events.of(ScriptLoaded)[-1].because == "reloaded by hand"
    assert bench.registry.rollback("menu") is not None
    assert bench.serving("menu").number == 2


def test_a_slow_load_is_told_and_swapped_in_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`… loading`: which line is executing; other scripts go on; it is swapped in when done."""
    monkeypatch.setattr("ivrbench.engine.scripts.library.SLOW_S", 0.01)
    monkeypatch.setattr("ivrbench.engine.scripts.library.AGAIN_S", 0.01)
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    bench.write("a_slow.py", "import sys\n\nsys.gate.wait()\n" + SCRIPT)
    bench.write("b.py")
    assert not bench.library.load_all()
    event = bench.events.wait(ScriptLoading, 3)
    assert (event.script, event.generation) == ("a_slow", 1)
    assert {loading.line for loading in bench.events.of(ScriptLoading)} <= {0, 1, 3}
    assert event.elapsed_s > 0
    assert bench.registry.names() == ["b"]
    gate.set()
    assert bench.library.load_all(wait=True)
    assert bench.registry.names() == ["a_slow", "b"]


def test_a_slow_load_never_replaces_a_newer_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """@1 is still loading when @2 has loaded."""
    monkeypatch.setattr("ivrbench.engine.scripts.library.SLOW_S", 0.01)
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    bench.write("menu.py", "import sys\nsys.gate.wait()\n" + SCRIPT)
    bench.library.load_all()
    monkeypatch.setattr("ivrbench.engine.scripts.library.SLOW_S", DEADLINE_S)
    bench.write("menu.py")
    bench.changed("menu.py")
    gate.set()
    (late,) = bench.library._pending
    assert late.done.wait(DEADLINE_S)
    bench.changed()
    bench.changed()
    assert bench.serving("menu").number == 2


# --- threads ----------------------------------------------------------------------------------


def test_threads_start_after_all_scripts_and_end_with_a_sentence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """createThread functions start in order after the last load; what they raise is logged."""
    started: list[str] = []
    monkeypatch.setattr(sys, "started", started, raising=False)
    thread = (
        "\nimport sys\ndef work():\n    sys.started.append('{0}')\n    1/0\ncreateThread(work)\n"
    )
    bench.write("a.py", SCRIPT + thread.format("a"))
    bench.write("b.py", SCRIPT)
    bench.library.load_all()
    assert started == []
    bench.library.start_threads()
    bench.library.start_threads()
    bench.write("b.py", SCRIPT + thread.format("b"))
    bench.changed("b.py")
    for name in "ab":
        for running in bench.serving(name).threads:
            running.join(DEADLINE_S)
    assert started == ["a", "b"]
    lines = [record.getMessage() for record in caplog.records if "thread work" in record.message]
    assert lines[0] == (
        f"thread work of a@1 ended: ZeroDivisionError: division by zero ({bench.folder}/a.py:10)"
    )


def test_a_retired_generation_tells_of_its_threads(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`1 thread running`."""
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    bench.write("menu.py", SCRIPT + "import sys\ncreateThread(sys.gate.wait)\n")
    bench.library.load_all()
    bench.library.start_threads()
    (thread,) = bench.serving("menu").threads
    bench.write("menu.py")
    bench.changed("menu.py")
    assert bench.events.of(ScriptRetired)[0].threads == 1
    gate.set()
    thread.join(DEADLINE_S)


# --- the whole way ----------------------------------------------------------------------------


def test_saving_a_file_reloads_it(bench: Bench) -> None:
    """From the file system to the registry; ivr.conf is told to the engine."""
    bench.write("menu.py")
    bench.library.load_all()
    bench.library.start_watching()
    bench.write("menu.py", SCRIPT + "\nx = 1\n")
    assert bench.events.wait(ScriptLoaded, 2).generation == 2
    (bench.folder / "menu.py").unlink()
    bench.events.wait(ScriptRemoved)


def test_the_engine_hears_of_its_own_settings(bench: Bench) -> None:
    """`ivr.conf` goes to the engine."""
    told = threading.Event()
    bench.library._config_file = bench.folder / "ivr.conf"
    bench.library._on_config_changed = told.set
    bench.library.start_watching()
    bench.write("ivr.conf", "a=1\n")
    assert told.wait(DEADLINE_S)


def test_where_changes_cannot_be_watched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The system has no more watches: it is said, and reloading by hand still works."""

    def refuse(watcher: Watcher) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Watcher, "start", refuse)
    bench.write("menu.py")
    bench.library.load_all()
    bench.library.start_watching()
    assert "inotify watch limit reached); reload by hand" in caplog.text
    bench.library.reload("menu")
    bench.changed()
    assert bench.serving("menu").number == 2


def test_a_fault_of_ours_does_not_end_reloading(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next change is taken."""
    bench.library._jobs.put(lambda: None if 1 / 0 else None)
    bench.write("menu.py")
    bench.changed("menu.py")
    assert "this is a fault of ivrbench" in caplog.text
    assert bench.serving("menu").number == 1
