"""Where control sockets lie by default."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from ivrbench.cli.sockets import answers, own_socket, running_engine
from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder as a login session has one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "ivrbench"


def test_folder_is_private(runtime: Path) -> None:
    """Only this user may reach the sockets in it."""
    path = own_socket()
    assert path.parent == runtime
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert own_socket() == path


def test_folder_open_to_others_is_refused(runtime: Path) -> None:
    """Somebody may have made the folder before us, to read along."""
    runtime.mkdir()
    runtime.chmod(0o755)
    with pytest.raises(ConfigError, match="not a folder of yours alone"):
        own_socket()


def test_link_to_somewhere_else_is_refused(runtime: Path, tmp_path: Path) -> None:
    """A link in place of the folder is not followed."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    runtime.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="not a folder of yours alone"):
        own_socket()


def test_without_a_runtime_folder_the_temporary_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service or a bare container has no runtime folder; users do not meet in the other."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert own_socket().parent == tmp_path / f"ivrbench-{os.getuid()}"


def test_newest_engine_that_answers_is_found(runtime: Path) -> None:
    """What a dead engine left behind is passed over."""
    assert running_engine() is None
    own_socket()
    listening = socket.socket(socket.AF_UNIX)
    dead = socket.socket(socket.AF_UNIX)
    with listening, dead:
        listening.bind(str(runtime / "1.sock"))
        listening.listen()
        dead.bind(str(runtime / "2.sock"))
        os.utime(runtime / "2.sock", (2e9, 2e9))
        assert running_engine() == runtime / "1.sock"
    assert not answers(runtime / "1.sock")
