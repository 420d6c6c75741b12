"""`ivrbench --serve` as a process: signals and exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.cli.child import ChildEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.net

PATIENCE_S = 100
"""A machine with other work starts a process in ten times the time that it needs."""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """An engine on any free port, with one script."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "answer.py").write_text(
        "from ivr import *\nclass IvrDialog(IvrDialogBase):\n    pass\n"
    )
    return [
        f"--script-path={tmp_path / 'scripts'}",
        f"--control-socket={tmp_path / 'control.sock'}",
        "--listen=udp:127.0.0.1:0",
    ]


@pytest.fixture
def engine(arguments: list[str], tmp_path: Path) -> Iterator[ChildEngine]:
    """It, running."""
    with ChildEngine(arguments, tmp_path / "control.sock", grace_s=1) as engine:
        engine.start()
        yield engine


def end(engine: ChildEngine, number: signal.Signals) -> int:
    """Send it a signal and wait; its exit code."""
    process = engine._process
    assert process is not None
    process.send_signal(number)
    return process.wait(timeout=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_without_calls_it_ends_with_0(
    engine: ChildEngine, number: signal.Signals
) -> None:
    """SIGTERM and one ctrl-c let calls end; where there are none, that is at once."""
    assert end(engine, number) == 0, engine.last_log()


def test_taken_port_ends_with_3(engine: ChildEngine, arguments: list[str], tmp_path: Path) -> None:
    """A port somebody has is an error of its own, with the address in the sentence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"udp:127.0.0.1:{taken.getsockname()[1]}"
        code, text = serve([*arguments[:1], f"--listen={address}"], tmp_path)
    assert code == 3
    assert address.removeprefix("udp:") in text


def test_taken_port_is_passed_over_if_asked(
    arguments: list[str], engine: ChildEngine, tmp_path: Path
) -> None:
    """`--next-free-port` says what it took instead."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        path = tmp_path / "other.sock"
        more = [f"--control-socket={path}", f"--listen=udp:127.0.0.1:{port}", "--next-free-port"]
        with ChildEngine([arguments[0], *more], path, grace_s=1) as other:
            other.start()
            assert end(other, signal.SIGTERM) == 0
            assert any(f"port {port} is taken, using " in line for line in other.last_log())


def test_taken_control_socket_ends_with_2(
    engine: ChildEngine, arguments: list[str], tmp_path: Path
) -> None:
    """Two engines never share a control socket; the sentence says how to see the other."""
    code, text = serve(arguments, tmp_path)
    assert code == 2
    assert f"ivrbench --attach {tmp_path / 'control.sock'}" in text


def test_stdout_stays_empty(arguments: list[str], tmp_path: Path) -> None:
    """The log goes to stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "ivrbench", "--serve", *arguments, "--listen=udp:192.0.2.1:5060"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert "192.0.2.1:5060" in done.stderr


def serve(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run an engine that cannot start; its exit code and its log."""
    done = subprocess.run(
        [sys.executable, "-m", "ivrbench", "--serve", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    )
    return done.returncode, done.stderr
