"""Target: whom a call of ours is for, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.sip.compose import MAX_FORWARDS
from ivrbench.sip.headers import parse_name_addr

if TYPE_CHECKING:
    from .leg import Headers

__all__ = ["NO_ANSWER_S", "SDP", "Target"]

SDP: Final = "application/sdp"
NO_ANSWER_S: Final = 180.0
"""How long it may ring; RFC 3261 §16.6 lets proxies wait as long (timer C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom we call, and how."""

    uri: str
    """Request-URI."""
    from_: str
    """From value, without tag."""
    to: str
    """To value, without tag."""
    local_tag: str
    call_id: str
    headers: Headers = ()
    login: tuple[str, str] | None = None
    """Name and password for whatever realm asks; None: those of `ivr.conf`."""
    next_hop: str = ""
    """URI of where the INVITE is sent whatever its Request-URI says; "": `outbound_proxy`, or
    where the Request-URI leads."""
    no_answer_s: float = NO_ANSWER_S
    body: bytes | None = None
    """Somebody else's session description, b"" for none: offer and answer are the owner's then,
    and so is the ACK where it is b"". None: the leg has audio of ours."""
    content_type: str = SDP
    late_offer: bool = False
    """With audio of ours: the INVITE has no offer, so that the callee makes it."""
    max_forwards: int = MAX_FORWARDS
    """Hops the INVITE may take."""
    user: str = ""
    """What the script sees as `dialog.user`."""
    local_uri: str = ""
    """What it sees as `dialog.local_uri`; "": that of From."""

    @property
    def known(self) -> dict[str, str]:
        """What the dialog shows from the beginning (ivr-api §3.4)."""
        return {
            "user": self.user,
            "domain": "",
            "local_uri": self.local_uri or parse_name_addr(self.from_).uri,
            "local_party": self.from_,
            "remote_party": self.to,
            "local_tag": self.local_tag,
            "callid": self.call_id,
        }
