"""What one call is told by whoever has sockets: addresses, keys, its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.sdp.negotiate import LocalMedia
    from ivrbench.sip.auth import Credentials
    from ivrbench.sip.flow import Flow

    from .keys import Step

__all__ = ["CallSettings"]


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a call needs to know before it starts."""

    media: LocalMedia
    """Where we receive audio."""
    uri: str = ""
    """Request-URI of a call we make."""
    flow: Flow | None = None
    """Where its INVITE goes."""
    from_: str = ""
    """Its From value without tag."""
    call_id: str = ""
    """"": one is made up."""
    keys: tuple[Step, ...] = ()
    """Pressed once the call is up."""
    keys_by: str = "auto"
    """One of `observe.phones.KEYS_BY`."""
    credentials: Credentials | None = None
    """Who we are where a password is asked for; None: nobody."""
    for_s: float | None = None
    """Seconds from the answer until we hang up; None: never."""
