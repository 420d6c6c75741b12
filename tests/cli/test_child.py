"""The engine as a child of the workbench."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.cli.child import ChildEngine
from ivrbench.cli.sockets import answers
from ivrbench.errors import EngineGone

if TYPE_CHECKING:
    from pathlib import Path

PARENT = """
import sys
from pathlib import Path
from ivrbench.cli.child import ChildEngine
with ChildEngine(sys.argv[2:], Path(sys.argv[1]), grace_s=1) as engine:
    engine.start()
    print(engine._process.pid, flush=True)
    sys.stdin.read()
"""


def engine_arguments(folder: Path) -> list[str]:
    """An engine without scripts on any free port."""
    (folder / "scripts").mkdir()
    arguments = ["--script-path", str(folder / "scripts")]
    arguments += ["--control-socket", str(folder / "control.sock")]
    return [*arguments, "--listen", "udp:127.0.0.1:0"]


def test_engine_that_does_not_start_leaves_its_reason(tmp_path: Path) -> None:
    """The exit code and what it wrote are there to be shown."""
    (tmp_path / "ivr.conf").write_text("sip_port = many\n")
    arguments = ["--config", str(tmp_path / "ivr.conf")]
    with ChildEngine(arguments, tmp_path / "control.sock", grace_s=0) as engine:
        with pytest.raises(EngineGone, match="exit code 2"):
            engine.start()
        assert engine.exit_code == 2
        assert "sip_port: expected a whole number" in engine.last_log()[-1]


@pytest.mark.net
def test_engine_starts_stops_and_starts_again(tmp_path: Path) -> None:
    """It answers when `start` returns, is gone when `stop` does, and can be started again."""
    path = tmp_path / "control.sock"
    arguments = engine_arguments(tmp_path)
    with ChildEngine(arguments, path, grace_s=1) as engine:
        for _ in range(2):
            engine.start()
            assert answers(path)
            assert engine.exit_code is None
            engine.stop()
            assert engine.exit_code == 0, engine.last_log()
            assert not path.exists()


@pytest.mark.net
def test_engine_of_a_killed_workbench_ends(tmp_path: Path) -> None:
    """Nobody is left who could end it, so it ends itself, and frees port and socket."""
    path = tmp_path / "control.sock"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path), *engine_arguments(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        process = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(100_000), "the engine runs on"
    os.close(process)
    assert not path.exists()


@pytest.mark.net
def test_released_engine_goes_on(tmp_path: Path) -> None:
    """Whoever chose to keep it serving is not needed any more."""
    path = tmp_path / "control.sock"
    with ChildEngine(engine_arguments(tmp_path), path, grace_s=1) as engine:
        engine.start()
        process = engine._process
        assert process is not None
        engine.release()
        assert answers(path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 0
        assert not any("workbench is gone" in line for line in engine.last_log())
