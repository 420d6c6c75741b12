"""Reloading: generations, helpers, threads, the file system (tui §5)."""

from __future__ import annotations

import linecache
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import (
    ScriptFailed,
    ScriptLoaded,
    ScriptLoading,
    ScriptRemoved,
    ScriptRetired,
    ScriptUnchanged,
)
from tests.engine.scripts import DEADLINE_S, HEAD, SCRIPT, failure
from tests.scriptapi.fakes import FakePort

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.scripts import Bench

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
    assert not bench.library.rollback("menu")
    bench.library.reload("menu")
    bench.library.reload()
    bench.changed()
    assert bench.serving("menu").number == 3
    assert bench.events.of(ScriptLoaded)[-1].because == "reloaded by hand"
    assert bench.library.rollback("menu")
    assert bench.serving("menu").number == 2


def test_a_slow_load_is_told_and_swapped_in_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`… loading`: which line is executing; other scripts go on; it is swapped in when done."""
    monkeypatch.setattr("ivrbench.engine.library.SLOW_S", 0.01)
    monkeypatch.setattr("ivrbench.engine.library.AGAIN_S", 0.01)
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
    monkeypatch.setattr("ivrbench.engine.library.SLOW_S", 0.01)
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    bench.write("menu.py", "import sys\nsys.gate.wait()\n" + SCRIPT)
    bench.library.load_all()
    monkeypatch.setattr("ivrbench.engine.library.SLOW_S", DEADLINE_S)
    bench.write("menu.py")
    bench.changed("menu.py")
    gate.set()
    (late,) = bench.library._pending
    assert late.done.wait(DEADLINE_S)
    bench.changed()
    bench.changed()
    assert bench.serving("menu").number == 2


# --- helpers ----------------------------------------------------------------------------------

USER = "import util\n" + SCRIPT


def test_a_helper_is_no_application(bench: Bench) -> None:
    """No `IvrDialog`, but another script imports it: it is told once, with its users."""
    bench.write("util.py", "x = 1\n")
    bench.write("a.py", USER)
    bench.write("b.py", USER)
    assert bench.library.load_all()
    (event,) = [event for event in bench.events.of(ScriptLoaded) if event.is_helper]
    assert (event.script, event.helper_of) == ("util", ("a", "b"))
    assert bench.registry.names() == ["a", "b"]
    assert bench.serving("a").module.util is not bench.serving("b").module.util


def test_a_changed_helper_reloads_its_users(bench: Bench) -> None:
    """Each generation has its own copy; the reason is told."""
    bench.write("util.py", "x = 1\n")
    bench.write("menu.py", USER)
    bench.write("other.py")
    bench.library.load_all()
    old = bench.serving("menu")
    bench.write("util.py", "x = 2\n")
    bench.changed("util.py")
    new = bench.serving("menu")
    assert (old.module.util.x, new.module.util.x) == (1, 2)
    loaded = [event for event in bench.events.of(ScriptLoaded) if event.script == "menu"]
    assert loaded[-1].because == "util.py changed"
    assert bench.serving("other").number == 1


def test_a_broken_helper_breaks_its_users_until_repaired(bench: Bench) -> None:
    """The failure names the helper's line, and the line of the import in the script."""
    bench.write("util.py", "x = 1\n")
    bench.write("menu.py", USER)
    bench.library.load_all()
    bench.write("util.py", "x = 1\nx = (\n")
    bench.changed("util.py")
    failed = {event.script: event for event in bench.events.of(ScriptFailed)}
    assert (failed["util"].line, failed["menu"].line) == (2, 1)
    assert 'File "util.py@menu@2", line 2' in failed["menu"].traceback
    assert bench.serving("menu").number == 1
    bench.write("util.py", "x = 3\n")
    bench.changed("util.py")
    assert bench.serving("menu").number == 3
    assert bench.serving("menu").module.util.x == 3


def test_a_missing_helper_that_appears(bench: Bench) -> None:
    """The script that could not import it is tried again."""
    bench.write("menu.py", USER)
    assert not bench.library.load_all()
    bench.write("util.py", "x = 1\n")
    bench.changed("util.py")
    assert bench.serving("menu").number == 2
    assert bench.events.of(ScriptLoaded)[0].because == "util.py appeared"


def test_lazy_imports_get_the_generations_own_copy(bench: Bench) -> None:
    """An import inside a handler, long after the load, when the file has changed already."""
    bench.write("util.py", "x = 1\n")
    bench.write(
        "menu.py",
        HEAD
        + "class IvrDialog(IvrDialogBase):\n  def f(self):\n    import util\n    return util.x\n",
    )
    bench.library.load_all()
    old = bench.serving("menu").new_dialog(FakePort())
    assert old.f() == 1  # type: ignore[attr-defined]
    bench.write("util.py", "x = 2\n")
    bench.changed("util.py")
    assert bench.serving("menu").number == 2
    assert bench.serving("menu").new_dialog(FakePort()).f() == 2  # type: ignore[attr-defined]
    assert old.f() == 1  # type: ignore[attr-defined]


def test_packages(bench: Bench) -> None:
    """Packages, with and without __init__, relative imports, star imports; changes reload."""
    bench.write(
        "pkg/__init__.py", "from . import deep\nfrom .deep import value\n__all__ = ['side']\n"
    )
    bench.write("pkg/deep.py", "value = 1\n")
    bench.write("pkg/side.py", "name = __name__\n")
    bench.write("bare/mod.py", "import pkg.deep as d\nvalue = d.value\n")
    bench.write(
        "menu.py",
        "import pkg.deep\nfrom pkg import *\nfrom pkg import value as v\nimport bare.mod\n"
        "from bare import mod\n" + SCRIPT,
    )
    assert bench.library.load_all()
    module = bench.serving("menu").module
    assert (module.v, module.side.name, module.mod.value) == (1, "pkg.side", 1)
    assert module.pkg.deep.value == 1
    bench.write("pkg/deep.py", "value = 2\n")
    bench.changed("pkg/deep.py")
    assert bench.serving("menu").module.v == 2
    assert bench.events.of(ScriptLoaded)[-1].because == "deep.py changed"


@pytest.mark.parametrize("line", ["import pkg.none", "from . import x", "import util.sub"])
def test_imports_that_fail(bench: Bench, line: str) -> None:
    """A submodule that is not there, a relative import in a script."""
    bench.write("pkg/__init__.py", "")
    bench.write("util.py", "")
    event = failure(bench, f"{line}\n")
    assert event.error_type in ("ModuleNotFoundError", "ImportError")


def test_circular_imports_work(bench: Bench) -> None:
    """A helper that imports the script gets the module that is being loaded."""
    bench.write("util.py", "import menu\ndef f():\n    return menu.x\n")
    bench.write("menu.py", "import util\nx = 5\n" + SCRIPT)
    assert bench.library.load_all()
    assert bench.serving("menu").module.util.f() == 5


def test_the_standard_library_is_never_hidden(bench: Bench) -> None:
    """A script called like a module of Python serves, and hides nothing from anyone."""
    import calendar

    bench.write("calendar.py")
    bench.write("menu.py", "import calendar\n" + SCRIPT)
    assert bench.library.load_all()
    assert bench.serving("menu").module.calendar is calendar
    assert sys.modules["calendar"] is calendar


def test_a_failed_load_leaves_nothing_behind(bench: Bench) -> None:
    """sys.modules shows the last good module again."""
    bench.write("menu.py")
    bench.library.load_all()
    before = sys.modules["menu"]
    bench.write("menu.py", "1/0\n")
    bench.write("fresh.py", "1/0\n")
    bench.changed("menu.py", "fresh.py")
    assert sys.modules["menu"] is before
    assert "fresh" not in sys.modules


def test_sources_of_forgotten_generations_are_dropped(bench: Bench) -> None:
    """The serving one and the one before are kept; older ones without calls are not."""
    for number in range(3):
        bench.write("menu.py", SCRIPT + f"# {number}\n")
        bench.changed("menu.py")
    kept = [f"menu.py@{number}" in linecache.cache for number in (1, 2, 3)]
    assert kept == [False, True, True]


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


def test_saving_a_file_reloads_it(bench: Bench, tmp_path: Path) -> None:
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
