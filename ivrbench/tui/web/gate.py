"""The gate in front of the browser view: nobody without the token gets anything."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

__all__ = ["Gate"]

TOKEN_BYTES: Final = 32
REFUSED: Final = (
    "This is the browser view of ivrbench. It opens with the address that `ivrbench --web` "
    "printed where it was started, with the token in it.\n"
)
HEADERS: Final = {
    # Nothing of the page comes from elsewhere, and nobody may put it into a frame of theirs.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Gate:
    """Makes a token, and lets in who has it: first in the address, from then on in a cookie.

    Args:
        port: where the view is; cookies are shared by all ports of a host, so it is in its name.
        token: for tests; None makes one.
    """

    def __init__(self, port: int, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(TOKEN_BYTES)
        self.cookie = f"ivrbench-{port}"

    def knows(self, given: str) -> bool:
        """Whether this is the token; takes as long for any other of its length."""
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or refuse it with 403."""
        if self.knows(request.query.get("token", "")):
            # Out of the address at once: addresses are kept and shown.
            entered = web.HTTPSeeOther(request.path, headers=HEADERS)
            entered.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")
            raise entered
        if not self.knows(request.cookies.get(self.cookie, "")) or not _is_from_here(request):
            return web.Response(status=403, text=REFUSED, headers=HEADERS)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response


def _is_from_here(request: web.Request) -> bool:
    """False for another page's script, which a browser would send our cookie along with."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
