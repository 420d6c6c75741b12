"""Loading: the table of tui §5 row by row, and ivr-api §6."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.audio import tts
from ivrbench.clock import ManualClock, SystemClock
from ivrbench.engine.scripts.library import ScriptLibrary
from ivrbench.engine.scripts.loader import Load, read_config
from ivrbench.errors import ConfigError
from ivrbench.observe.events import (
    ScriptFailed,
    ScriptLoaded,
)
from tests.engine.scripts.bench import HEAD, SCRIPT, failure

if TYPE_CHECKING:
    from tests.engine.scripts.bench import Bench


def test_registered(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """`✓ ok`: the event has generation, handlers with lines and the text; the log has its lines."""
    caplog.set_level("INFO")
    bench.write("menu.py")
    bench.write("a-b.py")
    assert bench.library.load_all()
    assert bench.registry.names() == ["a-b", "menu"]
    event = bench.events.of(ScriptLoaded)[1]
    assert (event.script, event.generation, event.is_helper) == ("menu", 1, False)
    assert event.file == str(bench.folder / "menu.py")
    assert event.handlers == (("onSessionStart", 4),)
    assert event.source == SCRIPT
    text = [record.getMessage() for record in caplog.records]
    assert text[0].startswith("ivrbench ")
    assert f"Text-To-Speech: {'yes' if tts.is_installed() else 'no'}" in text
    assert f"script path: '{bench.folder}'" in text
    assert f"directory '{bench.folder}' opened" in text
    assert "Application script registered: menu." in text


def test_scripts_load_in_byte_order(bench: Bench) -> None:
    """Capitals before small letters; dotfiles, folders and other files are no scripts."""
    for name in ("b.py", "a.py", "B.py", ".hidden.py", "__init__.py", "x.txt", "menu.py~"):
        bench.write(name)
    (bench.folder / "folder.py").mkdir()
    bench.library.load_all()
    assert [event.script for event in bench.events.of(ScriptLoaded)] == ["B", "a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "error_type", "message", "hint"),
    [
        ("def x(:\n  pass\n", 1, "SyntaxError", "invalid syntax", ""),
        ("import ivr\nprint 'x\n", 2, "SyntaxError", "unterminated string", ""),
        ("x = 1\n1/0\n", 2, "ZeroDivisionError", "division by zero", ""),
        ("greeting = 1\ngreting\n", 2, "NameError", "greting", "did you mean 'greeting'?"),
        ("import os\nos.gtcwd()\n", 2, "AttributeError", "gtcwd", "did you mean 'getcwd'?"),
        ("from ivr import IvrDialogBsae\n", 1, "ImportError", "Bsae", "'IvrDialogBase'?"),
        ("import rfc822\n", 1, "ModuleNotFoundError", "rfc822", "use email.utils"),
        ("import mneu\n", 1, "ModuleNotFoundError", "mneu", "did you mean 'menu'?"),
        (
            "\nimport sys\nsys.exit(3)\n",
            3,
            "SystemExit",
            "the script called sys.exit(3); ignored",
            "",
        ),
        ("raise SystemExit\n", 1, "SystemExit", "the script called sys.exit(); ignored", ""),
        ("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt", "", ""),
        ("{}['config']\n", 1, "KeyError", "config", ""),
        ("\nx = 1\0\n", 2, "SyntaxError", "NUL character", ""),
        (b"# coding: nonsense\n", 1, "SyntaxError", "nonsense", ""),
        (b"x = 1\ny = '\xe4'\n", 2, "UnicodeDecodeError", "utf-8", "save the file as UTF-8"),
        ("", 0, "ScriptLoadError", 'class IvrDialog not found in "menu"', ""),
        (
            HEAD + "class IvrDialogue(IvrDialogBase):\n  x = 1\n",
            3,
            "ScriptLoadError",
            'class IvrDialog not found in "menu"',
            "did you mean IvrDialogue (line 3)?",
        ),
        (
            HEAD + "class Menu(IvrDialogBase):\n  x = 1\n",
            3,
            "ScriptLoadError",
            "not found",
            "did you mean Menu (line 3)?",
        ),
        (
            HEAD + "\n\nclass IvrDialog:\n  pass\n",
            5,
            "ScriptLoadError",
            "IvrDialog is not a subtype of IvrDialogBase",
            "class IvrDialog(IvrDialogBase):",
        ),
        ("IvrDialog = 5\n", 0, "ScriptLoadError", "not a subtype", ""),
        (
            "class E(Exception):\n  def __str__(self): return 1/0\nraise E\n",
            3,
            "E",
            "",
            "",
        ),
    ],
)
def test_bad_scripts(
    bench: Bench, text: str | bytes, line: int, error_type: str, message: str, hint: str
) -> None:
    """`✗ bad`: file, line, type and text of what went wrong, and what was probably meant."""
    event = failure(bench, text)
    assert event.line == line
    assert event.error_type == error_type
    assert message in event.message
    assert hint in event.hint
    assert event.serving_generation == 0
    assert event.file.endswith("/menu.py")
    assert "ivrbench/" not in event.traceback


@pytest.mark.parametrize(
    ("conf", "hint"),
    [
        ("greeting=x\n", "did you mean 'greeting'?"),
        ("other=x\n", "menu.conf has no such setting"),
        (None, "no menu.conf was found"),
        ("broken\n", "menu.conf is not used"),
    ],
)
def test_a_setting_that_is_missing(bench: Bench, conf: str | None, hint: str) -> None:
    """KeyError on `config`: the nearest key, or where settings come from."""
    event = failure(bench, "import ivr\nx = ivr.config['greting']\n", conf)
    assert (event.line, event.error_type) == (2, "KeyError")
    assert event.hint == hint


def test_the_traceback_shows_the_script_only(bench: Bench) -> None:
    """Names such as menu.py@1 with the lines of that text."""
    event = failure(bench, "def f():\n    return 1 / 0\nf()\n")
    assert event.traceback.startswith(
        'Traceback (most recent call last):\n  File "menu.py@1", line 3, in <module>\n    f()\n'
    )
    assert "return 1 / 0" in event.traceback


def test_a_name_with_a_dot_does_not_load(bench: Bench) -> None:
    """As in the reference server, but it says why."""
    bench.write("a.b.py")
    assert not bench.library.load_all()
    assert "rename the file" in bench.events.of(ScriptFailed)[0].message


def test_encodings_and_line_ends(bench: Bench) -> None:
    """PEP 263, byte order marks, CRLF; tabs mixed with blanks are read as Python 2 did."""
    body = HEAD + "class IvrDialog(IvrDialogBase): pass\nx = 'ä'\n"
    (bench.folder / "a.py").write_bytes(b"# -*- coding: latin-1 -*-\n" + body.encode("latin-1"))
    (bench.folder / "b.py").write_bytes(b"\xef\xbb\xbf" + body.encode())
    (bench.folder / "c.py").write_bytes(body.replace("\n", "\r\n").encode())
    bench.write("d.py", body + "if 1:\n        x = 1\n\tx = 'ä'\n")
    assert bench.library.load_all()
    assert {name: bench.serving(name).module.x for name in "abcd"} == dict.fromkeys("abcd", "ä")


def test_config_of_the_server_comes_after_the_scripts_own(bench: Bench) -> None:
    """ivr-api §0.9: after the import the host stores its dict as `config`, whatever was there."""
    bench.write("menu.py", SCRIPT + "mine = config = {'a': 'own'}\n")
    bench.write("menu.conf", "a=1\n")
    bench.library.load_all()
    module = bench.serving("menu").module
    assert (module.mine, module.config) == ({"a": "own"}, {"a": "1"})


def test_config_is_there_while_loading_and_after(bench: Bench) -> None:
    """Rules 9 and 10: `ivr.config` while loading, the same dict as global `config` afterwards."""
    bench.write("menu.conf", 'b = 2\na = "x # y"\n')
    bench.write(
        "menu.py",
        "import ivr\nseen = ivr.config\nfrom ivr import *\nearly = config\n"
        "class IvrDialog(IvrDialogBase): pass\n",
    )
    assert bench.library.load_all()
    module = bench.serving("menu").module
    assert module.seen is module.config is module.early
    assert module.config == {"a": "x # y", "b": "2"}
    assert list(module.config) == ["a", "b"]
    assert not hasattr(sys.modules["ivr"], "config")


def test_config_folders_in_order_and_bad_files(bench: Bench, tmp_path: Path) -> None:
    """The first folder that has NAME.conf; a bad line empties the whole file, with a note."""
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    (second / "m.conf").write_text("a=2\na=3\n")
    assert read_config("m", [first, second]).values == {"a": "3"}
    assert "set again" in read_config("m", [first, second]).notes[0]
    (first / "m.conf").write_text("a=1\nbroken\n")
    bad = read_config("m", [first, second])
    assert bad.values == {}
    assert "m.conf:2:" in bad.notes[0]
    assert read_config("none", [first, second]).values == {}


def test_prompts_beside_the_script_are_found(bench: Bench) -> None:
    """`__file__` is the real path, so `os.path.dirname(__file__)` works."""
    bench.write("menu.py", HEAD + "import os\nHERE = os.path.dirname(__file__)\n" + SCRIPT)
    bench.library.load_all()
    assert bench.serving("menu").module.HERE == str(bench.folder)
    assert bench.serving("menu").module.__name__ == "menu"


def test_dataclasses_work_in_scripts(bench: Bench) -> None:
    """They look the module up in sys.modules while it is being loaded."""
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass, KW_ONLY\n"
        "@dataclass\nclass D:\n    x: int = 1\n    _: KW_ONLY\n    y: list[int] | None = None\n"
    )
    bench.write("menu.py", text + SCRIPT)
    assert bench.library.load_all()


def test_a_script_that_cannot_be_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason; other scripts load."""
    bench.write("a.py")
    bench.write("menu.py")
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "menu.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert not bench.library.load_all()
    (event,) = bench.events.of(ScriptFailed)
    assert (event.error_type, event.line) == ("PermissionError", 0)
    assert "Permission denied" in event.message
    assert bench.registry.names() == ["a"]


def test_a_script_path_that_is_none(bench: Bench, tmp_path: Path) -> None:
    """Said at once, with the key."""
    with pytest.raises(ConfigError, match=r"script_path: .* is not a directory"):
        ScriptLibrary(tmp_path / "none", [], bench.registry, bench.events, SystemClock())


def test_old_behaviour_of_flush_is_a_setting(bench: Bench) -> None:
    """`flush_notifies = yes` in NAME.conf."""
    bench.write("menu.conf", "flush_notifies = yes\n")
    bench.write("menu.py")
    bench.write("other.py")
    bench.library.load_all()
    assert bench.serving("menu").flush_notifies
    assert not bench.serving("other").flush_notifies


class Doing(threading.Event):
    """Is set after so many waits, each of which takes some time by the library's clock."""

    def __init__(self, waits: int, clock: ManualClock, each_s: float) -> None:
        super().__init__()
        self._waits, self._clock, self._each_s = waits, clock, each_s

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self._waits -= 1
        self._clock.advance(self._each_s)
        return self._waits < 0


@pytest.mark.parametrize(
    ("waits", "each_s", "quick"),
    [(0, 2.0, True), (1, 2.0, False), (9, 0.0, True), (99, 0.0, False)],
)
def test_slow_is_what_the_clock_says(
    tmp_path: Path, waits: int, each_s: float, quick: bool
) -> None:
    """A machine so busy that a clock stands still makes no script slow; there is an end to it."""
    clock = ManualClock()
    load = Load("menu", 1, tmp_path / "menu.py", [tmp_path], clock)
    load.started_s = clock.now()
    load.done = Doing(waits, clock, each_s)
    assert load.is_quick(2.0) is quick
