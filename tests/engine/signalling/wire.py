"""Transports of a test, and what came through them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ivrbench.engine.signalling.transports import Transports

if TYPE_CHECKING:
    from ivrbench.engine.signalling.connections import Tls
    from ivrbench.sip.flow import Flow


class Wire:
    """Transports and what came through them."""

    def __init__(self, tls: Tls | None = None) -> None:
        self.got: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.failed: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.transports = Transports(
            lambda data, flow: self.got.put_nowait((data, flow)),
            lambda flow, reason: self.failed.put_nowait((flow, reason)),
            lambda: None,
            tls=tls,
        )
