"""Transfers: sending the other side on to somebody else, and being asked to call somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import RemoteProtocolError
from ivrbench.scriptapi.arguments import need_int, need_str
from ivrbench.scriptapi.uac import Dialout
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import CallPort

__all__ = ["Transfers"]


class Transfers:
    """REFER both ways, and 302."""

    __slots__ = ()
    _ivrbench_port: CallPort

    def redirect(self, uri: str, /) -> None:
        """Send the caller elsewhere.

        A call that is not answered yet gets 302 and its session ends. One that is up gets the
        REFER of the reference server, with `uri` as its Request-URI, and is not used any more:
        `dropSession()` ends it. How it goes comes to `onSipReply`.

        Args:
            uri: where to, `sip:ann@example.com`.

        Raises:
            ValueError: it is no SIP URI.
        """
        self._ivrbench_port.redirect(_checked("redirect", uri))

    def transfer(self, to: str | Dialout) -> None:
        """Connect the other side with somebody else, and leave.

        How it went comes to `onTransfer(code, reason)`: 200 if they talk; then the session ends,
        unless the handler returns something else than True.

        Args:
            to: whom the other side shall call, `sip:ann@example.com`; or another call of ours
                that is up, by its local tag or what `dialout` gave: the two are connected with
                each other (attended transfer).

        Raises:
            ValueError: the URI is none.
        """
        if isinstance(to, Dialout):
            to = to.local_tag
        need_str("transfer", 1, to)
        self._ivrbench_port.transfer(_checked("transfer", to) if ":" in to else to)

    def refer_progress(self, code: int, reason: str = "") -> None:
        """Tell who asked us to call somebody, in `onRefer`, how that goes.

        Args:
            code: 180 if it rings there, 200 if they talk, the code of the refusal; the first of
                200 and above is the last that is told.
            reason: "" for the usual one.

        Raises:
            ValueError: the code is none of SIP.
        """
        status = need_int("refer_progress", 1, code)
        need_str("refer_progress", 2, reason)
        if not 100 <= status <= 699:
            raise ValueError(f"refer_progress() code must be 100 to 699, not {status}")
        self._ivrbench_port.refer_progress(status, reason)


def _checked(function: str, uri: str) -> str:
    need_str(function, 1, uri)
    try:
        return str(parse_uri(uri))
    except RemoteProtocolError as exc:
        raise ValueError(f"{function}(): {uri!r} cannot be called: {exc.reason}") from exc
