"""Kamailio as registrar and proxy, with the settings in `tests/interop/kamailio`."""

from __future__ import annotations

import asyncio
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .network import IP, free_port
from .processes import PATIENCE_S

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Kamailio"]

SETTINGS = Path(__file__).parents[1] / "kamailio" / "kamailio.cfg"


class Kamailio:
    """One proxy; every user's password is `secret`. `async with` starts and stops it.

    Args:
        folder: an empty folder for its files.
        cert: certificate and key for its TLS port, PEM.
        serves: URI that calls to nobody registered go to, probed every second.
        outbound: it tells the flows of a phone apart (RFC 5626).
    """

    def __init__(
        self, folder: Path, cert: Path, serves: str = "", *, outbound: bool = False
    ) -> None:
        self.port = free_port()
        self.tls_port = free_port()
        self.ws_port = free_port()
        self._folder = folder
        self._defines = ("-A", "OUTBOUND") if outbound else ()
        self._process: asyncio.subprocess.Process | None = None
        folder.mkdir(parents=True)
        (folder / "dispatcher.list").write_text(f"1 {serves}\n" if serves else "")
        text = SETTINGS.read_text()
        modules = glob.glob("/usr/lib/*/kamailio/modules") or ["/usr/lib/kamailio/modules"]
        for name, value in {
            "PORT": self.port,
            "TLS_PORT": self.tls_port,
            "WS_PORT": self.ws_port,
            "CERT": cert,
            "FOLDER": folder,
            "MODULES": f"{modules[0]}/",
        }.items():
            text = text.replace(f"@{name}@", str(value))
        (folder / "kamailio.cfg").write_text(text)

    def address(self, transport: str) -> str:
        """`IP:PORT;transport=…` for a URI."""
        port = {"tls": self.tls_port, "ws": self.ws_port}.get(transport, self.port)
        return f"{IP}:{port};transport={transport}"

    def log(self) -> str:
        """What it said."""
        return (self._folder / "log").read_text(errors="replace")

    async def __aenter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-w", str(self._folder)),
                *("-Y", str(self._folder), "-f", str(self._folder / "kamailio.cfg")),
                *self._defines,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(IP, self.port)
                    writer.close()
                    return self
                except OSError:
                    assert self._process.returncode is None, self.log()
                    await asyncio.sleep(0.02)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None, "entered before"
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
