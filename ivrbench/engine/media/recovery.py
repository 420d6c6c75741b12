"""Recovery: when a media worker dies, its calls move to the next one, on new ports."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, MediaError, SdpError
from ivrbench.observe.events import MediaRestored
from ivrbench.sdp.session import OfferAnswerState
from ivrbench.sip.events import ProvisionalReceived

if TYPE_CHECKING:
    import asyncio

    from ivrbench.sip.events import RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest

    from ..leg import Leg
    from ..session import Session
    from ..switchboard import Switchboard
    from .call import MediaCall
    from .link import MediaLink, Worker

__all__ = ["Recovery"]

log = logging.getLogger("ivrbench.rtp")

PATIENCE_S: Final = 10.0
"""A worker that is not back by then does not come back for the calls that wait for it."""
AGAIN_S: Final = 0.2
"""Between tries to move a call whose signalling is busy, or not that far yet."""
MAX_LOSSES: Final = 3
"""A call that lost its worker more often may be what kills them."""
BATCH: Final = 20
BATCH_S: Final = 0.01
"""So many calls move at once, and then the loop gets air."""


class Recovery:
    """The calls without worker. A call that is up gets new ports, and its peer a re-INVITE.

    What played goes on where it was; a recording that had begun ends there. A call whose peer
    refuses the new ports ends.

    Args:
        board: the engine.
        link: the workers.
    """

    def __init__(self, board: Switchboard, link: MediaLink) -> None:
        self._board = board
        self._link = link
        self._offers: dict[SipRequest, MediaCall] = {}
        self._starting: dict[Worker, list[tuple[Session, Leg]]] = {}
        """Calls that were answered while their worker was away."""
        self._patience: dict[Worker, asyncio.TimerHandle] = {}

    def lost(self, worker: Worker, how: str) -> None:
        """A worker died; the next one is being started."""
        reason = f"the media worker ended ({how})"
        for call in list(worker.calls.values()):
            if call.losses >= MAX_LOSSES or call.session.leg.down:
                call.lost(reason)
            else:
                call.suspend(reason)
                call.session.warn(_warning(reason))
        self._patience[worker] = self._board.loop.call_later(PATIENCE_S, self._give_up, worker)

    def start_later(self, session: Session, leg: Leg) -> None:
        """A call's audio is to begin, but its worker is away; its ports are not bound to it yet."""
        assert leg.seat is not None, "a call whose audio begins has ports"
        self._starting.setdefault(leg.seat.worker, []).append((session, leg))

    def back(self, worker: Worker) -> None:
        """The worker's successor is up."""
        patience = self._patience.pop(worker, None)
        if patience is not None:
            patience.cancel()
        for session, leg in self._starting.pop(worker, []):
            if not session.over:
                session.start_media(leg)
        self._move([call for call in worker.calls.values() if call.is_suspended])

    def answered(
        self, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
    ) -> bool:
        """The reply to a re-INVITE came.

        Returns:
            True if it was one of ours.
        """
        if isinstance(event, ProvisionalReceived):
            return event.request in self._offers
        call = self._offers.pop(event.request, None)
        if call is None:
            return False
        response, sdp = event.response, leg.sdp
        assert sdp is not None, "the offer was made"
        if not 200 <= response.code < 300:
            sdp.withdraw_offer()
            call.lost(
                f"{call.why_suspended}, and the peer refused new ports "
                f"({response.code} {response.reason})"
            )
            return True
        try:
            sdp.receive_answer(response.description)
        except SdpError as exc:
            call.lost(f"{call.why_suspended}, and the peer's answer was: {exc}")
        else:
            self._resume(call, leg)
        return True

    # --- one call -----------------------------------------------------------------------------

    def _move(self, calls: list[MediaCall]) -> None:
        for call in calls[:BATCH]:
            self._offer(call)
        if len(calls) > BATCH:
            self._board.loop.call_later(BATCH_S, self._move, calls[BATCH:])
        self._board.settle()

    def _offer(self, call: MediaCall) -> None:
        """Reserve new ports and tell the peer, as soon as the state of its dialog allows."""
        session, leg = call.session, call.session.leg
        if not call.is_suspended or session.over or leg.down or call.worker.gone:
            return
        sdp = leg.sdp
        assert sdp is not None, "the call had audio"
        if leg.call.invite_pending or leg.answered_s == 0.0 or _is_negotiating(leg):
            self._board.loop.call_later(AGAIN_S, self._move, [call])
            return
        try:
            if leg.seat is None:
                leg.seat = self._link.reserve(leg.call.dialog.flow.local[0], call.worker)
            # The key of SDES stays: phones (baresip 1.0) go on with the one they have, and the
            # new stream's SSRC makes another key stream of it (RFC 3711 §9.1).
            sdp.local = replace(sdp.local, rtp_port=leg.seat.port)
            request = leg.call.reinvite(sdp.make_offer(), now=self._board.now())
        except (LocalProtocolError, MediaError) as exc:
            call.lost(f"{call.why_suspended}; {exc}")
            return
        self._offers[request] = call

    def _resume(self, call: MediaCall, leg: Leg) -> None:
        session = call.session
        seat, leg.seat = leg.seat, None
        if seat is None or session.over or not call.is_suspended:
            return
        if seat.worker.gone:  # it died again meanwhile
            leg.seat = seat
            return
        agreed, agreement = leg.agreed_event(), leg.agreement
        assert agreed is not None, "offer and answer are complete"
        assert agreement is not None, "offer and answer are complete"
        why, away_ms = call.why_suspended, round((self._board.now() - call.suspended_s) * 1000)
        session.take_back(_warning(why))
        self._board.publish(agreed)
        call.resume(seat, agreement)
        self._board.publish(MediaRestored(leg.name, agreed.local, away_ms, why))
        log.info("%s; it is back after %d ms", why, away_ms, extra={"leg": leg.name})

    def _give_up(self, worker: Worker) -> None:
        self._patience.pop(worker, None)
        for call in list(worker.calls.values()):
            call.lost(call.why_suspended)
        for session, _ in self._starting.pop(worker, []):
            session.stop("error", "the media worker ended")
        self._board.settle()


def _warning(reason: str) -> str:
    return f"{reason}: the audio comes back on new ports"


def _is_negotiating(leg: Leg) -> bool:
    """An offer either way has no answer yet."""
    sdp = leg.sdp
    unanswered = sdp is not None and sdp.state is not OfferAnswerState.STABLE
    return unanswered or leg.awaits_answer or leg.call.offer_sent or leg.call.offer_received
