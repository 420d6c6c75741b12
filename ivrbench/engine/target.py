"""Target: whom a call of ours is for, how it is made, and who is told what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ivrbench.sip.compose import MAX_FORWARDS
from ivrbench.sip.headers import parse_name_addr

if TYPE_CHECKING:
    from ivrbench.sip.message import SipResponse

    from .leg import Headers, Leg

__all__ = ["NO_ANSWER_S", "SDP", "DialOwner", "Target"]

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


class DialOwner(Protocol):
    """Who wants the leg. Called on the loop, `leg_answered` or `leg_failed` once, and neither when
    the session ends first."""

    def leg_ringing(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """A 1xx came, a 100 too. `agreed`: it changed `leg.agreement`: early media."""

    def leg_answered(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """The 2xx came and has its ACK; from now on the leg's events go where all go."""

    def leg_failed(self, leg: Leg, code: int, reason: str, reply: SipResponse | None) -> None:
        """The leg is over: refused, given up, or nobody was there.

        Args:
            leg: it has given everything back.
            code: of the refusal, or what stands for one.
            reason: in words.
            reply: the response that said so, if one did.
        """
