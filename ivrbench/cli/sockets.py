"""Where control sockets lie when nobody says otherwise: a folder only this user can enter."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from ivrbench.config import Settings

__all__ = ["answers", "engine_socket", "own_socket", "running_engine"]


def own_socket() -> Path:
    """A path for the control socket of an engine started now.

    Raises:
        ConfigError: the folder for it cannot be made, or belongs to somebody else.
    """
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as exc:
        raise ConfigError(f"no folder for the control socket: {exc}", key="control_socket") from exc
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        raise ConfigError(
            f"{folder} is not a folder of yours alone (mode 0700); "
            "remove it or choose another with --control-socket",
            key="control_socket",
        )
    return folder / f"{os.getpid()}.sock"


def engine_socket(options: argparse.Namespace, settings: Settings) -> Path | None:
    """The control socket that was named, that of the settings, or of an engine that runs here."""
    named: Path | None = options.control_socket
    return named or settings.control_socket or running_engine()


def running_engine() -> Path | None:
    """The control socket of the engine started last, among those that answer."""
    try:
        sockets = sorted(_folder().glob("*.sock"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return None
    return next((path for path in reversed(sockets) if answers(path)), None)


def answers(path: Path) -> bool:
    """Whether somebody listens at this Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "ivrbench"
    return Path(tempfile.gettempdir()) / f"ivrbench-{os.getuid()}"
