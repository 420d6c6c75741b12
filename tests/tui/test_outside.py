"""The terminal, the editor, the clipboard file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from pathlib import Path

import pytest

from ivrbench.tui.keymap import keys_file, read_keys
from ivrbench.tui.outside import clipboard_file, editor_command
from ivrbench.tui.terminal import guarded_terminal
from tests.tui.conftest import PATIENCE_S


@pytest.mark.parametrize(
    ("environ", "line", "command"),
    [
        ({}, 12, ["vi", "+12", "a.py"]),
        ({}, 0, ["vi", "a.py"]),
        ({"EDITOR": "nano"}, 3, ["nano", "+3", "a.py"]),
        ({"EDITOR": "nano", "VISUAL": "code --wait"}, 3, ["code", "--wait", "-g", "a.py:3"]),
        ({"EDITOR": "/usr/bin/hx"}, 3, ["/usr/bin/hx", "a.py:3"]),
        ({"EDITOR": " "}, 3, ["vi", "+3", "a.py"]),
    ],
)
def test_editor_opens_at_the_line(environ: dict[str, str], line: int, command: list[str]) -> None:
    """Each editor has its own way to say so."""
    assert editor_command(environ, "a.py", line) == command


def test_clipboard_file_lies_in_the_cache() -> None:
    """Of the person, or of the session if it names one."""
    assert clipboard_file({"HOME": "/h"}) == Path("/h/.cache/ivrbench/clip.txt")
    assert clipboard_file({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/ivrbench/clip.txt")


def test_noise_on_standard_error_does_not_reach_the_screen() -> None:
    """What a C library writes on descriptor 2 is kept; what Textual writes is shown."""
    terminal, replacement = pty.openpty()
    saved = os.dup(2)
    os.dup2(replacement, 2)
    kept: list[str] = []
    threads = set(threading.enumerate())
    try:
        with guarded_terminal(kept.append):
            os.write(2, b"ALSA lib pcm.c: no such device\n")
            assert sys.__stderr__ is not None
            sys.__stderr__.write("drawn")
            sys.__stderr__.flush()
        os.write(2, b" after")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(replacement)
    shown = b""
    while len(shown) < len(b"drawn after"):
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert shown == b"drawn after"
    for thread in set(threading.enumerate()) - threads:
        thread.join(PATIENCE_S)
    assert kept == ["ALSA lib pcm.c: no such device"]


def test_standard_error_in_a_file_leaves_the_screen_on_standard_output(tmp_path: Path) -> None:
    """`ivrbench 2>file`: the workbench draws on the terminal, noise goes to the file."""
    terminal, replacement = pty.openpty()
    saved = os.dup(1), os.dup(2)
    file = os.open(tmp_path / "noise", os.O_CREAT | os.O_RDWR)
    os.dup2(replacement, 1)
    os.dup2(file, 2)
    kept: list[str] = []
    try:
        with guarded_terminal(kept.append):
            os.write(2, b"noise\n")
            assert sys.__stderr__ is not None
            sys.__stderr__.write("drawn")
    finally:
        for fd, old in enumerate(saved, 1):
            os.dup2(old, fd)
            os.close(old)
        os.close(file)
        os.close(replacement)
    assert os.read(terminal, 100) == b"drawn"
    os.close(terminal)
    assert (tmp_path / "noise").read_bytes() == b"noise\n"
    assert kept == []


def run_in_terminal(code: str) -> tuple[int, bytes]:
    """Run Python in a terminal of 120 × 36; its exit code and all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", PYTHONPATH=str(Path(__file__).parents[2]))
        os.execv(sys.executable, [sys.executable, "-c", code])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while data := os.read(terminal, 65_536):
            shown += data
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


CRASHES = """
import sys
from ivrbench.tui.app import Workbench
from ivrbench.tui.terminal import guarded_terminal
from tests.tui.fake_engine import FakeEngine


class Crashing(Workbench):
    def draw_now(self):
        raise RuntimeError("a widget that is not there")


engine = FakeEngine()
app = Crashing(engine.connect, clock=engine.clock)
with guarded_terminal(app.take_noise):
    app.run()
sys.exit(app.return_code)
"""


def test_crash_is_told_on_the_terminal() -> None:
    """Where the noise goes nobody could read it any more."""
    code, shown = run_in_terminal(CRASHES)
    assert code == 1
    assert b"a widget that is not there" in shown


NOISY = """
import os
from ivrbench.tui.app import Workbench
from ivrbench.tui.terminal import guarded_terminal
from tests.tui.fake_engine import FakeEngine, bench_events

engine = FakeEngine()
engine.play(bench_events())


class Noisy(Workbench):
    draws_until_the_end = 5

    def draw_now(self):
        super().draw_now()
        if self.model.link != "up":
            return
        if not self.model.noise_lines:
            os.write(1, b"\\aprintf of a library\\n")
            os.write(2, b"\\aALSA lib pcm.c\\n")
            os.system("echo \\\\\\\\aa child process")
        elif self.model.noise_lines >= 3 and self.draws_until_the_end == 0:
            self.exit()
        elif self.model.noise_lines >= 3:
            self.draws_until_the_end -= 1
            self.set_timer(0.1, self.draw_now)


app = Noisy(engine.connect, clock=engine.clock)
with guarded_terminal(app.take_noise):
    app.run()
"""


def test_noise_in_a_real_terminal_is_in_the_log_only() -> None:
    """C libraries and child processes write on descriptors 1 and 2: nothing of it is on the
    screen but the lines of the log."""
    code, shown = run_in_terminal(NOISY)
    assert code == 0, shown.decode()
    assert b"pin_collect" in shown
    for noise in (b"printf of a library", b"ALSA lib pcm.c", b"a child process"):
        assert noise in shown, "the log shows it"
        assert b"\a" + noise not in shown


def test_keys_of_the_person(tmp_path: Path) -> None:
    """Ids with their keys; what is not understood is a sentence, the rest holds."""
    path = keys_file({"XDG_CONFIG_HOME": str(tmp_path)})
    assert path == tmp_path / "ivrbench" / "keys.toml"
    assert read_keys(path) == ({}, [])
    path.parent.mkdir()
    path.write_text('call.dial = "f12"\n"list.down" = "j,n"\ncall.dail = "x"\nquit = 1\n')
    keys, problems = read_keys(path)
    assert keys == {"call.dial": "f12", "list.down": "j,n"}
    assert [text.removeprefix("keys.toml: ") for text in problems] == [
        "there is no call.dail, did you mean call.dial?",
        'quit is no key, as in quit = "ctrl+k"',
    ]
    path.write_text("call = [")
    assert read_keys(path)[1][0].startswith("keys.toml: ")
