"""The gate of the browser view, over a real connection of the loopback interface."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from textual import events

from ivrbench.errors import ConfigError
from ivrbench.tui.web import view
from ivrbench.tui.web.gate import REFUSED, TOKEN_BYTES, Gate
from ivrbench.tui.web.view import BrowserView
from tests.tui.conftest import workbench
from tests.tui.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from aiohttp import web

pytestmark = pytest.mark.net


@pytest.fixture
def gate() -> Gate:
    """A gate with a token that is known."""
    return Gate(8000, "secret")


@pytest.fixture
async def client(gate: Gate) -> AsyncIterator[TestClient[Any, Any]]:
    """A browser in front of it."""
    server = TestServer(await BrowserView("/no/control.sock", gate)._make_app())
    async with TestClient(server, cookie_jar=CookieJar(unsafe=True)) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js", "/download/1", "/nothing"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=secre", "?token=secrets", "?token=%ff"])
async def test_nothing_without_the_token(
    client: TestClient[Any, Any], path: str, query: str
) -> None:
    """Every address is refused with the sentence, and no cookie is given."""
    response = await client.get(path + query)
    assert response.status == 403
    assert await response.text() == REFUSED
    assert not response.cookies


async def test_token_opens_and_leaves_the_address(client: TestClient[Any, Any]) -> None:
    """It is taken out of the address at once; the cookie is for this view alone."""
    response = await client.get("/?token=secret", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/")
    cookie = response.cookies["ivrbench-8000"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    page = await client.get("/")
    text = await page.text()
    assert page.status == 200
    assert "secret" not in text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


async def test_page_needs_nothing_from_elsewhere(client: TestClient[Any, Any]) -> None:
    """No font, script or picture of another server: it works without the internet."""
    text = await (await client.get("/?token=secret")).text()
    assert "//" not in re.sub(r"//\s.*", "", text)
    for path in re.findall(r'(?:src|href)="(static/[^"]+)"', text):
        assert (await client.get(f"/{path}")).status == 200, path


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
async def test_other_pages_of_the_browser_are_refused(
    client: TestClient[Any, Any], origin: str
) -> None:
    """The browser sends our cookie along when a page of another port of this host asks."""
    await client.get("/?token=secret")
    assert (await client.get("/ws", headers={"Origin": origin})).status == 403
    own = f"http://{client.host}:{client.port}"
    assert (await client.get("/", headers={"Origin": own})).status == 200


def test_each_view_has_a_token_of_its_own() -> None:
    """Long enough that nobody guesses it, and other characters than ASCII are just wrong."""
    first, second = Gate(1), Gate(1)
    assert first.token != second.token
    assert len(first.token) >= TOKEN_BYTES
    assert not first.knows("ä\udcff")


def test_address_is_told_once_and_the_token_is_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in what each visit runs nor in a log; without loopback it says what that means."""
    served: list[dict[str, Any]] = []

    def run_app(app: Any, **options: Any) -> None:
        served.append(options)
        made: web.Application = asyncio.run(app)
        assert made.middlewares
        options["sock"].close()

    monkeypatch.setattr("aiohttp.web.run_app", run_app)
    said: list[str] = []
    view.serve("/run/control.sock", "0.0.0.0", 0, said.append)
    (address,) = re.findall(r"http://0\.0\.0\.0:\d+/\?token=(\S+)", "\n".join(said))
    assert served[0]["access_log"] is None
    assert address not in BrowserView("/run/control.sock", Gate(1, address)).command
    assert address not in caplog.text
    assert "Nothing is encrypted" in said[1]


def test_taken_port_is_a_sentence() -> None:
    """With the address, before anything is printed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen at 127\.0\.0\.1:{port}"):
            view.serve("/run/control.sock", "127.0.0.1", port, lambda text: None)
    with pytest.raises(ConfigError, match="cannot listen at"):
        view.serve("/run/control.sock", "127.0.0.1", 70_000, lambda text: None)


async def test_page_that_spoke_first_keeps_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual supposes at the start that a page has not the keyboard, and says so as soon as there
    is time: what the page has said before stands, what it says later counts.
    """
    async with workbench(FakeEngine()) as (app, pilot):
        monkeypatch.setattr("textual.driver.Driver.is_web", True)
        told = []
        for event in (events.AppFocus(), events.AppBlur(), events.AppBlur(), events.AppFocus()):
            app.post_message(event)
            await pilot.pause()
            told.append(app.app_focus)
        assert told == [True, True, False, True]
