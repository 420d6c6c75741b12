"""Trace: every message seen, for the ladder; costs one `is None` test per message when nobody
looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .flow import Flow
    from .message import SipRequest, SipResponse

__all__ = ["CallLabel", "MessageSeen", "Observer"]


@dataclass(slots=True)
class CallLabel:
    """What all messages of a call bear. Transactions keep it: they outlive the call, and must not
    keep that.
    """

    name: str = ""
    """Whatever the user of the endpoint calls the call."""


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """One message sent or received, in the order of the wire."""

    at: float
    """`now` of the call that sent or received it."""
    sent: bool
    """True: we sent it."""
    data: bytes
    """The bytes on the wire."""
    message: SipRequest | SipResponse | None
    """A received message, parsed; None for one we sent, and where the bytes made no sense."""
    refused: str
    """Why a received message was refused or dropped, "" if it was taken."""
    flow: Flow
    """The path."""
    call: CallLabel | None
    """That of the call it belongs to, if any."""
    retransmission: bool
    """True for a copy of a message seen before."""


Observer = Callable[[MessageSeen], None]
