"""Callee: the phone as the called side: it rings, and answers or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError, LocalProtocolError, SdpError
from ivrbench.observe.phones import ANSWERS
from ivrbench.sdp.session import OfferAnswerState
from ivrbench.sip.events import EndCause
from ivrbench.sip.status import reason_phrase

from .call import PhoneCall
from .facts import Answered, Ended, Figures, Rang, Ready

if TYPE_CHECKING:
    from ivrbench.sip.events import AckReceived, InviteReceived
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.tokens import Tokens

    from .rtp_stream import RtpStream
    from .settings import CallSettings

__all__ = ["Callee", "read_answers", "read_code"]

DECLINE: Final = 603
"""What hanging up means while it rings."""


def read_code(text: str) -> int:
    """The code to refuse a call with.

    Raises:
        ConfigError: it is none.
    """
    if text.isascii() and text.isdigit() and 400 <= int(text) <= 699:
        return int(text)
    raise ConfigError(f"a call is refused with a code from 400 to 699, not with {text!r}")


def read_answers(text: str) -> str:
    """Check what the phone is to do when it is called: one of `ANSWERS`, or a code.

    Raises:
        ConfigError: it is neither.
    """
    if text not in ANSWERS:
        try:
            read_code(text)
        except ConfigError:
            raise ConfigError(
                f"a phone can {', '.join(ANSWERS)} or refuse with a code from 400 to 699, "
                f"not {text!r}"
            ) from None
    return text


class Callee(PhoneCall):
    """One call that comes in. Call `wait` once in place of `dial`; a second call gets 486.

    Args:
        settings: `uri`, `flow` and `from_` are not used.
        stream: the audio.
        answers: what happens when it is called: one of `ANSWERS`, or a code.
        tokens: where tags come from; None: the system's randomness.
    """

    def __init__(
        self,
        settings: CallSettings,
        stream: RtpStream,
        answers: str,
        *,
        tokens: Tokens | None = None,
    ) -> None:
        super().__init__(settings, stream, tokens=tokens)
        self._answers = answers
        self.was_called = False  # or is not to be called any more

    def wait(self, address: str) -> None:
        """From now on we can be called.

        Args:
            address: where, for people and for whoever sends the calls.
        """
        self._facts.append(Ready(address))

    @property
    def peer_uri(self) -> str:
        """The caller's address, "" while nobody calls."""
        return self._call.dialog.remote_target if self._call is not None else ""

    def answer(self, now: float) -> None:
        """Accept the call that rings.

        Raises:
            LocalProtocolError: none does.
        """
        call = self._ringing("answer")
        request = call.invite_request
        try:
            if request.body:
                agreement = self._offer_answer.receive_offer(request.body)
                body = agreement.local_sdp
            else:
                # RFC 3261 §13.3.1.4: without an offer in the INVITE, it is ours.
                body = self._offer_answer.make_offer()
        except SdpError as exc:
            self._trouble = f"the caller's session description cannot be used: {exc}"
            self.refuse(exc.status_hint, now)
            return
        call.accept(body=body, content_type="application/sdp", now=now)
        self._final = (200, "OK")
        self._answered_s = now
        if request.body:
            self._agree(agreement, now)
            self._facts.append(Answered(200, "OK", now - self._dialled_s, agreement))
        self._take_events(now)

    def refuse(self, code: int, now: float) -> None:
        """Refuse the call that rings.

        Raises:
            LocalProtocolError: none does.
        """
        call = self._ringing("refuse")
        self._final = (code, reason_phrase(code))
        call.reject(code, now=now)
        self._take_events(now)

    def hang_up(self, now: float) -> None:
        """End the call; one that rings is declined. While nobody calls: wait no more."""
        if self._answered_s is not None:
            super().hang_up(now)
        elif self._call is not None:
            self.refuse(DECLINE, now)
        elif not self.was_called:
            self.was_called = True
            self._facts.append(Ended(EndCause.DROPPED, 0, "", False, 0.0, Figures()))

    def _ringing(self, what: str) -> InviteCall:
        if self._call is None or self._answered_s is not None:
            raise LocalProtocolError(f"no call rings here that could be {what}ed")
        return self._call

    def _on_invite(self, event: InviteReceived, now: float) -> None:
        if self.was_called:
            super()._on_invite(event, now)
            return
        self.was_called = True
        self._call, self._dialled_s = event.call, now
        request = event.request
        self._facts.append(Rang(request.call_id, request.from_.uri, request.to.uri))
        if self._answers == "answer":
            self.answer(now)
        elif self._answers in ANSWERS:
            event.call.provisional(180, now=now)
        else:
            self.refuse(read_code(self._answers), now)

    def _on_ack(self, event: AckReceived, now: float) -> None:
        if self._offer_answer.state is not OfferAnswerState.OFFER_SENT or self._stream.sending:
            super()._on_ack(event, now)
            return
        self._take_answer(event.request.body, now)
        agreement = self._offer_answer.agreement
        if agreement is not None:
            self._facts.append(Answered(200, "OK", now - self._dialled_s, agreement))
