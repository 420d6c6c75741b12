"""Relay: requests of one party that the other one answers (ivr-api §2.6)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from ivrbench.errors import LocalProtocolError

from .headers import relayed_headers, response_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.events import ProvisionalReceived, RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest, SipResponse

    from ..leg import Leg

__all__ = ["RELAYED", "Relay", "passed_on_code"]

log = logging.getLogger("ivrbench.call")

RELAYED: Final = frozenset({"INFO", "MESSAGE", "NOTIFY", "OPTIONS", "REFER", "SUBSCRIBE"})
"""Methods that go to the other party as they are. UPDATE goes with the audio, PRACK nowhere."""
SDP: Final = "application/sdp"
NO_ANSWER: Final = 408
PENDING: Final = 491
CHALLENGES: Final = frozenset({401, 407})
FORBIDDEN: Final = 403


class _Asked(NamedTuple):
    """A request that waits for the other party."""

    leg: Leg
    """Whose it is."""
    request: SipRequest
    to: Leg
    describe: Callable[[SipResponse], bytes] | None
    """Makes the body of a success; None: as it came."""


class Relay:
    """Requests on their way from one party to the other and back.

    Args:
        now: the time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._asked: dict[SipRequest, _Asked] = {}

    def send(
        self,
        leg: Leg,
        request: SipRequest,
        to: Leg,
        body: bytes | None = None,
        describe: Callable[[SipResponse], bytes] | None = None,
    ) -> None:
        """Send a request of one party to the other; its answer goes back in `answered`.

        Args:
            leg: whose request it is.
            request: what it asked.
            to: who is to answer.
            body: what is sent instead of the request's.
            describe: makes the body of a 2xx that goes back.
        """
        headers = relayed_headers(request)
        sent, kind = (
            (request.body, request.content_type) if body is None else (body, SDP if body else "")
        )
        try:
            if request.method in ("INVITE", "UPDATE"):
                # Not every phone knows UPDATE; a re-INVITE says the same.
                ours = to.call.reinvite(sent, headers, kind, now=self._now())
            else:
                ours = to.call.request(request.method, headers, sent, kind, now=self._now())
        except LocalProtocolError as exc:
            log.info("%s not passed on: %s", request.method, exc, extra={"leg": leg.name})
            leg.pass_on(request, PENDING)
            return
        self._asked[ours] = _Asked(leg, request, to, describe)

    def answered(self, event: ProvisionalReceived | ResponseReceived | RequestTimedOut) -> bool:
        """A reply came.

        Returns:
            False if the request was not one of these.
        """
        asked = self._asked.get(event.request)
        if asked is None:
            return False
        response = event.response
        if response.code >= 200:
            del self._asked[event.request]
            body, kind = response.body, response.content_type
            if asked.describe is not None:
                body = asked.describe(response) if response.code < 300 else b""
                kind = SDP
            code, reason = passed_on_code(response)
            if asked.leg.owes_reply(asked.request):
                headers = response_headers(response)
                asked.leg.pass_on(asked.request, code, reason, headers, body, kind)
        return True

    def cancelled(self, leg: Leg, cancel: SipRequest) -> Leg | None:
        """A party gave up its INVITE; gives the leg where that was sent on, None if it was not."""
        for asked in self._asked.values():
            if asked.leg is leg and asked.request.cseq == cancel.cseq:
                return asked.to
        return None

    def leg_over(self, leg: Leg) -> None:
        """A party is gone: what it was asked gets no answer of its own."""
        for ours, asked in list(self._asked.items()):
            if leg in (asked.to, asked.leg):
                del self._asked[ours]
                if asked.leg.owes_reply(asked.request):
                    asked.leg.pass_on(asked.request, NO_ANSWER)


def passed_on_code(response: SipResponse) -> tuple[int, str]:
    """Code and reason for the other party.

    A challenge is between us and who made it: the other party could not meet it.
    """
    if response.code in CHALLENGES:
        return FORBIDDEN, ""
    return response.code, response.reason
