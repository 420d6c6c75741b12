"""Registrar: where the phones of our users are (RFC 3261 §10.3, RFC 3327, RFC 5626 §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError, RemoteProtocolError
from .compose import response_flow
from .dialog import next_hop_flow
from .grammar import check_headers, check_text, quote, unquote
from .gruu import Gruus
from .headers import parse_name_addr, parse_number
from .tokens import RandomTokens
from .uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .flow import Flow
    from .grammar import Headers
    from .message import SipRequest
    from .tokens import Tokens
    from .uri import SipUri

__all__ = ["Phone", "Registrar", "turns"]

MIN_EXPIRES_S = 60
MAX_REG_ID = 2**31 - 1  # RFC 5626 §4.2.
# qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# RFC 5626 §4.4: how often a phone should let us hear of it; NATs forget UDP after 30 s.
DATAGRAM_FLOW_TIMER_S = 30
STREAM_FLOW_TIMER_S = 120
MAX_EXPIRES_S = 1200  # Refreshed by then, a connection never is idle for the 30 minutes it may be.
MAX_PHONES = 16  # Ways to phones of one user; the one heard of least lately makes room.


@dataclass(frozen=True, slots=True)
class Phone:
    """One binding: one way to a phone, which may have several."""

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
    instance: str = ""
    """`+sip.instance`, which stays the same wherever the phone is; "" if it did not say."""
    reg_id: int = 0
    """Which of the phone's ways this is; 0: it has but one (RFC 5626 §4.2)."""
    domain: str = ""
    """Host and port of the user's address, as the phone wrote it."""
    q: float = 1.0
    """Those of the highest are called first (RFC 3261 §16.6)."""


def turns(phones: Sequence[Phone]) -> list[list[list[Phone]]]:
    """Sort bindings into the order to call them.

    Args:
        phones: the one heard of last before the others.

    Returns:
        who is called first, who is when those fail, and so on (RFC 3261 §16.6): of each phone its
        ways, to be tried one after another (RFC 5626 §7).
    """
    ways: dict[str, list[Phone]] = {}
    for each in phones:
        ways.setdefault(each.instance or each.uri, []).append(each)
    by_q: dict[float, list[list[Phone]]] = {}
    for of_one in ways.values():
        by_q.setdefault(max(way.q for way in of_one), []).append(of_one)
    return [by_q[q] for q in sorted(by_q, reverse=True)]


class Registrar:
    """The phones of each user, as long as they say they are there; nothing outlives the process.

    Args:
        symmetric: calls go where packets came from whatever Via says (NAT).
        tokens: makes temporary GRUUs; None: the system's randomness.
    """

    def __init__(self, *, symmetric: bool = False, tokens: Tokens | None = None) -> None:
        self._symmetric = symmetric
        self._gruus = Gruus(tokens or RandomTokens())
        self._users: dict[str, dict[str, Phone]] = {}
        """User -> instance and reg-id, or URI -> phone; the newest last."""
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
            outbound = _wants_outbound(request)
            if outbound and not _first_hop_keeps(request):
                return 439, ()
            phones = self._of(user, now)
            self._change(phones, request, flow, outbound, now)
        except RemoteProtocolError as error:
            return error.status_hint, ()
        except LocalProtocolError:  # a Path or an instance that could not be sent
            return 400, ()
        self._keep(user, dict(list(phones.items())[-MAX_PHONES:]))
        listed = self._listed(user, request, now)
        return 200, (*listed, *(_outbound_headers(flow) if outbound else ()))

    def phones(self, user: str, now: float) -> list[Phone]:
        """The phones of a user, the one that was heard of last before the others."""
        return list(self._of(user, now).values())[::-1]

    def at(self, uri: SipUri, now: float) -> list[Phone]:
        """As `phones`, by an address: that of a user, or the GRUU of one phone (RFC 5627 §5.4)."""
        owner = self._gruus.owner(uri)
        if owner is None:
            return []
        user, instance = owner
        found = self.phones(user, now)
        if not instance:
            return found
        wanted = instance.lower(), _domain(uri)
        return [p for p in found if (p.instance.strip("<>").lower(), p.domain) == wanted]

    def flow_failed(self, flow: Flow) -> None:
        """A connection is gone: its phones are where their Contact says, if that can be reached.

        RFC 7118 §5: nobody can connect to a WebSocket client.
        """
        for user in self._by_flow.pop(flow, ()):
            phones = self._users.get(user, {})
            for key, phone in list(phones.items()):
                if phone.flow != flow:
                    continue
                # RFC 5626 §7: a flow is a connection; the phone has others, or makes a new one.
                there = None if phone.reg_id else _elsewhere(phone)
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
            if phone.instance not in {each.instance for each in phones.values()}:
                self._gruus.forget(user, phone.instance)
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
        self,
        phones: dict[str, Phone],
        request: SipRequest,
        flow: Flow,
        outbound: bool,
        now: float,
    ) -> None:
        contacts = request.elements("contact")
        if contacts != ["*"]:
            for contact in contacts:
                key, phone = self._binding(contact, request, flow, outbound, now)
                before = phones.pop(key, None)
                if before is not None:
                    _check_order(before, request)
                if phone.until_s > now:
                    phones[key] = phone
            return
        if parse_number(request.header("expires")) != 0:
            raise RemoteProtocolError("Contact: * goes with Expires: 0 alone")
        for each in phones.values():
            _check_order(each, request)
        phones.clear()

    def _binding(
        self, contact: str, request: SipRequest, flow: Flow, outbound: bool, now: float
    ) -> tuple[str, Phone]:
        """The binding a Contact asks for, and what it is known by."""
        address = parse_name_addr(contact)
        parsed, params = parse_uri(address.uri), address.params
        if parsed.param("gr") is not None and self.at(parsed, now):
            # RFC 5627 §5.1: a GRUU leads to where a phone is; it cannot be that place.
            raise RemoteProtocolError("Contact is a GRUU of ours", status_hint=403)
        uri = str(parsed)
        instance = unquote(params.get("+sip.instance") or "")
        check_text(instance, "instance")
        reg_id = _reg_id(params.get("reg-id")) if outbound and instance else 0
        phone = Phone(
            uri,
            response_flow(request, flow, self._symmetric),
            tuple(request.elements("path")),
            now + min(_expires_s(contact, request), MAX_EXPIRES_S),
            request.call_id,
            request.cseq,
            instance,
            reg_id,
            _domain(parse_uri(request.to.uri)),
            _q(params.get("q")),
        )
        # RFC 5626 §6: a phone that moved is known by its instance, its ways by their reg-id.
        return f"{instance} {reg_id}" if instance else uri, phone

    def _listed(self, user: str, request: SipRequest, now: float) -> Headers:
        """RFC 3261 §10.3, step 8: all bindings there are; RFC 3327 §5.3: the Path as it came."""
        gruus = self._new_gruus(user, request, now)
        contacts = [
            ("Contact", _contact(each, now) + gruus.get(each.instance, ""))
            for each in self._of(user, now).values()
        ]
        return (*contacts, *(("Path", value) for value in request.headers("path")))

    def _new_gruus(self, user: str, request: SipRequest, now: float) -> dict[str, str]:
        """Contact parameters by instance, for who wants them (RFC 5627 §5.3)."""
        if "gruu" not in {tag.lower() for tag in request.elements("supported")}:
            return {}
        address = parse_uri(request.to.uri)
        found = {}
        for each in self._of(user, now).values():
            if not each.instance:
                continue
            found[each.instance] = f";pub-gruu={quote(self._gruus.public(address, each.instance))}"
        for each in self._of(user, now).values():
            # The temporary one is for the phone that asked alone.
            if each.instance and (each.call_id, each.cseq) == (request.call_id, request.cseq):
                name = self._gruus.temporary(address, each.instance, request.call_id)
                found[each.instance] += f";temp-gruu={quote(name)}"
        return found


def _wants_outbound(request: SipRequest) -> bool:
    """True if a REGISTER is for one way of several (RFC 5626 §6).

    Raises:
        RemoteProtocolError: 400, it names more than one Contact by it.
    """
    if "outbound" not in {tag.lower() for tag in request.elements("supported")}:
        return False
    contacts = [each for each in request.elements("contact") if each != "*"]
    asked = [p for p in (parse_name_addr(each).params for each in contacts) if p.get("reg-id")]
    if asked and len(contacts) > 1:
        raise RemoteProtocolError("a REGISTER with reg-id has one Contact")
    return any("+sip.instance" in params for params in asked)


def _first_hop_keeps(request: SipRequest) -> bool:
    """True if calls will reach the phone by the way its REGISTER came."""
    if len(request.elements("via")) <= 1:
        return True  # It came straight from the phone.
    path = request.elements("path")
    # RFC 5626 §6: the proxy next to the phone has to say that it keeps the connection.
    return bool(path) and parse_uri(parse_name_addr(path[-1]).uri).param("ob") is not None


def _outbound_headers(flow: Flow) -> Headers:
    timer_s = STREAM_FLOW_TIMER_S if flow.reliable else DATAGRAM_FLOW_TIMER_S
    # RFC 5626 §6: this tells the phone that its ways are told apart.
    return (("Require", "outbound"), ("Supported", "path, outbound"), ("Flow-Timer", str(timer_s)))


def _domain(address: SipUri) -> str:
    return f"{address.bare_host}:{address.port}".lower()


def _reg_id(text: str | None) -> int:
    number = parse_number(text or "")
    if number is None or not 0 < number <= MAX_REG_ID:
        raise RemoteProtocolError(f"bad reg-id {(text or '')[:20]!r}")
    return number


def _q(text: str | None) -> float:
    """The preference of a Contact; 1 if there is none or it cannot be read."""
    match = _QVALUE.fullmatch(text or "1")
    return float(match[0]) if match is not None else 1.0


def _contact(phone: Phone, now: float) -> str:
    """A binding as the registrar lists it."""
    text = f"<{phone.uri}>;expires={round(phone.until_s - now)}"
    if phone.q < 1:
        text += f";q={phone.q:g}"
    if phone.instance:
        text += f";+sip.instance={quote(phone.instance)}"
    return f"{text};reg-id={phone.reg_id}" if phone.reg_id else text


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
