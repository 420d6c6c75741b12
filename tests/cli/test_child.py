"""The engine as a child of the workbench."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.cli.child import ChildEngine
from ivrbench.cli.sockets import answers
from ivrbench.errors import EngineGone

if TYPE_CHECKING:
    from pathlib import Path


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
    (tmp_path / "scripts").mkdir()
    arguments = ["--script-path", str(tmp_path / "scripts"), "--control-socket", str(path)]
    arguments += ["--listen", "udp:127.0.0.1:0"]
    with ChildEngine(arguments, path, grace_s=1) as engine:
        for _ in range(2):
            engine.start()
            assert answers(path)
            assert engine.exit_code is None
            engine.stop()
            assert engine.exit_code == 0, engine.last_log()
            assert not path.exists()
