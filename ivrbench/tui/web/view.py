"""The browser view: each visit is a workbench of its own, attached to one engine."""

from __future__ import annotations

import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web
from textual_serve.server import Server

from ivrbench.errors import ConfigError
from ivrbench.tui.web.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BrowserView", "serve"]

PAGE: Final = Path(__file__).with_name("page.html")
STOP_WITHIN_S: Final = 2.0
BACKLOG: Final = 16
MAX_PORT: Final = 65_535


class BrowserView(Server):
    """The server of `textual-serve` with a gate in front, its own page, and no banner.

    Args:
        control_socket: the engine's.
        gate: who may see it.
    """

    def __init__(self, control_socket: str, gate: Gate) -> None:
        # Each visit runs this in a shell; the token is not in it, nor in its environment.
        command = [sys.executable, "-m", "ivrbench", "--attach", control_socket, "--in-browser"]
        super().__init__(f"exec {shlex.join(command)}", title="ivrbench")
        self._gate = gate

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._gate.check)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: `serve` has said where it is."""

    async def handle_index(self, request: web.Request) -> web.Response:
        """Our page: unlike the library's, it loads no font from the internet, and finds the
        server also behind another address, as through an SSH tunnel.
        """
        return web.Response(text=PAGE.read_text(encoding="utf-8"), content_type="text/html")


def serve(control_socket: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Show an engine in browsers until SIGINT or SIGTERM.

    Args:
        control_socket: the engine's.
        host: where to listen: a name or an address.
        port: 0 for any.
        say: takes the lines that tell where it is.

    Raises:
        ConfigError: it cannot listen there.
    """
    listener = _listen(host, port)
    found = listener.getsockname()
    gate = Gate(found[1])
    name = f"[{found[0]}]" if ":" in found[0] else found[0]
    say(f"The workbench is at http://{name}:{found[1]}/?token={gate.token}")
    if not _is_loopback(found[0]):
        say("Others in the network can reach it. Nothing is encrypted on the way to them.")
    say("Who has this address can do all that you can do in the workbench. Ctrl+C ends it.")
    web.run_app(
        BrowserView(control_socket, gate)._make_app(),
        sock=listener,
        print=lambda *_: None,
        access_log=None,  # it would write the token down
        shutdown_timeout=STOP_WITHIN_S,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= MAX_PORT:
        raise ConfigError(f"the browser view cannot listen at {host}:{port}: there is no such port")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as exc:
        raise ConfigError(
            f"the browser view cannot listen at {host}:{port}: {exc.strerror or exc}"
        ) from exc


def _is_loopback(ip: str) -> bool:
    return ip.startswith("127.") or ip == "::1"
