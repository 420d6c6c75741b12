"""Location: phones that log in at us, as users of ours, and calls of ours to them."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.hunt import Place
from ivrbench.sip.registrar import Registrar, turns
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.sip.flow import Flow
    from ivrbench.sip.message import SipRequest
    from ivrbench.sip.registrar import Phone

    from ..switchboard import Switchboard
    from .routing import Ways

__all__ = ["Location", "Phones"]

log = logging.getLogger("ivrbench.sip")


class Phones(NamedTuple):
    """Whom a call to a user of ours goes to."""

    first: Place
    spares: Sequence[Place]
    """More ways to the same phone."""
    others: Sequence[tuple[Sequence[Place], int]]
    """The ways to each further phone, and its turn: 0 is at once."""
    local_ip: str
    """The address of ours that all of them can reach, if one is."""


class Location:
    """Where the phones of `users` are.

    Args:
        board: the engine.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._registrar = Registrar(symmetric=board.endpoint_settings.symmetric)
        board.endpoint.locate(self.place)

    def answer(self, request: SipRequest) -> None:
        """A REGISTER came, with a right password."""
        board, transaction = self._board, request.transaction
        assert transaction is not None, "it has no answer yet"
        now, user = board.now(), request.auth_user
        before = self._count(user, now)
        code, headers = self._registrar.answer(request, transaction.flow, now)
        board.endpoint.respond(request, code, "", headers, now=now)
        after = self._count(user, now)
        if code != 200:
            log.warning("REGISTER of %s from %s got %d", user, transaction.flow.remote[0], code)
        elif after > before:
            log.info(
                "%s is at %s%s", user, transaction.flow, f" too, {_phones(after)}" * (after > 1)
            )
        elif after < before:
            log.info("%s has left %s, %s left", user, transaction.flow, _phones(after))

    def phones(self, uri: str, ways: Ways) -> Phones | None:
        """Where a call of ours goes that would come back to us: to the phones of that user.

        Args:
            uri: Request-URI.
            ways: where it leads.

        Returns:
            None: the call goes where it leads.
        """
        if not ways.come_back(self._board.settings.public_ip):
            return None
        try:
            address = parse_uri(uri)
        except RemoteProtocolError:
            return None
        # Audio has one address for all of them: one that only this machine can reach comes last.
        found = sorted(self._registrar.at(address, self._board.now()), key=_is_near)
        if not found:
            return None
        (first, _), *others = (
            ([Place(way.uri, way.flow, way.route) for way in phone], turn)
            for turn, phones in enumerate(turns(found))
            for phone in phones
        )
        return Phones(first[0], first[1:], others, found[0].flow.local[0])

    def place(self, uri: str) -> Place | None:
        """Where the phone is that a GRUU of ours leads to, for requests within a call."""
        try:
            address = parse_uri(uri)
        except RemoteProtocolError:
            return None
        if address.param("gr") is None:
            return None
        phones = self._registrar.at(address, self._board.now())
        return Place(phones[0].uri, phones[0].flow, phones[0].route) if phones else None

    def _count(self, user: str, now: float) -> int:
        return sum(map(len, turns(self._registrar.phones(user, now))))

    def flow_failed(self, flow: Flow) -> None:
        """A connection is gone."""
        self._registrar.flow_failed(flow)

    def uses(self, flow: Flow) -> bool:
        """True if calls to a phone go by this connection."""
        return self._registrar.uses(flow)


def _is_near(phone: Phone) -> bool:
    return ip_address(phone.flow.local[0]).is_loopback


def _phones(count: int) -> str:
    return f"{count} phone{'s' * (count != 1)}"
