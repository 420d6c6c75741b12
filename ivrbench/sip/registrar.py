"""Registrar: where the phones of our users are (RFC 3261 §10.3, RFC 3327)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError, RemoteProtocolError
from .compose import response_flow
from .dialog import next_hop_flow
from .grammar import check_headers
from .headers import parse_name_addr, parse_number
from .uri import parse_uri

if TYPE_CHECKING:
    from .flow import Flow
    from .grammar import Headers
    from .message import SipRequest

__all__ = ["Phone", "Registrar"]

MIN_EXPIRES_S = 60
MAX_EXPIRES_S = 1200  # Refreshed by then, a connection never is idle for the 30 minutes it may be.
MAX_PHONES = 8  # Of one user; the one that was heard of least lately makes room.


@dataclass(frozen=True, slots=True)
class Phone:
    """One binding."""

    uri: str
    """Its Contact: the Request-URI of calls to it."""
    flow: Flow
    """The way its REGISTER came, which a NAT or a firewall lets calls back by."""
    route: tuple[str, ...]
    """Route values: the Path of the REGISTER."""
    until_s: float
    """When it expires."""
    call_id: str
    cseq: int


class Registrar:
    """The phones of each user, as long as they say they are there; nothing outlives the process.

    Args:
        symmetric: calls go where packets came from whatever Via says (NAT).
    """

    def __init__(self, *, symmetric: bool = False) -> None:
        self._symmetric = symmetric
        self._users: dict[str, dict[str, Phone]] = {}
        """User -> instance or URI -> phone; the newest last."""
        self._by_flow: dict[Flow, set[str]] = {}
        """Connection -> whose phones are behind it."""

    def answer(self, request: SipRequest, flow: Flow, now: float) -> tuple[int, Headers]:
        """Do what a REGISTER asks for: all of it or nothing.

        Args:
            request: its `auth_user` has been proved.
            flow: the way it came.
            now: seconds, monotonic.

        Returns:
            status and headers of the answer.
        """
        try:
            if any(
                0 < _expires_s(each, request) < MIN_EXPIRES_S
                for each in request.elements("contact")
            ):
                return 423, (("Min-Expires", str(MIN_EXPIRES_S)),)
            user = parse_uri(request.to.uri).decoded_user
            if user != request.auth_user:
                return 403, ()  # RFC 3261 §10.3, step 4: nobody registers for somebody else.
            check_headers([("Path", value) for value in request.elements("path")])
            for value in request.elements("path"):
                parse_uri(parse_name_addr(value).uri)
            phones = self._of(user, now)
            self._change(phones, request, flow, now)
        except RemoteProtocolError as error:
            return error.status_hint, ()
        except LocalProtocolError:  # a Path that could not be sent
            return 400, ()
        self._keep(user, dict(list(phones.items())[-MAX_PHONES:]))
        return 200, self._listed(user, request, now)

    def phones(self, user: str, now: float) -> list[Phone]:
        """The phones of a user, the one that was heard of last before the others."""
        return list(self._of(user, now).values())[::-1]

    def flow_failed(self, flow: Flow) -> None:
        """A connection is gone: its phones are where their Contact says, if that can be reached.

        RFC 7118 §5: nobody can connect to a WebSocket client.
        """
        for user in self._by_flow.pop(flow, ()):
            phones = self._users.get(user, {})
            for key, phone in list(phones.items()):
                if phone.flow != flow:
                    continue
                there = _elsewhere(phone)
                if there is not None and there.transport not in ("ws", "wss"):
                    phones[key] = replace(phone, flow=there)
                else:
                    del phones[key]

    def uses(self, flow: Flow) -> bool:
        """True if calls to a phone go by this connection."""
        return flow in self._by_flow

    def _keep(self, user: str, phones: dict[str, Phone]) -> None:
        for phone in self._users.pop(user, {}).values():
            users = self._by_flow.get(phone.flow)
            if users is not None:
                users.discard(user)
                if not users:
                    del self._by_flow[phone.flow]
        if not phones:
            return
        self._users[user] = phones
        for phone in phones.values():
            if phone.flow.reliable:
                self._by_flow.setdefault(phone.flow, set()).add(user)

    def _of(self, user: str, now: float) -> dict[str, Phone]:
        phones = self._users.get(user, {})
        return {key: each for key, each in phones.items() if each.until_s > now}

    def _change(
        self, phones: dict[str, Phone], request: SipRequest, flow: Flow, now: float
    ) -> None:
        contacts = request.elements("contact")
        if contacts != ["*"]:
            for contact in contacts:
                self._bind(phones, contact, request, flow, now)
            return
        if parse_number(request.header("expires")) != 0:
            raise RemoteProtocolError("Contact: * goes with Expires: 0 alone")
        for each in phones.values():
            _check_order(each, request)
        phones.clear()

    def _bind(
        self, phones: dict[str, Phone], contact: str, request: SipRequest, flow: Flow, now: float
    ) -> None:
        address = parse_name_addr(contact)
        uri = str(parse_uri(address.uri))
        # RFC 5626 §6: a phone that moved is known by its instance.
        key = address.params.get("+sip.instance") or uri
        before = phones.pop(key, None)
        if before is not None:
            _check_order(before, request)
        expires_s = min(_expires_s(contact, request), MAX_EXPIRES_S)
        if not expires_s:
            return
        back = response_flow(request, flow, self._symmetric)
        path = tuple(request.elements("path"))
        phones[key] = Phone(uri, back, path, now + expires_s, request.call_id, request.cseq)

    def _listed(self, user: str, request: SipRequest, now: float) -> Headers:
        """RFC 3261 §10.3, step 8: all bindings there are; RFC 3327 §5.3: the Path as it came."""
        found = self._of(user, now).values()
        contacts = [("Contact", f"<{p.uri}>;expires={round(p.until_s - now)}") for p in found]
        return (*contacts, *(("Path", value) for value in request.headers("path")))


def _elsewhere(phone: Phone) -> Flow | None:
    """The way to a phone whose connection is gone; None: there is none that is known."""
    try:
        hop = parse_name_addr(phone.route[0]).uri if phone.route else phone.uri
        flow = next_hop_flow(parse_uri(hop), phone.flow)
    except RemoteProtocolError:
        return None
    return flow if flow.remote != phone.flow.remote else None


def _expires_s(contact: str, request: SipRequest) -> int:
    own = parse_name_addr(contact).params.get("expires") if contact != "*" else None
    for text in (own or "", request.header("expires")):
        seconds = parse_number(text)
        if seconds is not None:
            return seconds
    return MAX_EXPIRES_S


def _check_order(phone: Phone, request: SipRequest) -> None:
    # RFC 3261 §10.3, step 7: one that was overtaken on its way changes nothing.
    if phone.call_id == request.call_id and request.cseq <= phone.cseq:
        raise RemoteProtocolError("a newer REGISTER came before", status_hint=500)
