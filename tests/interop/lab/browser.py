"""A headless Chromium with one page, driven by the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.client import ClientConnection, connect

from .processes import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["READ_TEXT", "Browser"]

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1200,800"),
)
# The page's terminal draws on a canvas and keeps its object to itself; it is caught as it is put
# into the property it lives in, so that what it shows can be read as text.
CATCH_TERMINAL = """
Object.defineProperty(Object.prototype, "terminal", {
  configurable: true,
  set(value) {
    window.caught = value;
    Object.defineProperty(this, "terminal", {value, writable: true, configurable: true});
  },
});
"""
NO_CONTEXT = -32_000  # the protocol's code for a page in between, among other things
READ_TEXT = "document.body?.innerText"
READ_TERMINAL = """
(() => {
  if (!window.caught) return "";
  const buffer = window.caught.buffer.active;
  return Array.from({length: window.caught.rows}, (_, row) =>
    buffer.getLine(row)?.translateToString(true) ?? "").join("\\n");
})()
"""


class NoContext(Exception):
    """One page is gone and the next one is not there yet."""


class Browser:
    """`async with` starts and ends it.

    Args:
        folder: for its profile and its screenshots; not there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._page: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True)
        nowhere = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *("chromium", *FLAGS, f"--user-data-dir={self._folder}/profile", "about:blank"),
            stdout=nowhere,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        address = ""
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._process.stderr:
                _, found, address = line.decode(errors="replace").partition("listening on ws://")
                if found:
                    break
        host = address.partition("/")[0]
        self._noise = asyncio.create_task(self._process.stderr.read())
        target = await self._first_page(address.strip())
        self._page = await connect(f"ws://{host}/devtools/page/{target}", max_size=None)
        for method in ("Page.enable", "Runtime.enable", "Network.enable"):
            await self.do(method)
        # A page without a window in front has no focus, and hears of none.
        await self.do("Emulation.setFocusEmulationEnabled", enabled=True)
        await self.do("Page.addScriptToEvaluateOnNewDocument", source=CATCH_TERMINAL)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._page is not None:
            await self._page.close()
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            await self._noise

    async def _first_page(self, address: str) -> str:
        async with connect(f"ws://{address}") as whole:
            # It listens before it has a page; each target is told, also those that are there.
            order = {"id": 1, "method": "Target.setDiscoverTargets", "params": {"discover": True}}
            await whole.send(json.dumps(order))
            async for message in whole:
                told = json.loads(message)
                if told.get("method") == "Target.targetCreated":
                    target = told["params"]["targetInfo"]
                    if target["type"] == "page":
                        return str(target["targetId"])
        raise AssertionError("the browser ended")

    async def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have it do something; its answer."""
        assert self._page is not None, "entered before"
        number = next(self._numbers)
        call = {"id": number, "method": method, "params": parameters}
        await self._page.send(json.dumps(call))
        async for message in self._page:
            answer = json.loads(message)
            if answer.get("id") == number:
                if (error := answer.get("error", {})).get("code") == NO_CONTEXT:
                    raise NoContext(error["message"])
                assert not error, answer
                found: dict[str, Any] = answer["result"]
                return found
        raise AssertionError("the page is gone")

    async def visit(self, url: str) -> None:
        """Open an address."""
        await self.do("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """The value of a piece of JavaScript."""
        return (await self.do("Runtime.evaluate", expression=script))["result"].get("value")

    async def shown(self, script: str = READ_TERMINAL) -> str:
        """The text that a script gives; "" also between two pages, where none can run."""
        with suppress(NoContext):
            return str(await self.evaluate(script) or "")
        return ""

    async def until(self, *words: str, script: str = READ_TERMINAL) -> str:
        """Wait until all the words are at once in what a script gives: the page's terminal."""
        text = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not text or any(word not in text for word in words):
                    await asyncio.sleep(0.05)  # a page has no event for what it shows
                    text = await self.shown(script)
        except TimeoutError:
            raise AssertionError(f"{words} not in the page:\n{text}") from None
        return text

    async def press(self, key: str, code: str = "", number: int = 0) -> None:
        """Press and release a key."""
        event: dict[str, object] = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        if len(key) == 1:
            event["text"] = key
        await self.do("Input.dispatchKeyEvent", type="keyDown", **event)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **event)

    async def screenshot(self) -> Path:
        """A picture of the page."""
        answer = await self.do("Page.captureScreenshot", format="png")
        path = self._folder / "page.png"
        path.write_bytes(base64.b64decode(answer["data"]))
        return path
