"""IvrUAC: calls that a script places."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.errors import RemoteProtocolError
from ivrbench.scriptapi.arguments import need_number, need_str
from ivrbench.scriptapi.host import the_host
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["DialRequest", "Dialout", "IvrUAC"]

NO_ANSWER_S = 180.0
"""How long it may ring."""
ANSWERED = range(200, 300)


class Dialout:
    """A call that `IvrUAC.dialout` placed.

    `await` it in an `async def` handler, or `wait()` for it in any other: both give the code, once
    the call is answered or has failed.

    Args:
        local_tag: the local tag of its session.
    """

    def __init__(self, local_tag: str) -> None:
        self.local_tag = local_tag
        self._result: Future[tuple[int, str]] = Future()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Dialout {self.local_tag} {self.code or 'calling'}>"

    @property
    def code(self) -> int:
        """200 once it was answered, the code of its refusal if it failed, 0 meanwhile."""
        return self._result.result()[0] if self._result.done() else 0

    @property
    def reason(self) -> str:
        """Why it failed, in words; "" meanwhile."""
        return self._result.result()[1] if self._result.done() else ""

    @property
    def answered(self) -> bool:
        """True once it was answered, also when it is over again."""
        return self.code in ANSWERED

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it is answered or has failed; not in `async def` handlers.

        Args:
            timeout: seconds; None: as long as it may ring.

        Returns:
            200, or the code of the refusal.

        Raises:
            TimeoutError: neither happened in time.
            RuntimeError: the caller is an `async def` handler, which has to await instead.
        """
        if not self._result.done() and _is_on_a_loop():
            raise RuntimeError("wait() would stop every call: `await` the handle instead")
        return self._result.result(timeout)[0]

    def __await__(self) -> Generator[object, None, int]:
        # Shielded: a handler whose call ends meanwhile takes its own wait away, not the others'.
        code, _ = yield from asyncio.shield(asyncio.wrap_future(self._result)).__await__()
        return code

    def settle(self, code: int, reason: str) -> None:
        """What became of it; the engine tells, and the first word counts."""
        with self._lock:
            if not self._result.done():
                self._result.set_result((code, reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    """A call to be placed, as it was asked for."""

    application: str
    """The script that has it; "": chosen as for a call that comes in."""
    r_uri: str
    from_header: str = ""
    """Whole From value; "": our own."""
    from_uri: str = ""
    """What the script sees as `dialog.local_uri`; "": that of From."""
    to_header: str = ""
    """Whole To value; "": the URI."""
    user: str = ""
    """What the script sees as `dialog.user`."""
    local_tag: str = ""
    hdrs: str = ""
    session_params: list[str] | dict[str, str] | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)
    next_hop: str = ""
    no_answer_s: float = NO_ANSWER_S


class IvrUAC:
    """Starts outgoing calls (ivr-api §3.7)."""

    def __init__(self, *_: object) -> None:
        """Arguments are ignored."""

    def dialout(
        self,
        user: str,
        app_name: str,
        r_uri: str,
        from_: str,
        from_uri: str,
        to: str,
        local_tag: str = "",
        hdrs: str = "",
        session_params: object = None,
        /,
        *,
        auth_user: str = "",
        password: str = "",
        next_hop: str = "",
        timeout: float = NO_ANSWER_S,
    ) -> Dialout:
        """Call somebody: a new session of a script begins, and rings there.

        Whatever goes wrong comes to the new session's `onFailed` and to the handle. A call that
        cannot even begin, because the script is unknown or there are too many calls, has failed
        when this returns.

        Args:
            user: what the new session sees as `dialog.user`.
            app_name: its script; "": chosen as for a call that comes in.
            r_uri: whom to call.
            from_: From, `"Name" <sip:…>`; "": made of `from_uri`.
            from_uri: what the new session sees as `dialog.local_uri`.
            to: To; "": the URI.
            local_tag: of the new session; "": a random one.
            hdrs: header lines to add, each ending in CRLF.
            session_params: a list of strings or a dict of them, for `getSessionParams()`.
            auth_user: name to log in with, for whoever asks; "": the logins of `ivr.conf`.
            password: belongs to it.
            next_hop: URI of where to send the INVITE, whatever `r_uri` says.
            timeout: seconds it may ring.

        Returns:
            a handle: its local tag, and what becomes of the call.

        Raises:
            ValueError: an address cannot be used.
        """
        arguments = (user, app_name, r_uri, from_, from_uri, to, local_tag, hdrs)
        for number, argument in enumerate(arguments, start=1):
            need_str("dialout", number, argument)
        no_answer_s = need_number("dialout", 13, timeout)
        if not no_answer_s > 0:
            raise ValueError(f"dialout() timeout must be above 0 seconds, not {timeout}")
        sender = from_ or (from_uri and f"<{from_uri}>")
        for uri in (r_uri, next_hop):
            _check_uri(uri)
        for address in (sender, to):
            _check_address(address)
        request = DialRequest(
            application=app_name,
            r_uri=r_uri,
            from_header=sender,
            from_uri=from_uri,
            to_header=to,
            user=user,
            local_tag=local_tag,
            hdrs=hdrs,
            session_params=_params(session_params),
            login=(auth_user, password) if auth_user else None,
            next_hop=next_hop,
            no_answer_s=no_answer_s,
        )
        return the_host().dial_out(request)


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _check_uri(uri: str) -> None:
    try:
        if uri:
            parse_uri(uri)
    except RemoteProtocolError as exc:
        raise ValueError(f"dialout(): {uri!r} cannot be called: {exc.reason}") from exc


def _check_address(address: str) -> None:
    try:
        if address:
            parse_name_addr(address)
    except RemoteProtocolError as exc:
        raise ValueError(f"dialout(): {address!r} is no address: {exc.reason}") from exc


def _params(given: object) -> list[str] | dict[str, str] | None:
    """A list of str or a dict of str; other members are skipped, other types ignored."""
    if isinstance(given, list):
        return [each for each in given if isinstance(each, str)]
    if isinstance(given, dict):
        pairs = given.items()
        return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str)}
    return None
