"""Transfers: REFER both ways (RFC 3515, RFC 5589), as scripts ask for it and hear of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.refer import (
    SUBSCRIPTION_S,
    ReferProgress,
    parse_refer_to,
    parse_sipfrag,
    refer_headers,
    transfer_uri,
)

from .part import Part

if TYPE_CHECKING:
    import asyncio

    from ivrbench.sip.events import RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest

    from .leg import Leg
    from .outcome import Outcome
    from .session import Session

__all__ = ["Transfers"]

log = logging.getLogger("ivrbench.call")

CONNECTED: Final = 5
DISCONNECTING: Final = 6
DECLINED: Final = 603
SERVER_ERROR: Final = 500
NO_CALL: Final = 481
NOTHING_TOLD: Final = 408
MOVED: Final = 302
FIRST_NOTIFY_S: Final = 32.0
"""RFC 6665 §4.1.2.4, timer N: whoever takes a REFER tells of it within 64*T1."""


class Transfers(Part):
    """The transfers of one session's first leg; on the loop.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._asked: SipRequest | None = None
        """The REFER of `transfer`, until its outcome is known."""
        self._patience: asyncio.TimerHandle | None = None
        self._progress: ReferProgress | None = None

    # --- sending the other side on ------------------------------------------------------------

    def redirect(self, uri: str) -> None:
        """302, or the REFER of the reference server on a call that is up (ivr-api §2.2).

        Raises:
            LocalProtocolError: it cannot be sent.
        """
        leg = self.session.leg
        invite = leg.first_invite
        if invite is not None and leg.owes_reply(invite):
            leg.reply(invite, MOVED, "", (("Contact", f"<{uri}>"),))
        elif leg.dialog.status == CONNECTED:
            dialog = leg.call.dialog
            routes = dialog.route_set
            param = f'Transfer-RR="{",".join(routes)}"'
            # We differ from the reference server, which sends no Refer-To: no phone takes that.
            headers = refer_headers(f"<{uri}>")
            headers += [("P-App-Param", param)] if routes else []
            dialog.remote_target, dialog.route_set = uri, ()
            try:
                leg.call.request("REFER", headers, now=self.session.board.now())
            finally:
                dialog.route_set = routes
            leg.dialog.status = DISCONNECTING

    def transfer(self, to: str) -> None:
        """Ask the peer to call a URI, or whom the call with this local tag is with."""
        session, leg = self.session, self.session.leg
        try:
            refer_to = f"<{to}>" if ":" in to else self._of_call(to)
            if not leg.answered_s or leg.down:
                raise LocalProtocolError("the call is not up")
            headers = refer_headers(refer_to, f"<{leg.call.dialog.local_uri}>")
            self._asked = leg.call.request("REFER", headers, now=session.board.now())
        except LocalProtocolError as exc:
            log.error("transfer: %s", exc, extra={"leg": leg.name})
            self._tell(NO_CALL, str(exc))

    def _of_call(self, local_tag: str) -> str:
        """A Refer-To that takes our place in another call."""
        other = self.session.board.by_local_tag.get(local_tag)
        leg = other.leg if other is not None else None
        if leg is None or leg.down or not leg.answered_s:
            raise LocalProtocolError(f"no call with the local tag {local_tag} is up")
        return transfer_uri(leg.dialog.remote_uri, leg.call.dialog)

    def replied(self, event: ResponseReceived | RequestTimedOut) -> None:
        """A final response to a REFER; one that was taken is told of by NOTIFY."""
        if event.request is not self._asked:
            return
        if event.response.code >= 300:
            self._outcome(event.response.code, event.response.reason)
        else:
            self._wait(FIRST_NOTIFY_S)

    def notified(self, request: SipRequest) -> None:
        """A NOTIFY came: how the peer's call to the third party goes."""
        told = parse_sipfrag(request.body) if self._asked is not None else None
        if told is not None and told[0] >= 200:
            self._outcome(*told)
        elif self._asked is not None:
            state = request.header("subscription-state").partition(";")[0].strip().lower()
            # RFC 6665 §4.4.1: nothing comes after "terminated".
            self._wait(0.0 if state == "terminated" else SUBSCRIPTION_S)

    def _wait(self, within_s: float) -> None:
        """Something is to be told by then."""
        self.close()
        self._patience = self.session.board.loop.call_later(within_s, self._nothing_told)

    def _nothing_told(self) -> None:
        self._outcome(NOTHING_TOLD, "the phone took the transfer, but tells no outcome")
        self.session.board.settle()

    def _outcome(self, code: int, reason: str) -> None:
        self.close()
        self._asked = None
        self._tell(code, reason)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _tell(self, code: int, reason: str) -> None:
        session = self.session

        def decide(outcome: Outcome) -> None:
            if outcome.default_runs and 200 <= code < 300:
                session.stop("script", "the call was transferred")

        session.tell("onTransfer", code, reason, done=decide)

    # --- being asked to call somebody ---------------------------------------------------------

    def referred(self, leg: Leg, request: SipRequest) -> None:
        """A REFER came: `onRefer` decides."""
        refer_to = parse_refer_to(request.header("refer-to"))
        replaces = str(refer_to.replaces or "")

        def decide(outcome: Outcome) -> None:
            if not leg.owes_reply(request):
                return  # the script answered it
            if outcome.raised is not None:
                leg.reply(request, SERVER_ERROR)
            elif outcome.default_runs or refer_to.method != "INVITE":
                leg.reply(request, DECLINED)
            else:
                leg.forget("REFER")
                self._progress = ReferProgress(leg.call, request, now=leg.session.board.now())

        self.session.tell("onRefer", refer_to.uri, replaces, done=decide)

    def report(self, code: int, reason: str) -> None:
        """Tell who asked how it goes."""
        if self._progress is not None:
            self._progress.report(code, reason, now=self.session.board.now())
