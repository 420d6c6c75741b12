"""Settings: what an endpoint is told about itself, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .timers import Timers

__all__ = ["EndpointSettings", "MergedRequestPolicy", "RefreshMethod"]


class MergedRequestPolicy(StrEnum):
    """What happens to a request that reached us twice by two paths (RFC 3261 §8.2.2.2)."""

    REJECT = "reject"
    """482 Loop Detected, as the RFC says."""
    ACCEPT = "accept"
    """Each copy is a request of its own, for networks that fork to one server on purpose."""


class RefreshMethod(StrEnum):
    """How a session is refreshed (RFC 4028 §7.4); the values are those of `ivr.conf`."""

    UPDATE = "UPDATE"
    INVITE = "INVITE"
    UPDATE_FALLBACK_INVITE = "UPDATE_FALLBACK_INVITE"
    """UPDATE where the other side allows it, re-INVITE where not."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How one endpoint behaves; frozen, so calls in progress never see it change."""

    user_agent: str = "ivrbench"
    """Text of User-Agent in requests and Server in responses; "" sends neither."""
    allowed_methods: tuple[str, ...] = (
        "INVITE",
        "ACK",
        "CANCEL",
        "BYE",
        "OPTIONS",
        "INFO",
        "PRACK",
        "UPDATE",
        "MESSAGE",
        "REFER",
        "NOTIFY",
    )
    """Allow header; another method outside a dialog gets 405 (known to SIP) or 501."""
    supported: tuple[str, ...] = ("100rel", "replaces", "timer")
    """Option tags: Supported header; a Require with any other gets 420."""
    event_packages: tuple[str, ...] = ("refer",)
    """Event packages: SUBSCRIBE and NOTIFY for any other get 489."""
    accept: tuple[str, ...] = ("application/sdp",)
    """Accept header of the OPTIONS answer."""
    merged_request_policy: MergedRequestPolicy = MergedRequestPolicy.REJECT
    """482 for a request that came by two paths, or not."""
    symmetric: bool = False
    """Answer, and send within a dialog, to the address packets came from whatever Via and Contact
    say (NAT).
    """
    public_host: str = ""
    """Host shown in Via and Contact instead of the flow's local address."""
    first_cseq: int = 10
    """CSeq number of the first request we send in a dialog."""
    max_redirects: int = 0
    """How many targets of 3xx answers one call tries; 0: a 3xx is a refusal."""
    glare_retries: int = 3
    """How often a re-INVITE refused with 491 is sent again by itself (RFC 3261 §14.1)."""
    session_expires_s: int = 0
    """Session interval we ask for; 0: we ask for none, but serve a peer that does (RFC 4028)."""
    min_session_expires_s: int = 90
    """Smallest session interval taken, else 422; RFC 4028 §4 allows no less than 90."""
    max_session_expires_s: int = 900
    """Longest session interval granted to a peer that asks for one."""
    session_refresh_method: RefreshMethod = RefreshMethod.UPDATE_FALLBACK_INVITE
    """UPDATE, re-INVITE, or whichever works."""
    accept_501_reply: bool = True
    """A refresh answered 501 counts: the other side is there, if old."""
    timers: Timers = field(default_factory=Timers)
    """RFC 3261 timer values."""
