"""Callee: the second party of a session, from its INVITE to its BYE (ivr-api §2.6)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.observe.events import LegEnded
from ivrbench.sip.events import EndCause

from ..dialling import place
from ..leg import Leg
from ..media.key_input import KeyInput
from .relay import passed_on_code

if TYPE_CHECKING:
    from ivrbench.sip.events import CallEnded
    from ivrbench.sip.message import SipResponse

    from ..dialling import Target
    from ..leg import Headers
    from ..outcome import Outcome
    from .anchored import AnchoredAudio
    from .back_to_back import BackToBack
    from .direct import DirectAudio

__all__ = ["Callee"]

log = logging.getLogger("ivrbench.call")

REFUSED: Final = 300
GIVEN_UP: Final = 487


class Callee:
    """One second party; `DialOwner` of its leg.

    Args:
        b2b: the session's.
        name: of the leg: "c12b".
        target: whom to call.

    Attributes:
        leg: its leg.
        audio: how the audio of both parties comes together; set before `call`.
        is_up: it answered, and nobody has hung up since.
        is_dropped: the script, or the end of the session, wants no more of it.
    """

    audio: AnchoredAudio | DirectAudio

    def __init__(self, b2b: BackToBack, name: str, target: Target) -> None:
        self.b2b = b2b
        self.session = b2b.session
        self.board = b2b.session.board
        self.leg = Leg(b2b.session, name, target=target)
        self.keys = KeyInput(self)
        self.is_up = False
        self.is_dropped = False
        self.began_s = self.board.clock.wall()
        self.end: LegEnded | None = None
        """How it ended, once it has given everything back."""
        self._ended_by = ""
        self._reason = ""

    def __repr__(self) -> str:
        return f"<Callee {self.leg!r}>"

    def call(self) -> None:
        """Send the INVITE, when the way is found."""
        place(self.session.board, self.leg, self)

    @property
    def is_over(self) -> bool:
        """It has given everything back."""
        return self.end is not None

    # --- how the INVITE goes ------------------------------------------------------------------

    def leg_ringing(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """A 1xx: the caller hears of it if its own INVITE waits."""
        if self.is_dropped:
            return
        try:
            self.audio.progressed(reply, agreed=agreed)
        except (LocalProtocolError, SdpError) as exc:
            log.warning("%d not passed on: %s", reply.code, exc, extra={"leg": leg.name})
        self.session.tell("onOtherReply", reply.code, reply.reason)

    def leg_answered(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """The 2xx: both are joined, the caller is answered if it was not yet."""
        if self.is_dropped:
            leg.bye()
            return
        self.is_up = True
        self.b2b.relaying = True
        try:
            self.audio.answered(reply)
        except SdpError as exc:
            self.session.leg.refuse(exc.status_hint)
            self.fail(f"the callee answered, but: {exc}")
            return
        self.session.tell("onOtherReply", reply.code, reply.reason)

    def leg_failed(self, leg: Leg, code: int, reason: str, reply: SipResponse | None) -> None:
        """No answer: the caller is hung up, unless the script keeps it."""
        self._ended(self._ended_by or "callee", code, self._reason or reason)
        if self.is_dropped:
            return
        self.b2b.lost(self)
        back = passed_on_code(reply) if reply is not None else (code, "")

        def decide(outcome: Outcome) -> None:
            if outcome.default_runs and code >= REFUSED and self.b2b.callee is None:
                self.b2b.refuse(*back, f"the callee was not reached: {code} {reason}", reply)

        self.session.tell("onOtherReply", code, reason, done=decide)

    # --- keys ---------------------------------------------------------------------------------

    @property
    def hears_keys(self) -> bool:
        """The script wants them."""
        return self.session.hears_keys

    def tell_key(self, key: int, duration_ms: int, because: str) -> None:
        """The callee pressed a key."""
        self.session.tell("onOtherDtmf", key, duration_ms)

    def key_released(self, key: int, duration_ms: int) -> None:
        """A key of RFC 4733 or INFO is up again: the caller is to hear it too."""
        self.b2b.pressed(self.leg, key, duration_ms)

    # --- the end ------------------------------------------------------------------------------

    def drop(self, by: str, reason: str, headers: Headers = ()) -> None:
        """Hang up, or give up calling; nothing more of it comes to the script."""
        self.is_dropped = True
        self._ended_by, self._reason = self._ended_by or by, self._reason or reason
        self.audio.apart()
        if not self.is_over:
            self.leg.bye(headers)

    def fail(self, reason: str) -> None:
        """It is of no use any more: as if it had hung up."""
        if self.is_dropped or self.is_over:
            return
        log.warning("%s", reason, extra={"leg": self.leg.name})
        self._ended_by, self._reason = "engine", reason
        was_calling = self.leg.dialling is not None
        self.leg.bye()
        if not was_calling:  # else `leg_failed` comes
            self.hung_up(reason)

    def hung_up(self, reason: str = "the callee hung up") -> None:
        """Its BYE came, or it is lost: the caller is hung up, unless the script keeps it."""
        if self.is_dropped:
            return
        self._ended_by, self._reason = self._ended_by or "callee", self._reason or reason
        self.audio.apart()
        self.b2b.lost(self)
        session = self.session

        def decide(outcome: Outcome) -> None:
            if outcome.default_runs:
                session.stop("callee", reason)

        session.tell("onOtherBye", done=decide)

    def over(self, event: CallEnded) -> None:
        """Its SIP call is over."""
        if self.is_over:
            return
        self.leg.over()
        if event.cause not in (EndCause.BYE_RECEIVED, EndCause.BYE_SENT):
            self._reason = self._reason or event.cause.value
        if self.leg.state != "ending":
            self.hung_up(event.cause.value)
        self._ended(self._ended_by or "callee", self.leg.final_code, self._reason)

    def _ended(self, by: str, code: int, reason: str) -> None:
        """Tell, once, and give everything back."""
        if self.is_over:
            return
        self.is_up = False
        leg, board = self.leg, self.board
        duration_s = board.now() - leg.answered_s if leg.answered_s else 0.0
        self.end = LegEnded(leg.name, by, code, reason, duration_s)
        self.keys.close()
        leg.let_go()
        board.publish(self.end)
        extra = {"leg": leg.name, "script": self.session.generation.script}
        log.info("ended by %s after %.1f s: %s", by, duration_s, reason, extra=extra)
        if not self.audio.over():
            board.write_callee_record(self, None)
        self.b2b.over(self)
        del self.audio  # it has us: neither is to wait for the garbage collector

    def abandon(self) -> None:
        """The session is over; the CANCEL or BYE is on its way, or goes out when it can."""
        self._ended(self._ended_by, self.leg.final_code or GIVEN_UP, self._reason)
