"""Callee: the phone as the called side: it rings, and answers or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError, LocalProtocolError, SdpError
from ivrbench.observe.phones import ANSWERS
from ivrbench.sip.events import AckReceived, EndCause, InviteReceived
from ivrbench.sip.status import reason_phrase

from .call import PhoneCall
from .facts import Answered, Ended, Figures, Noted, Rang, Ready
from .registering import Registering

if TYPE_CHECKING:
    from ivrbench.sip.auth import Credentials
    from ivrbench.sip.events import Event
    from ivrbench.sip.flow import Flow
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.tokens import Tokens

    from .rtp_stream import RtpStream
    from .settings import CallSettings

__all__ = ["Callee", "read_answers", "read_code"]

LEAVES_WITHIN_S: Final = 2.0
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
        self._offered = False
        """Our offer is in the 200, its answer will be in the ACK."""
        self._registering: Registering | None = None
        self._leaves_s: float | None = None
        """Until then the registrar may confirm that we are gone."""

    def wait(self, address: str) -> None:
        """From now on we can be called.

        Args:
            address: where, for people and for whoever sends the calls.
        """
        self._facts.append(Ready(address))

    def register(self, uri: str, flow: Flow, credentials: Credentials, now: float) -> None:
        """Be called by an address of our own, too.

        Args:
            uri: the address; its registrar is its host.
            flow: the way there.
            credentials: name and password.
            now: the time.

        Raises:
            RemoteProtocolError: the address cannot be read.
        """
        self._registering = Registering(self._endpoint, uri, flow, credentials, now=now)
        self._registering.on_deadline(now)

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, None if nothing is due ever."""
        asks_s = self._registering.deadline() if self._registering is not None else None
        times = (super().deadline(), asks_s, self._leaves_s)
        return min((time for time in times if time is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due: that of a call, and to stay registered."""
        if self._registering is not None:
            self._registering.on_deadline(now)
        if self._leaves_s is not None and self._leaves_s <= now:
            self._wait_no_more()
        super().on_deadline(now)

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
                self._offered = True
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
            if self._registering is not None:
                self._registering.leave(now)
            if self._registering is None or self._registering.is_over:
                self._wait_no_more()
            else:
                self._leaves_s = now + LEAVES_WITHIN_S

    def _wait_no_more(self) -> None:
        self._leaves_s = None
        self._facts.append(Ended(EndCause.DROPPED, 0, "", False, 0.0, Figures()))

    def _ringing(self, what: str) -> InviteCall:
        if self._call is None or self._answered_s is not None:
            raise LocalProtocolError(f"no call rings here that could be {what}ed")
        return self._call

    def _take(self, event: Event, now: float) -> None:
        registering = self._registering
        text = registering.take(event, now) if registering is not None else None
        if isinstance(event, InviteReceived) and not self.was_called:
            self._on_call(event, now)
        elif isinstance(event, AckReceived) and self._offered:
            self._on_first_ack(event, now)
        elif text is None or registering is None:
            super()._take(event, now)
        elif text:
            self._facts.append(Noted(text))
        elif registering.is_over and self._leaves_s is not None:
            self._wait_no_more()

    def _on_call(self, event: InviteReceived, now: float) -> None:
        self.was_called = True
        if self._registering is not None:
            self._registering.leave(now)  # busy: the next call is for another phone
        self._call, self._dialled_s = event.call, now
        request = event.request
        self._facts.append(Rang(request.call_id, request.from_.uri, request.to.uri))
        if self._answers == "answer":
            self.answer(now)
        elif self._answers in ANSWERS:
            event.call.provisional(180, now=now)
        else:
            self.refuse(read_code(self._answers), now)

    def _on_first_ack(self, event: AckReceived, now: float) -> None:
        """The answer to our offer, as the INVITE had none."""
        self._offered = False
        self._take_answer(event.request.body, now)
        agreement = self._offer_answer.agreement
        if agreement is not None:
            self._facts.append(Answered(200, "OK", now - self._dialled_s, agreement))
