"""The metrics page: one text over HTTP, for a monitoring system that comes by now and then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError
from ivrbench.sip.flow import host_port

from .metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MetricsPage"]

log = logging.getLogger("ivrbench.engine")

PATHS: Final = ("/", "/metrics")
MAX_HEAD_BYTES: Final = 8192
"""A scraper sends under 500; browsers with many cookies some thousand."""
MAX_CLIENTS: Final = 16
"""At a time: two scrapers, a person, and some that hang."""
CLIENT_S: Final = 5.0
"""For one request and its answer."""


class MetricsPage:
    """Serves a text by HTTP/1.1, one request a connection.

    Args:
        text: writes the page.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.port = 0
        """Where it is, once it is open."""

    async def open(self, ip: str, port: int) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be had.
        """
        try:
            self._server = await asyncio.start_server(
                self._connected, ip, port, limit=MAX_HEAD_BYTES
            )
        except OSError as exc:
            reason = exc.strerror or str(exc)
            where = host_port(ip, port)
            raise ConfigError(f"cannot listen on {where}: {reason}", key="metrics_listen") from exc
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("metrics on http://%s/metrics", host_port(ip, self.port))

    async def close(self) -> None:
        """Cut all clients."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._clients.add(task)
        try:
            if len(self._clients) > MAX_CLIENTS:
                return
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(CLIENT_S):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response("431 Request Header Fields Too Large")
        except asyncio.IncompleteReadError:
            return b""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _response("400 Bad Request")
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", more="Allow: GET, HEAD\r\n")
        if path.partition("?")[0] not in PATHS:
            return _response("404 Not Found", "The page is /metrics.\n")
        return _response("200 OK", self._text(), with_body=method == "GET")


def _response(status: str, text: str = "", *, more: str = "", with_body: bool = True) -> bytes:
    body = text.encode("utf-8", "replace")
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode()
    return head + body if with_body else head
