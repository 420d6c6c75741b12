"""What the other side asks of the phone in a call, beside offers of audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .facts import Noted, shown_body
from .transfer import told_progress

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest

__all__ = ["METHODS", "answer_request"]

TAKEN: Final = ("OPTIONS", "INFO", "MESSAGE", "UPDATE")
"""Requests that get a 200 and a line of text."""
METHODS: Final = ("INVITE", "ACK", "CANCEL", "BYE", *TAKEN, "NOTIFY")


def answer_request(call: InviteCall, request: SipRequest, now: float) -> tuple[Noted, bool]:
    """Answer a request.

    Returns:
        what to tell of it, and True if it says that the other side has gone where we sent it.
    """
    method = request.method
    if method == "NOTIFY":
        call.respond(request, 200, now=now)
        text, arrived = told_progress(request)
        return Noted(text), arrived
    if method in TAKEN:
        call.respond(request, 200, now=now)
        return Noted(f"{method} received{shown_body(request.body)}"), False
    call.respond(request, 501, now=now)
    return Noted(f"{method} refused with 501"), False
