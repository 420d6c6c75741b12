"""AnchoredAudio: the audio of both parties runs through our media worker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, MediaError, SdpError

from .callee_audio import CalleeAudio
from .headers import response_headers

if TYPE_CHECKING:
    from ivrbench.sip.events import ProvisionalReceived, RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest, SipResponse

    from ..dialling import Target
    from ..leg import Leg
    from ..media.call import MediaCall
    from .callee import Callee

__all__ = ["AnchoredAudio"]

log = logging.getLogger("ivrbench.call")

RINGING: Final = 180
SESSION_PROGRESS: Final = 183
SHORTEST_KEY_MS: Final = 40  # ITU-T Q.24: shorter ones may not be heard


class AnchoredAudio:
    """Each party has its own offer and answer with us; the worker lets them hear each other.

    Args:
        callee: the second party.
    """

    def __init__(self, callee: Callee) -> None:
        self._callee = callee
        self._b2b = callee.b2b
        self._session = callee.session
        self._ours = CalleeAudio(callee)
        self._joined = True
        """Both are to hear each other, as soon as both have audio."""

    def prepare(self, target: Target) -> Target:
        """What the INVITE is to be: an offer of ours, from the worker that has the caller."""
        session, audio = self._session, self._callee.leg.audio
        media, seat = session.media, session.leg.seat
        audio.beside = media.worker if media is not None else seat.worker if seat else None
        agreement = session.leg.agreement
        # What the caller speaks already needs no translation.
        audio.favourite = agreement.codec if agreement is not None else None
        return target

    def progressed(self, reply: SipResponse, *, agreed: bool) -> None:
        """A 1xx of the callee; with `agreed` it speaks before its answer."""
        if agreed:
            self._ours.changed()
        invite = self._b2b.waiting_invite
        if invite is not None and reply.code >= RINGING:
            # Early audio of ours reaches the caller with a 183 alone.
            code = SESSION_PROGRESS if agreed else reply.code
            reason = reply.reason if code == reply.code else ""
            if code != SESSION_PROGRESS or agreed:
                self._session.leg.reply(invite, code, reason, response_headers(reply))
        self.join_media()

    def answered(self, reply: SipResponse) -> None:
        """The 2xx of the callee: the caller is answered too, if it was not yet.

        Raises:
            SdpError: no audio can be agreed on with the caller.
        """
        self._ours.changed()
        session, invite = self._session, self._b2b.waiting_invite
        # Scripts written for audio past the server detach theirs before they connect.
        session.port.lift_switches()
        if invite is not None:
            session.leg.reply(invite, 200, "", response_headers(reply))
        if not session.leg.awaits_answer:
            session.start_media(session.leg)
        self.join_media()

    def join_media(self) -> None:
        """Let them hear each other, if both have audio and are to."""
        near, far = self._session.media, self._ours.media
        if not self._joined or near is None or far is None:
            return
        if near.bridge is None or far not in near.bridge.calls:
            try:
                near.connect(far)
            except MediaError as exc:
                self._session.warn(f"the parties do not hear each other: {exc}")
            else:
                self._b2b.tell_joined(self._callee)

    def join(self) -> None:
        """`disconnectAudio()`."""
        self._joined = True
        self.join_media()

    def part(self) -> None:
        """`connectAudio()`: the caller hears its playlist alone, the callee silence."""
        self.apart()

    def apart(self) -> None:
        """They hear each other no more."""
        self._joined = False
        near = self._session.media
        if near is not None and self._ours.media is not None:
            near.connect(None)
        self._b2b.tell_joined(None)

    def over(self) -> bool:
        """The callee's call is over; True if its counts come later."""
        return self._ours.close()

    def relays(self, leg: Leg, request: SipRequest, other: Leg) -> bool:
        """Whether an INVITE or UPDATE of one party goes to the other: each is answered here."""
        return False

    def replied(
        self, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
    ) -> bool:
        """A reply came; none is ours."""
        return False

    def acked(self, leg: Leg, request: SipRequest) -> None:
        """An ACK came; the answer in it is between that party and us."""
        if leg is self._callee.leg and request.description:
            self._ours.changed()
        self.join_media()

    def asked(self, request: SipRequest) -> None:
        """A re-INVITE or UPDATE of the callee is answered here: hold, another address or codec."""
        leg = self._callee.leg
        try:
            leg.reply(request, 200)
        except SdpError as exc:
            leg.reply(request, exc.status_hint)
        except LocalProtocolError as exc:
            log.error("%s not answered: %s", request.method, exc, extra={"leg": leg.name})
            return
        self._ours.changed()

    def presses(self, leg: Leg) -> bool:
        """Keys of this party can be pressed towards the other one, by RFC 4733."""
        return self._joined and self._ears_of(leg) is not None

    def pressed(self, leg: Leg, key: int, duration_ms: int) -> None:
        """A party pressed a key, and audio alone would not carry it to the other one."""
        ears = self._ears_of(leg)
        if self._joined and ears is not None:
            ears.send_keys((key,), max(duration_ms, SHORTEST_KEY_MS))

    def _ears_of(self, leg: Leg) -> MediaCall | None:
        """Where the other party hears keys, None if it cannot."""
        near = self._session.leg
        media = self._ours.media if leg is near else self._session.media
        agreement = (self._callee.leg if leg is near else near).agreement
        return media if agreement is not None and agreement.dtmf_pt is not None else None
