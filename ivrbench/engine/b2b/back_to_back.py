"""BackToBack: a session's second party, and what goes between the two (ivr-api §2.6)."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.observe.events import LegsJoined
from ivrbench.rtp.info import parse_info
from ivrbench.sip.compose import MAX_FORWARDS

from ..dialling import Target
from ..part import Part
from ..views import RequestFacts
from .anchored import AnchoredAudio
from .callee import Callee
from .direct import DirectAudio, Party
from .headers import call_headers, relayed_headers, response_headers
from .relay import RELAYED, Relay

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import Parties
    from ivrbench.sip.events import ProvisionalReceived, RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest, SipResponse

    from ..leg import Headers, Leg
    from ..session import Session
    from ..views import EmptyRequest

__all__ = ["BackToBack"]

log = logging.getLogger("ivrbench.call")

LETTERS: Final = "bcdefghijklmnopqrstuvwxyz"


class BackToBack(Part):
    """The second party of a session; there is at most one at a time.

    Args:
        session: whose.

    Attributes:
        callee: the second party, from `connect` until it is lost or dropped.
        relaying: requests of one party go to the other.
        relay: those on their way.
        near: what the caller and we told each other of their audio, where it goes past us.
        bye_headers: of the BYE that goes to the caller.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.callee: Callee | None = None
        self.relaying = False
        self.relay = Relay(session.board.now)
        self.near: Party | None = None
        self.bye_headers: Headers = ()
        self.audio_elsewhere = False
        """The caller's audio goes past us."""
        self._joined_with = ""
        self._attempts = 0
        self._callees: dict[Leg, Callee] = {}
        """Whose SIP calls are not over: the second party, and those before that are ending."""

    # --- what scripts ask for -----------------------------------------------------------------

    def connect(self, parties: Parties | None) -> None:
        """Call a second party; None: whom the caller called."""
        session = self.session
        if session.leg.down or session.stopping:
            return
        target = self._target(parties)
        if target is None:
            log.error("connectCallee(None): nobody was called", extra={"leg": session.leg.name})
            return
        self.let_go("script", "another callee took its place")
        callee = self.callee = Callee(self, self._next_name(), target)
        if self._is_anchored():
            callee.audio = AnchoredAudio(callee)
        else:
            callee.audio = DirectAudio(callee)
        self._callees[callee.leg] = callee
        callee.leg.target = callee.audio.prepare(target)
        callee.call()

    def connect_caller_to_callee(self) -> None:
        """`B2BMode`, or `setRelayonly()` before the answer: the INVITE goes on to its target."""
        self.relaying = True
        if self.callee is None:
            self.connect(None)

    def let_go(self, by: str, reason: str, headers: Headers = ()) -> None:
        """Hang up the second party, if there is one.

        Args:
            by: who wants it.
            reason: in words.
            headers: of the BYE.
        """
        callee = self.callee
        if callee is not None:
            self._forget(callee)
            callee.drop(by, reason, headers)

    def connect_audio(self, *, on: bool) -> None:
        """The caller hears the playlist (`on`), or the second party again."""
        callee = self.callee
        if callee is None or not callee.is_up:
            if on and self.audio_elsewhere and self.near is not None:
                self.near.take_audio_back()
            self.session.port.switch("attached", on)
        elif on:
            callee.audio.part()
        else:
            callee.audio.join()

    def media_opened(self) -> None:
        """The caller has audio here."""
        if self.callee is not None:
            self.callee.audio.join_media()

    def tell_joined(self, callee: Callee | None, *, past_us: bool = False) -> None:
        """Let those who watch know who hears whom; None: the caller hears us."""
        other = callee.leg.name if callee is not None else ""
        if other != self._joined_with:
            self._joined_with = other
            self.session.board.publish(LegsJoined(self.session.leg.name, other, past_us))

    def audio_went_away(self) -> None:
        """The caller's audio goes to the callee, past us: the playlist stands still."""
        self.audio_elsewhere = True
        self.session.silence.stop()
        self.session.port.apply_switches()

    def has(self, name: str) -> bool:
        """The second party's leg has this name."""
        return self.callee is not None and self.callee.leg.name == name

    def callee_of(self, leg: Leg) -> Callee | None:
        """Whose leg it is, None once that is over."""
        return self._callees.get(leg)

    # --- the caller's side --------------------------------------------------------------------

    @property
    def waiting_invite(self) -> SipRequest | None:
        """The caller's first INVITE while it has no answer."""
        leg = self.session.leg
        if leg.target is not None or leg.placed is None:
            return None
        invite = leg.call.invite_request
        return invite if leg.owes_reply(invite) else None

    def takes_invite(self) -> bool:
        """Whether the caller's first INVITE goes on to a second party instead of being answered."""
        dialog = self.session.mailbox.dialog
        return self.relaying or inspect.getattr_static(dialog, "B2BMode", False) is True

    def takes(self, leg: Leg, request: SipRequest) -> bool:
        """Send a request of one party to the other, if that is what is to become of it."""
        other = self._other(leg)
        callee = self.callee
        if not self.relaying or other is None or callee is None or not callee.is_up:
            return False
        if request.method == "INVITE" or (request.method == "UPDATE" and request.description):
            # An UPDATE without description refreshes the session, which each party has with us.
            return callee.audio.relays(leg, request, other)
        if request.method not in RELAYED:
            return False
        if request.method == "INFO" and callee.audio.presses(leg) and _is_key(request):
            return False  # it is pressed towards the other party, whatever that thinks of INFO
        self.relay.send(leg, request, other)
        return True

    def replied(
        self, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
    ) -> bool:
        """A reply came; True if it was to a request that the script did not make."""
        if self.relay.answered(event):
            return True
        near, callee = self.near, self.callee
        if near is not None and near.leg is leg and near.replied(event):
            return True
        return callee is not None and callee.audio.replied(leg, event)

    def acked(self, leg: Leg, request: SipRequest) -> None:
        """An ACK came: it may bring an answer that the other party waits for."""
        if self.callee is not None:
            self.callee.audio.acked(leg, request)

    def cancelled(self, leg: Leg, cancel: SipRequest) -> None:
        """An INVITE of one party was given up before the other one answered it."""
        to = self.relay.cancelled(leg, cancel)
        if to is not None:
            to.call.cancel(now=self.session.board.now())

    def hung_up(self, leg: Leg, request: SipRequest) -> None:
        """The BYE of one party goes to the other."""
        callee = self.callee
        if leg is not self.session.leg:
            self.bye_headers = relayed_headers(request)
            if callee is not None and callee.leg is leg:
                callee.hung_up()
        elif self.relaying:
            self.let_go("caller", "the caller hung up", relayed_headers(request))

    def refuse(self, code: int, reason: str, text: str, reply: SipResponse | None) -> None:
        """The callee was not reached, and the script leaves it at that."""
        session, leg = self.session, self.session.leg
        session.stop("callee", text)
        invite = self.waiting_invite
        if invite is not None:
            headers = response_headers(reply) if reply is not None else ()
            leg.pass_on(invite, code, reason, headers)

    def pressed(self, leg: Leg, key: int, duration_ms: int) -> None:
        """A party pressed a key by RFC 4733."""
        if self.callee is not None:
            self.callee.audio.pressed(leg, key, duration_ms)

    # --- ends ---------------------------------------------------------------------------------

    def lost(self, callee: Callee) -> None:
        """The second party is no more; what the caller asks is answered here again."""
        if self.callee is callee:
            self._forget(callee)

    def _forget(self, callee: Callee) -> None:
        self.callee = None
        self.relaying = False
        self.relay.leg_over(callee.leg)

    def over(self, callee: Callee) -> None:
        """A second party gave everything back."""
        del self._callees[callee.leg]

    def close(self) -> None:
        """The session is over, and waits for nobody: the core ends what is still to be ended."""
        self.let_go(self.session.ended_by, self.session.reason)
        for callee in list(self._callees.values()):
            callee.abandon()
        self.near = None

    # --- whom, and how ------------------------------------------------------------------------

    def _other(self, leg: Leg) -> Leg | None:
        if leg is not self.session.leg:
            return self.session.leg
        return self.callee.leg if self.callee is not None else None

    def _next_name(self) -> str:
        number, letter = divmod(self._attempts, len(LETTERS))
        self._attempts += 1
        return f"{self.session.leg.name}{LETTERS[letter]}{number or ''}"

    def _target(self, parties: Parties | None) -> Target | None:
        session, tokens = self.session, self.session.board.tokens
        leg, invite = session.leg, session.leg.invite_req
        headers: Headers = ()
        if isinstance(invite, RequestFacts):
            headers = call_headers(invite)
        if parties is None and not isinstance(invite, RequestFacts):
            return None
        if parties is None:
            request = leg.call.invite_request
            uri, to, from_ = request.uri, request.to.address, ""
        else:
            uri, to, from_ = parties
        return Target(
            uri=uri,
            from_=from_ or leg.dialog.remote_party,
            to=to,
            local_tag=tokens.tag(),
            call_id=tokens.call_id(),
            headers=headers,
            max_forwards=_hops_left(invite),
        )

    def _is_anchored(self) -> bool:
        wanted = self.session.board.settings.b2b_media
        if self.session.leg.sdp is None:
            return True  # a call of ours that is not out yet: nothing to be told to the callee
        if wanted != "auto":
            return wanted == "anchored"
        return self._needs_audio()

    def _needs_audio(self) -> bool:
        """`auto`: direct only where the script has given its audio away, and nothing is to be
        heard, translated or led through a router here."""
        session = self.session
        leg, dialog = session.leg, session.mailbox.dialog
        switches = session.port.switches
        given_away = not switches.attached or switches.muted or self.takes_invite()
        return (
            not given_away
            or leg.placed is None
            or leg.call.dialog.flow.transport in ("ws", "wss")
            or inspect.getattr_static(dialog, "onOtherDtmf", None) is not None
            or session.board.settings.nat != "no"
        )


def _hops_left(invite: RequestFacts | EmptyRequest) -> int:
    """RFC 7332 §5: what goes on for a call takes one hop less than it, so that loops end."""
    hops = ""
    if isinstance(invite, RequestFacts):
        hops = invite.request.header("max-forwards")
    return min(int(hops), MAX_FORWARDS) - 1 if hops.isdigit() and int(hops) else MAX_FORWARDS


def _is_key(request: SipRequest) -> bool:
    try:
        parse_info(request.header("content-type"), request.body)
    except RemoteProtocolError:
        return False
    return True
