"""The offer/answer state of one call (RFC 3264, RFC 6337).

`OfferAnswer` remembers what was agreed, numbers our descriptions and knows whose turn it is.
A failed exchange leaves the last agreement as it was.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.sdp.description import Codec, Direction, SessionDescription, parse_sdp
from ivrbench.sdp.negotiate import (
    DEFAULT_CAPABILITIES,
    TELEPHONE_EVENT_PT,
    Agreement,
    LocalMedia,
    answer,
    apply_answer,
    offer,
)
from ivrbench.sdp.security import offer_again

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OfferAnswer", "OfferAnswerState"]

REQUEST_PENDING: Final = 491  # RFC 3261 §14.2: offers crossed


class OfferAnswerState(enum.Enum):
    """Whose turn it is."""

    STABLE = "stable"
    OFFER_SENT = "offer sent"


class _Event(enum.Enum):
    OFFER_MADE = "an offer was made"
    OFFER_RECEIVED = "an offer came"
    ANSWER_RECEIVED = "an answer came"
    OFFER_WITHDRAWN = "the offer was withdrawn"


_TRANSITIONS: Final[dict[OfferAnswerState, dict[_Event, OfferAnswerState]]] = {
    OfferAnswerState.STABLE: {
        _Event.OFFER_MADE: OfferAnswerState.OFFER_SENT,
        _Event.OFFER_RECEIVED: OfferAnswerState.STABLE,
        _Event.OFFER_WITHDRAWN: OfferAnswerState.STABLE,
    },
    OfferAnswerState.OFFER_SENT: {
        _Event.ANSWER_RECEIVED: OfferAnswerState.STABLE,
        _Event.OFFER_WITHDRAWN: OfferAnswerState.STABLE,
    },
}


class OfferAnswer:
    """Offers and answers for one call leg.

    Incoming call with an offer: `receive_offer`, send `agreement.local_sdp`. Without one (late
    offer): `make_offer` for the 2xx, `receive_answer` with the ACK's body. Outgoing call:
    `make_offer`, then `receive_answer`. Later re-INVITEs are the same again.
    """

    def __init__(
        self,
        local: LocalMedia,
        capabilities: Sequence[Codec] = DEFAULT_CAPABILITIES,
        direction: Direction = Direction.SENDRECV,
        *,
        our_order: bool = False,
    ) -> None:
        """Begin without an agreement.

        Args:
            local: our address, ports and session id; its version is the first one used.
            capabilities: what we can do, best first.
            direction: what we would like as long as nothing else is said.
            our_order: choose among offered codecs by our order, not by the peer's.
        """
        self.local = local
        self.capabilities = tuple(capabilities)
        self.direction = direction
        self.our_order = our_order
        self.state = OfferAnswerState.STABLE
        self.agreement: Agreement | None = None
        """What is agreed now; None until the first exchange is complete."""
        self.remote_sdp = b""
        """The peer's last description that was agreed on."""
        self._sent = b""  # our last description
        self._offered: SessionDescription | None = None

    def __repr__(self) -> str:
        return f"<OfferAnswer {self.state.value} version={self.local.session_version}>"

    def receive_offer(self, body: bytes, direction: Direction | None = None) -> Agreement:
        """Answer the peer's offer.

        Args:
            body: the offer.
            direction: what we would like from now on; None leaves it as it is.

        Returns:
            The agreement; send its `local_sdp`.

        Raises:
            SdpError: 400 unparsable, 488 unusable, 491 while our own offer is unanswered.
        """
        if self.state is OfferAnswerState.OFFER_SENT:
            raise SdpError("The peer's offer crossed ours.", status_hint=REQUEST_PENDING)
        offered = parse_sdp(body)
        wanted = direction or self.direction
        agreement = self._answer(offered, wanted)
        if self._is_changed(agreement.local_sdp):
            self._raise_version()
            agreement = self._answer(offered, wanted)
        self._move(_Event.OFFER_RECEIVED)
        self._agree(agreement, wanted, body)
        return agreement

    def make_offer(self, direction: Direction | None = None) -> bytes:
        """Make an offer; `receive_answer` or `withdraw_offer` has to follow.

        Args:
            direction: what we would like from now on; None leaves it as it is.

        Returns:
            The offer's body.

        Raises:
            LocalProtocolError: the last offer is still unanswered.
        """
        self._move(_Event.OFFER_MADE)
        self.direction = direction or self.direction
        offered = self._build_offer()
        if self._is_changed(offered.to_bytes()):
            self._raise_version()
            offered = self._build_offer()
        # RFC 3264 §5: even a refused offer used its version number up.
        self._offered, self._sent = offered, offered.to_bytes()
        return self._sent

    def receive_answer(self, body: bytes) -> Agreement:
        """Complete our offer with the peer's answer.

        Args:
            body: the answer.

        Returns:
            The agreement.

        Raises:
            SdpError: 400 unparsable or unfitting, 488 refused; the offer is then withdrawn.
            LocalProtocolError: there is no offer to answer.
        """
        offered = self._offered
        self._move(_Event.ANSWER_RECEIVED)
        assert offered is not None, "state OFFER_SENT without an offer"
        agreement = apply_answer(offered, parse_sdp(body), self.local)
        self._agree(agreement, self.direction, body)
        return agreement

    def withdraw_offer(self) -> None:
        """Forget an offer that was refused or never answered; the last agreement stands."""
        self._move(_Event.OFFER_WITHDRAWN)

    def _answer(self, offered: SessionDescription, wanted: Direction) -> Agreement:
        return answer(offered, self.local, self.capabilities, wanted, our_order=self.our_order)

    def _build_offer(self) -> SessionDescription:
        agreed = self.agreement
        if agreed is None:
            return offer(self.local, self.capabilities, self.direction)
        # RFC 3264 §8.3.2: a payload type keeps its meaning for the whole session.
        first = replace(agreed.codec, payload_type=agreed.receive_pt)
        rest = [codec for codec in self.capabilities if not codec.same_format(first)]
        security = offer_again(self.local.security, agreed.sdes, agreed.dtls)
        return offer(
            replace(self.local, security=security),
            [first, *rest],
            self.direction,
            dtmf_pt=agreed.dtmf_receive_pt or TELEPHONE_EVENT_PT,
            previous=parse_sdp(agreed.local_sdp),
        )

    def _is_changed(self, body: bytes) -> bool:
        return bool(self._sent) and body != self._sent

    def _raise_version(self) -> None:
        # RFC 3264 §8: the version goes up by one with each changed description.
        self.local = replace(self.local, session_version=self.local.session_version + 1)

    def _agree(self, agreement: Agreement, direction: Direction, remote_sdp: bytes) -> None:
        self.remote_sdp = remote_sdp
        self._sent = agreement.local_sdp
        self.agreement = agreement
        self.direction = direction

    def _move(self, event: _Event) -> None:
        following = _TRANSITIONS[self.state].get(event)
        if following is None:
            raise LocalProtocolError(
                f"It was not the time: {event.value} in state {self.state.value!r}."
            )
        self.state = following
        self._offered = None
