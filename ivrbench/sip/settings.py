"""Settings: what an endpoint is told about itself, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .timers import Timers

__all__ = ["EndpointSettings", "MergedRequestPolicy"]


class MergedRequestPolicy(StrEnum):
    """What happens to a request that reached us twice by two paths (RFC 3261 §8.2.2.2)."""

    REJECT = "reject"
    """482 Loop Detected, as the RFC says."""
    ACCEPT = "accept"
    """Each copy is a request of its own, for networks that fork to one server on purpose."""


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
        "UPDATE",
        "MESSAGE",
        "REFER",
        "NOTIFY",
    )
    """Allow header; another method outside a dialog gets 405 (known to SIP) or 501."""
    supported: tuple[str, ...] = ()
    """Option tags: Supported header; a Require with any other gets 420."""
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
    timers: Timers = field(default_factory=Timers)
    """RFC 3261 timer values."""
