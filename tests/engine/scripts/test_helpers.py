"""Helpers: modules and packages beside the scripts, a copy for each generation (tui §5.4)."""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.scripts.registry import MAX_KEPT
from ivrbench.observe.events import ScriptFailed, ScriptLoaded
from tests.engine.scripts.bench import HEAD, SCRIPT, failure
from tests.scriptapi.fakes import FakePort

if TYPE_CHECKING:
    from tests.engine.scripts.bench import Bench

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
    assert failed["menu"].message.startswith("util.py:2: ")
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


def test_imports_by_name(bench: Bench) -> None:
    """`importlib.import_module` and `__import__`, of helpers that no statement has loaded."""
    bench.write("util.py", "x = 1\n")
    bench.write("pkg/__init__.py", "")
    bench.write("pkg/deep.py", "import importlib\nside = importlib.import_module('.side', 'pkg')\n")
    bench.write("pkg/side.py", "y = 2\n")
    bench.write(
        "menu.py",
        "from importlib import import_module\n"
        "x = import_module('util').x\n"
        "y = import_module('pkg.deep').side.y\n"
        "z = __import__('pkg.side').side.y\n"
        "when = import_module('datetime').date.min.year\n" + SCRIPT,
    )
    assert bench.library.load_all()
    module = bench.serving("menu").module
    assert (module.x, module.y, module.z, module.when) == (1, 2, 2, 1)
    bench.write("util.py", "x = 3\n")
    bench.changed("util.py")
    assert bench.serving("menu").module.x == 3


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


@pytest.mark.parametrize(
    "line",
    [
        "import pkg.none",
        "from . import x",
        "import util.sub",
        "import importlib; importlib.import_module('pkg.none')",
        "import importlib; importlib.import_module('none')",
    ],
)
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
    """The serving one and those to roll back to are kept; older ones without calls are not."""
    for number in range(MAX_KEPT + 2):
        bench.write("menu.py", SCRIPT + f"# {number}\n")
        bench.changed("menu.py")
    kept = [f"menu.py@{number}" in linecache.cache for number in (1, 2, MAX_KEPT + 2)]
    assert kept == [False, True, True]
