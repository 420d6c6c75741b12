"""Location: phones that log in at us, as users of ours, and calls of ours to them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.registrar import Registrar
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivrbench.sip.message import SipRequest

    from .routing import Ways
    from .switchboard import Switchboard

__all__ = ["Location"]

log = logging.getLogger("ivrbench.sip")


class Location:
    """Where the phones of `users` are.

    Args:
        board: the engine.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._registrar = Registrar(symmetric=board.endpoint_settings.symmetric)

    def answer(self, request: SipRequest) -> None:
        """A REGISTER came, with a right password."""
        board, transaction = self._board, request.transaction
        assert transaction is not None, "it has no answer yet"
        now, user = board.now(), request.auth_user
        was_there = self._registrar.find(user, now) is not None
        code, headers = self._registrar.answer(request, transaction.flow, now)
        board.endpoint.respond(request, code, "", headers, now=now)
        is_there = self._registrar.find(user, now) is not None
        if code != 200:
            log.warning("REGISTER of %s from %s got %d", user, transaction.flow.remote[0], code)
        elif is_there != was_there:
            log.info("%s %s", user, f"is at {transaction.flow}" if is_there else "has left")

    def redirect(self, uri: str, ways: Ways) -> tuple[str, Ways]:
        """Where a call of ours goes that would come back to us: to the phone of that user.

        Args:
            uri: Request-URI.
            ways: where it leads.

        Returns:
            the same, changed if there is such a phone.
        """
        if not ways.come_back(self._board.settings.public_ip):
            return uri, ways
        try:
            user = parse_uri(uri).decoded_user
        except RemoteProtocolError:
            return uri, ways
        phone = self._registrar.find(user, self._board.now())
        if phone is None:
            return uri, ways
        return phone.uri, ways.replaced(phone.flow, phone.route)
