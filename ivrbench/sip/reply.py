"""Reply: a response the user gave, kept as a value because it may have to wait for its turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server_transaction import ServerTransaction

__all__ = ["Reply"]


@dataclass(slots=True)  # Not frozen: making one would cost three times as much.
class Reply:
    """A response about to be sent."""

    code: int
    reason: str = ""
    """ "" takes the usual phrase."""
    extra: str = ""
    """Checked header lines, each ended by CRLF."""
    body: bytes = b""
    content_type: str = ""

    def send(self, transaction: ServerTransaction, now: float, more: str = "") -> bytes:
        """Send it, with `more` header lines; gives the bytes.

        Raises:
            LocalProtocolError: answered before, or the status cannot be sent.
        """
        return transaction.respond(
            self.code, self.reason, more + self.extra, self.body, self.content_type, now=now
        )
