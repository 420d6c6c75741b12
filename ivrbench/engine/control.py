"""The control socket: workbenches connect here, see everything and may ask for things."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError
from ivrbench.observe.serve import serve_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ivrbench.observe.commands import Answered, Command
    from ivrbench.observe.hub import Hub

__all__ = ["ControlServer"]


class ControlServer:
    """A Unix socket only its owner may use.

    Args:
        path: where the socket lies.
        hub: what clients see.
        handle: carries out what they ask for.
    """

    def __init__(
        self, path: Path, hub: Hub, handle: Callable[[Command], Awaitable[Answered]]
    ) -> None:
        self.path = path
        self._hub = hub
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._inode = 0

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: another engine has the socket, or it cannot be made.
        """
        _remove_stale(self.path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        # The mode is set by the mask before the name exists: no moment is open to others.
        mask = os.umask(0o177)
        try:
            sock.bind(str(self.path))
        except OSError as exc:
            sock.close()
            raise ConfigError(
                f"cannot make the control socket {self.path}: {exc.strerror}", key="control_socket"
            ) from exc
        finally:
            os.umask(mask)
        self._inode = os.stat(self.path).st_ino
        self._server = await asyncio.start_unix_server(self._connected, sock=sock)

    async def close(self) -> None:
        """Cut all clients and remove the socket."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            # Another engine may have made its own there meanwhile.
            if os.stat(self.path).st_ino == self._inode:
                self.path.unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio calls this in a task"
        self._clients.add(task)
        try:
            await serve_connection(reader, writer, self._hub, self._handle)
        except asyncio.CancelledError:
            writer.close()  # the engine stops
        finally:
            self._clients.discard(task)


def _remove_stale(path: Path) -> None:
    """Remove a socket that an engine which is not there any more left behind.

    Raises:
        ConfigError: the socket is in use, or the file is no socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} exists and is no socket", key="control_socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConfigError(
        f"another engine has the control socket {path}; attach to it with "
        f"ivrbench --attach {path}, or choose another control_socket",
        key="control_socket",
    )
