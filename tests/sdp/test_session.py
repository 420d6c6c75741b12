"""The offer/answer state of a call: versions, turns, failures."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.sdp.description import Codec, Direction, parse_sdp
from ivrbench.sdp.negotiate import PCMA, PCMU, LocalMedia
from ivrbench.sdp.session import OfferAnswer, OfferAnswerState

OFFER = (
    b"v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 6000 RTP/AVP 0 96\r\n"
    b"a=rtpmap:96 telephone-event/8000\r\n"
)
HOLD = OFFER + b"a=sendonly\r\n"


def leg(port: int = 4000) -> OfferAnswer:
    """Return the state of a call that begins."""
    return OfferAnswer(LocalMedia("127.0.0.1", port, session_id=port))


def origin(body: bytes) -> tuple[str, str]:
    """Return session id and version of a description."""
    parsed = parse_sdp(body).origin
    return parsed.session_id, parsed.version


def test_the_version_goes_up_only_with_a_change() -> None:
    """The session id stays, the version counts changed descriptions (RFC 3264 §8)."""
    call = leg()
    bodies = [call.receive_offer(offer).local_sdp for offer in (OFFER, OFFER, HOLD, HOLD, OFFER)]
    assert [origin(body) for body in bodies] == [
        ("4000", "1"),
        ("4000", "1"),
        ("4000", "2"),
        ("4000", "2"),
        ("4000", "3"),
    ]
    assert call.agreement is not None
    assert call.agreement.direction is Direction.SENDRECV
    assert repr(call) == "<OfferAnswer stable version=3>"


def test_a_late_offer_is_completed_by_the_answer() -> None:
    """We offer in the 2xx, the peer answers in the ACK."""
    ours, theirs = leg(4000), leg(5000)
    body = ours.make_offer()
    assert repr(ours) == "<OfferAnswer offer sent version=1>"
    agreement = ours.receive_answer(theirs.receive_offer(body).local_sdp)
    assert ours.agreement is agreement
    assert agreement.remote_rtp == ("127.0.0.1", 5000)
    assert ours.state is OfferAnswerState.STABLE


def test_hold_and_resume_by_us() -> None:
    """Our own hold is an offer with a new version, and so is the resume."""
    ours, theirs = leg(4000), leg(5000)
    ours.receive_answer(theirs.receive_offer(ours.make_offer()).local_sdp)
    hold = ours.make_offer(Direction.SENDONLY)
    held = theirs.receive_offer(hold)
    assert held.direction is Direction.RECVONLY
    assert ours.receive_answer(held.local_sdp).direction is Direction.SENDONLY
    resume = ours.make_offer(Direction.SENDRECV)
    assert ours.receive_answer(theirs.receive_offer(resume).local_sdp).direction.receives
    assert (origin(hold), origin(resume)) == (("4000", "2"), ("4000", "3"))


def test_numbers_keep_their_meaning_in_our_new_offer() -> None:
    """An agreed payload type is offered again for the same format (RFC 3264 §8.3.2)."""
    call = leg()
    call.receive_offer(OFFER.replace(b"AVP 0", b"AVP 8"))
    codecs = parse_sdp(call.make_offer()).media[0].codecs
    assert [(c.name, c.payload_type) for c in codecs] == [
        ("PCMA", 8),
        ("PCMU", 0),
        ("telephone-event", 96),
    ]


def test_a_refused_offer_changes_nothing() -> None:
    """After a failed re-INVITE of either side the call goes on as agreed."""
    call = leg()
    before = call.receive_offer(OFFER)
    with pytest.raises(SdpError, match="No common codec"):
        call.receive_offer(OFFER.replace(b"AVP 0", b"AVP 3"))
    assert call.agreement is before
    call.make_offer(Direction.INACTIVE)
    call.withdraw_offer()
    assert call.agreement is before
    assert call.state is OfferAnswerState.STABLE
    call.make_offer()
    with pytest.raises(SdpError):
        call.receive_answer(b"junk")
    assert call.agreement is before
    assert call.state is OfferAnswerState.STABLE


def test_crossed_offers_are_491() -> None:
    """An offer that comes while ours is open is refused for the moment (RFC 3261 §14.2)."""
    call = leg()
    call.make_offer()
    with pytest.raises(SdpError) as caught:
        call.receive_offer(OFFER)
    assert caught.value.status_hint == 491
    assert call.state is OfferAnswerState.OFFER_SENT


def test_out_of_turn_is_our_mistake() -> None:
    """A second offer and an answer to nothing raise; withdrawing nothing does no harm."""
    call = leg()
    with pytest.raises(LocalProtocolError, match="an answer came in state 'stable'"):
        call.receive_answer(OFFER)
    call.make_offer()
    with pytest.raises(LocalProtocolError, match="an offer was made in state 'offer sent'"):
        call.make_offer()
    call.withdraw_offer()
    call.withdraw_offer()


def test_a_new_address_of_the_peer_is_agreed() -> None:
    """A re-INVITE from another address moves the media there, our description unchanged."""
    call = leg()
    first = call.receive_offer(OFFER)
    second = call.receive_offer(OFFER.replace(b"127.0.0.9", b"127.0.0.8").replace(b"6000", b"6010"))
    assert second.remote_rtp == ("127.0.0.8", 6010)
    assert second.local_sdp == first.local_sdp


def test_capabilities_limit_and_order_the_offer() -> None:
    """Only what is configured is offered and accepted, in that order."""
    call = OfferAnswer(LocalMedia("127.0.0.1", 4000, session_id=1), (PCMA, PCMU))
    assert parse_sdp(call.make_offer()).media[0].formats == ("8", "0", "101")
    gsm_only = OfferAnswer(LocalMedia("127.0.0.1", 4000, 1), (Codec("GSM", 3, 8000),))
    with pytest.raises(SdpError):
        gsm_only.receive_offer(OFFER)


@given(st.binary(max_size=60), st.integers(0, len(HOLD)))
def test_damaged_offers_and_answers_raise_only_sdp_errors(junk: bytes, at: int) -> None:
    """A damaged body gives an agreement or SdpError, on either side."""
    body = HOLD[:at] + junk + HOLD[at + len(junk) :]
    call = leg()
    with contextlib.suppress(SdpError):
        call.receive_offer(body)
    call.make_offer()
    with contextlib.suppress(SdpError):
        call.receive_answer(body)
    assert call.state is OfferAnswerState.STABLE
