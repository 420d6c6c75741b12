"""LegMedia: the audio a leg may have: its ports, and what offer and answer agreed on."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ivrbench.errors import SdpError
from ivrbench.observe.events import MediaAgreed
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sdp.session import OfferAnswer, OfferAnswerState
from ivrbench.sip.flow import host_port

from .terms import capabilities_of, security_of

if TYPE_CHECKING:
    from ivrbench.sdp.description import Codec
    from ivrbench.sdp.negotiate import Agreement

    from ..switchboard import Switchboard
    from .call import Seat
    from .link import Worker

__all__ = ["LegMedia"]


class LegMedia:
    """Ports, offer and answer of one leg.

    Args:
        board: the engine.

    Attributes:
        seat: ports that no worker has yet.
        sdp: offer and answer; None before `open`.
        problem: why the INVITE's offer cannot be answered.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self.seat: Seat | None = None
        self.sdp: OfferAnswer | None = None
        self.problem: SdpError | None = None
        self.beside: Worker | None = None
        """The worker it is to have; None: the one with most room."""
        self.favourite: Codec | None = None
        """The codec that is to come first in an offer of ours."""
        self._address = ""
        self._asked: OfferAnswer | None = None
        """Our first offer as it was before any answer: each phone a call reaches answers it."""
        self._offer = b""
        self._answer = b""

    @property
    def agreement(self) -> Agreement | None:
        """What offer and answer agreed on last."""
        return self.sdp.agreement if self.sdp else None

    @property
    def is_held(self) -> bool:
        """The peer asked us to send nothing."""
        agreement = self.agreement
        return agreement is not None and not agreement.direction.sends

    def open(self, local_ip: str) -> None:
        """Reserve ports, unless there are some at this address already.

        Args:
            local_ip: our address towards the peer; `media_ip` comes before it.

        Raises:
            MediaError: no port is free.
        """
        board = self._board
        settings = board.settings
        ip = settings.media_ip or local_ip
        if self.seat is not None and ip == self._address:
            return
        self.close()
        self.seat = board.media.reserve(ip, self.beside)
        self._address = ip
        session_id = board.media.next_session_id()
        security = security_of(settings, board.media.certificate)
        local = LocalMedia(settings.public_ip or ip, self.seat.port, session_id, security=security)
        codecs = capabilities_of(settings.codec_order, board.media.room)
        first = self.favourite
        if first is not None:
            codecs = tuple(sorted(codecs, key=lambda codec: not codec.same_format(first)))
        self.sdp = OfferAnswer(local, codecs, our_order=bool(settings.codec_order))
        self._asked = None
        self._answer = b""

    def close(self) -> None:
        """Give back what was reserved."""
        if self.seat is not None:
            self.seat.release()
            self.seat = None

    # --- offers of the peer -------------------------------------------------------------------

    def receive_first_offer(self, body: bytes) -> None:
        """Read the INVITE's offer. One that nothing can be agreed on is kept as `problem`.

        Raises:
            SdpError: 400, it cannot be read.
        """
        assert self.sdp is not None, "open first"
        try:
            self.sdp.receive_offer(body)
        except SdpError as exc:
            if exc.status_hint == 400:
                raise
            self.problem = exc

    def receive_offer(self, offer: bytes) -> bytes:
        """Answer a later offer, with the codec in use if the peer still has it.

        Returns:
            our answer.

        Raises:
            SdpError: it cannot be answered.
        """
        if self.sdp is None:
            raise SdpError("this call has no audio", status_hint=488)
        agreed, all_codecs = self.sdp.agreement, self.sdp.capabilities
        if agreed is not None:
            # A codec that changes in mid-call costs a re-encoding of every prompt that waits.
            self.sdp.capabilities = tuple(c for c in all_codecs if c.same_format(agreed.codec))
            try:
                return self.sdp.receive_offer(offer).local_sdp
            except SdpError as exc:
                if exc.status_hint == 400:
                    raise
            finally:
                self.sdp.capabilities = all_codecs
        return self.sdp.receive_offer(offer).local_sdp

    # --- offers of ours -----------------------------------------------------------------------

    def make_first_offer(self) -> bytes:
        """The offer of our INVITE; the same one however often it is asked for."""
        assert self.sdp is not None, "open first"
        if self._asked is None:
            self._offer = self.sdp.make_offer()
            self._asked = copy.copy(self.sdp)
        return self._offer

    def receive_first_answer(self, body: bytes) -> bool:
        """Take an answer to the offer of our INVITE; a later one, of another phone, counts.

        Returns:
            False if it is the one that was taken already.

        Raises:
            SdpError: it cannot be used.
        """
        assert self._asked is not None, "the INVITE had an offer of ours"
        if body == self._answer:
            return False
        # RFC 3261 §13.2.1: what a 1xx said is binding for the 2xx of the same phone, but the call
        # may be answered by another.
        answered = copy.copy(self._asked)
        answered.receive_answer(body)
        self.sdp, self._answer = answered, body
        return True

    def withdraw_offer(self) -> None:
        """No answer came; the last agreement stands."""
        if self.sdp is not None and self.sdp.state is OfferAnswerState.OFFER_SENT:
            self.sdp.withdraw_offer()

    def agreed_event(self, leg: str) -> MediaAgreed | None:
        """The agreement as an event, None if there is none."""
        agreement = self.agreement
        if agreement is None or self.sdp is None:
            return None
        local = self.sdp.local
        return MediaAgreed(
            leg=leg,
            codec=agreement.codec.name.upper(),
            clock_rate_hz=agreement.codec.clock_rate_hz,
            payload_type=agreement.codec.payload_type,
            ptime_ms=agreement.ptime_ms,
            dtmf_payload_type=-1 if agreement.dtmf_pt is None else agreement.dtmf_pt,
            local=host_port(local.address, local.rtp_port),
            remote=host_port(*agreement.remote_rtp),
            direction=agreement.direction.value,
        )
