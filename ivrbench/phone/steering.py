"""Lines of standard input, by which the workbench steers the phone."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["MAX_LINE_BYTES", "stdin_lines"]

MAX_LINE_BYTES: Final = 4096


async def stdin_lines() -> AsyncIterator[str | None]:
    """Each line as it comes, None in place of one that is too long; ends with standard input."""
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            yield None
            continue
        if not line:
            return
        yield line.decode("utf-8", "replace").strip()
