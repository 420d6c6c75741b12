"""InviteCall: one call, as the side that was called or the side that calls."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from .dialog import Dialog
from .message import SipRequest

__all__ = ["CallState", "InviteCall"]

Headers = Sequence[tuple[str, str]]


class CallState(StrEnum):
    """Where a call is; the names scripts know as `dialog.status_str`."""

    DISCONNECTED = "Disconnected"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    CANCELLING = "Cancelling"
    EARLY = "Early"
    CONNECTED = "Connected"
    DISCONNECTING = "Disconnecting"


class InviteCall:
    """One call; made by `Endpoint.invite` or delivered by `InviteReceived`.

    All methods take `now` and put messages in the endpoint's `to_send()`. On a call that ended they do nothing.
    Headers are (name, value) pairs; CR, LF or NUL in them, or a header the core writes itself (Via, From, To,
    Call-ID, CSeq, Max-Forwards, Content-Length, …), raises LocalProtocolError.

    Attributes:
        state: see `CallState`.
        is_caller: True if we sent the initial INVITE.
        dialog: the dialog; live, so its target and CSeq numbers move on.
        invite_request: the initial INVITE.
        relay_bye: set True to answer a BYE yourself with `respond`.
        owner: free for the user of the endpoint; the core never looks at it.
    """

    state: CallState
    is_caller: bool
    dialog: Dialog
    invite_request: SipRequest
    relay_bye: bool
    owner: object

    @property
    def invite_pending(self) -> bool:
        """True while an INVITE either way has no final response, so that a re-INVITE of ours must wait."""
        raise NotImplementedError

    def provisional(
        self,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> None:
        """Send a 1xx to the initial INVITE (101 to 199 make the dialog early)."""
        raise NotImplementedError

    def accept(
        self, headers: Headers = (), body: bytes = b"", content_type: str = "", *, now: float
    ) -> None:
        """Send 200 to the initial INVITE, with our Contact, again and again until its ACK comes.

        Raises:
            LocalProtocolError: it was answered before, or this call is ours.
        """
        raise NotImplementedError

    def reject(self, code: int, reason: str = "", headers: Headers = (), *, now: float) -> None:
        """Send a 3xx to 6xx to the initial INVITE; the call ends."""
        raise NotImplementedError

    def respond(
        self,
        request: SipRequest,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> None:
        """Answer a request of this call: a re-INVITE, RequestReceived, the BYE when `relay_bye` is set."""
        raise NotImplementedError

    def request(
        self,
        method: str,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> SipRequest:
        """Send a request within the dialog (not INVITE, ACK, BYE or CANCEL, which have methods of their own).

        Returns:
            the request; the same object comes back in ResponseReceived or RequestTimedOut.
        """
        raise NotImplementedError

    def reinvite(
        self,
        body: bytes = b"",
        headers: Headers = (),
        content_type: str = "application/sdp",
        *,
        now: float,
    ) -> SipRequest:
        """Send a re-INVITE; without body it asks for an offer, and `ack` is then yours to call.

        Raises:
            LocalProtocolError: an INVITE is pending (see `invite_pending`) or the call is not connected.
        """
        raise NotImplementedError

    def ack(
        self, body: bytes = b"", content_type: str = "", headers: Headers = (), *, now: float
    ) -> None:
        """Send the ACK to the 2xx of a body-less INVITE of ours; does nothing if no ACK is owed."""
        raise NotImplementedError

    def bye(self, headers: Headers = (), *, now: float) -> None:
        """Hang up, whatever the state: BYE; before the answer CANCEL (our call) or 487 (theirs).

        RFC 3261 §15: a BYE of the called side waits for the ACK of its 2xx.
        """
        raise NotImplementedError

    def cancel(self, headers: Headers = (), *, now: float) -> None:
        """Give up our unanswered INVITE: CANCEL goes out at once, or after the first provisional response.

        If a 2xx wins the race the core sends ACK and BYE; `CallEnded` comes in every case.
        """
        raise NotImplementedError

    def drop(self, *, now: float) -> None:
        """Forget the call without sending anything."""
        raise NotImplementedError
