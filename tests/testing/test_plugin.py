"""The plugin in a run of pytest of somebody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What a run within this one loads, it forgets again; numpy cannot be loaded twice.
from ivrbench.testing import bench, live, scripts  # noqa: F401

pytest_plugins = ["pytester"]

SCRIPT = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.stopSession()
"""

PLUGIN = ("-p", "ivrbench.testing.plugin", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes IVRs may have pytest and nothing else."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_the_scripts_of_the_project(pytester: pytest.Pytester) -> None:
    """`bench` serves the folder that pytest's configuration names; `ivr_scripts` overrules it."""
    pytester.makeini("[pytest]\nivr_script_path = apps\n")
    pytester.mkdir("apps").joinpath("quick.py").write_text(SCRIPT)
    pytester.makepyfile(
        """
        def test_project(bench):
            bench.configure(session_limit=5)
            call = bench.dial("quick")
            call.hangs_up(by="script")

        def test_own(bench, ivr_scripts):
            ivr_scripts.write("mine", '''
                from ivr import *
                class IvrDialog(IvrDialogBase):
                    pass
            ''')
            bench.dial("quick").refused(404)
            bench.dial("mine").answered()

        def test_fails(bench):
            bench.dial("quick").refused()
        """
    )
    result = pytester.runpytest(*PLUGIN)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*expected  a refusal within 5 s", "*got       it was answered"])


def test_a_folder_that_is_not_there(pytester: pytest.Pytester) -> None:
    """Is told with its name."""
    pytester.makepyfile("def test_it(bench):\n    bench.dial('x')\n")
    result = pytester.runpytest(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ConfigError*scripts is not a directory*"])


def test_fixtures_are_shown(pytester: pytest.Pytester) -> None:
    """`pytest --fixtures` tells what there is."""
    result = pytester.runpytest(*PLUGIN, "--fixtures")
    result.stdout.fnmatch_lines(["ivr_scripts -- *", "bench -- *", "live_bench -- *"])


def test_it_costs_nothing_until_it_is_used() -> None:
    """Every run of pytest loads the plugin: nothing but its own file comes with it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import ivrbench.testing.plugin; "
        "print(sorted(m for m in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ivrbench', 'ivrbench.testing', 'ivrbench.testing.plugin']"


def test_without_pytest() -> None:
    """A bench needs no pytest."""
    code = (
        "import sys; sys.modules['pytest'] = None; from ivrbench.testing import Bench; "
        "print(Bench.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Bench"
