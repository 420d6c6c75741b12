"""Offer and answer (RFC 3264) for one audio stream, as functions from values to values.

`answer` answers a peer's offer, `offer` makes ours and `apply_answer` reads the peer's answer to
it. Both ends in an `Agreement`, which says all the media plane has to know.
`ivrbench.sdp.session.OfferAnswer` keeps the state of a call around these functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ivrbench.errors import SdpError
from ivrbench.sdp.description import (
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
)
from ivrbench.sdp.local import DEFAULT_PTIME_MS, LocalMedia, describe, our_stream, refused
from ivrbench.sdp.remote import Address, peer_direction, remote_addresses
from ivrbench.sdp.security import (
    DtlsParameters,
    Security,
    SrtpKeys,
    agree,
    complete,
    is_secure,
    offer_attributes,
    usable_protos,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DEFAULT_CAPABILITIES",
    "DEFAULT_PTIME_MS",
    "PCMA",
    "PCMU",
    "TELEPHONE_EVENT_PT",
    "Address",
    "Agreement",
    "LocalMedia",
    "answer",
    "apply_answer",
    "offer",
]

PCMU: Final = Codec("PCMU", 0, 8000)
PCMA: Final = Codec("PCMA", 8, 8000)
DEFAULT_CAPABILITIES: Final = (PCMU, PCMA)
"""What we can send and receive, best first; the payload types are those of our own offers."""

TELEPHONE_EVENT: Final = "telephone-event"
TELEPHONE_EVENT_PT: Final = 101  # no rule, but what nearly every other implementation offers
USUAL_EVENT_RATE_HZ: Final = 8000
TELEPHONE_EVENT_FMTP: Final = "0-16"  # digits, *, #, A-D and flash: RFC 4733 §3.2
NOT_ACCEPTABLE: Final = 488
DYNAMIC_PTS: Final = range(96, 128)  # RFC 3551 §6


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on for the audio stream."""

    local_sdp: bytes
    """Our description: the answer to send, or the offer that was sent."""
    codec: Codec
    """The codec, with the payload type to send (the peer's number)."""
    receive_pt: int
    """Payload type of the codec in packets we receive."""
    dtmf_pt: int | None
    """Payload type to send RFC 4733 events with, None if not agreed."""
    dtmf_receive_pt: int | None
    """Payload type of RFC 4733 events in packets we receive, None if not agreed."""
    direction: Direction
    """Our direction: hold by the peer shows as recvonly or inactive."""
    remote_rtp: Address
    """Where to send RTP. Do not send there while `direction.sends` is False."""
    remote_rtcp: Address
    """Where to send RTCP."""
    ptime_ms: int
    """Packet time the peer would like to receive, 20 if it did not say."""
    peer_fmtp: str = ""
    """What the peer's fmtp says about the codec."""
    dtmf_clock_rate_hz: int = 8000
    """RTP clock of RFC 4733 events."""
    sdes: SrtpKeys | None = None
    """Keys of encrypted audio, None if it is not encrypted so."""
    dtls: DtlsParameters | None = None
    """How DTLS is to agree on keys, None if it is not."""

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTCP shares the RTP port (RFC 5761)."""
        return self.remote_rtcp == self.remote_rtp


def answer(
    offered: SessionDescription,
    local: LocalMedia,
    capabilities: Sequence[Codec] = DEFAULT_CAPABILITIES,
    direction: Direction = Direction.SENDRECV,
    *,
    our_order: bool = False,
) -> Agreement:
    """Answer a peer's offer.

    The first usable audio stream is accepted with the first of its codecs that we can do; every
    other stream is refused with port 0, in order. Payload types are the peer's.

    Args:
        offered: the peer's offer.
        local: our side.
        capabilities: what we can do, best first.
        direction: what we would like.
        our_order: choose the codec by our order, not by the peer's.

    Returns:
        The agreement; its `local_sdp` is the answer to send.

    Raises:
        SdpError: with status 488 if nothing in the offer is usable, 400 if its audio stream has
            no address.
    """
    index, theirs, codec, security = _choose(offered, local, capabilities, our_order)
    stream = offered.media[index]
    remote_rtp, remote_rtcp = remote_addresses(offered, stream, local.address)
    ours = direction.agreed_with(peer_direction(offered, stream))
    dtmf = _telephone_event(stream, codec.clock_rate_hz)
    formats = [codec] if dtmf is None else [codec, dtmf]
    mux = (Attribute("rtcp-mux"),) if remote_rtcp == remote_rtp else ()
    accepted = our_stream(local, formats, ours, stream.proto, (*mux, *security.attributes))
    media = tuple(
        accepted if number == index else refused(other)
        for number, other in enumerate(offered.media)
    )
    dtmf_pt = dtmf.payload_type if dtmf else None
    return Agreement(
        local_sdp=describe(local, media).to_bytes(),
        codec=codec,
        receive_pt=codec.payload_type,
        dtmf_pt=dtmf_pt,
        dtmf_receive_pt=dtmf_pt,
        direction=ours,
        remote_rtp=remote_rtp,
        remote_rtcp=remote_rtcp,
        ptime_ms=_wanted_ptime_ms(stream),
        peer_fmtp=theirs.fmtp,
        dtmf_clock_rate_hz=dtmf.clock_rate_hz if dtmf else codec.clock_rate_hz,
        sdes=security.sdes,
        dtls=security.dtls,
    )


def offer(
    local: LocalMedia,
    capabilities: Sequence[Codec] = DEFAULT_CAPABILITIES,
    direction: Direction = Direction.SENDRECV,
    *,
    dtmf_pt: int = TELEPHONE_EVENT_PT,
    previous: SessionDescription | None = None,
) -> SessionDescription:
    """Make an offer of one audio stream.

    Args:
        local: our side.
        capabilities: codecs to offer, best first.
        direction: what we would like.
        dtmf_pt: payload type to offer for RFC 4733 events.
        previous: our description up to now, if the call has one; its other streams stay in
            their places, refused.

    Returns:
        The offer; `to_bytes()` is the body to send, and `apply_answer` wants it back.
    """
    taken: set[int] = set()
    formats = [
        replace(codec, payload_type=_claim(codec.payload_type, taken)) for codec in capabilities
    ]
    for rate_hz in sorted({codec.clock_rate_hz for codec in capabilities}):
        # RFC 4733 §2.1: events run on the clock of the audio they stand in for.
        event_pt = _claim(dtmf_pt, taken)
        formats.append(Codec(TELEPHONE_EVENT, event_pt, rate_hz, fmtp=TELEPHONE_EVENT_FMTP))
    proto, keys = offer_attributes(local.security)
    attributes = (Attribute("rtcp-mux"), *keys)
    if previous is None:
        return describe(local, (our_stream(local, formats, direction, proto, attributes),))
    # RFC 3264 §8: a stream keeps its place in the list, and its transport, for the whole session.
    ours = next(number for number, media in enumerate(previous.media) if media.port)
    stream = our_stream(local, formats, direction, previous.media[ours].proto, attributes)
    media = tuple(
        stream if number == ours else refused(other) for number, other in enumerate(previous.media)
    )
    return describe(local, media)


def apply_answer(
    offered: SessionDescription, answered: SessionDescription, local: LocalMedia
) -> Agreement:
    """Read the peer's answer to our offer.

    Args:
        offered: our offer.
        answered: the peer's answer.
        local: our side.

    Returns:
        The agreement; its `local_sdp` is the offer.

    Raises:
        SdpError: with status 488 if the peer refused the stream or chose nothing we offered,
            400 if the answer does not fit the offer.
    """
    ours, theirs = _answered_stream(offered, answered)
    pairs = _pairs(ours, theirs)
    audio = [pair for pair in pairs if not _is_telephone_event(pair[0])]
    if not audio:
        raise SdpError("The peer chose no codec that was offered.", status_hint=NOT_ACCEPTABLE)
    mine, codec = audio[0]
    events = {theirs: ours for ours, theirs in pairs if _is_telephone_event(ours)}
    dtmf = _best_events(list(events), codec.clock_rate_hz)
    my_dtmf = events[dtmf] if dtmf else None
    security = complete(answered, theirs, local.security)
    if security is None:
        raise SdpError("The peer's answer has no key.", status_hint=NOT_ACCEPTABLE)
    remote_rtp, remote_rtcp = remote_addresses(answered, theirs, local.address)
    return Agreement(
        local_sdp=offered.to_bytes(),
        codec=codec,
        receive_pt=mine.payload_type,
        dtmf_pt=dtmf.payload_type if dtmf else None,
        dtmf_receive_pt=my_dtmf.payload_type if my_dtmf else None,
        direction=offered.direction_of(ours).agreed_with(peer_direction(answered, theirs)),
        remote_rtp=remote_rtp,
        remote_rtcp=remote_rtcp,
        ptime_ms=_wanted_ptime_ms(theirs),
        peer_fmtp=codec.fmtp,
        dtmf_clock_rate_hz=dtmf.clock_rate_hz if dtmf else codec.clock_rate_hz,
        sdes=security.sdes,
        dtls=security.dtls,
    )


def _answered_stream(
    offered: SessionDescription, answered: SessionDescription
) -> tuple[MediaDescription, MediaDescription]:
    """Return the audio stream we offered and the peer's answer to it."""
    index = next(number for number, media in enumerate(offered.media) if media.port)
    if index >= len(answered.media) or answered.media[index].media != "audio":
        raise SdpError("The answer has no audio stream where the offer has one.")
    ours, theirs = offered.media[index], answered.media[index]
    if theirs.port == 0:
        raise SdpError("The peer refused the audio stream.", status_hint=NOT_ACCEPTABLE)
    return ours, theirs


def _choose(
    offered: SessionDescription,
    local: LocalMedia,
    capabilities: Sequence[Codec],
    our_order: bool,
) -> tuple[int, Codec, Codec, Security]:
    """Return the place of the stream to accept, the peer's codec, ours, and the encryption."""
    for index, stream in enumerate(offered.media):
        if not _is_usable(stream, local):
            continue
        pairs = [
            (codec, capability)
            for codec in stream.codecs  # RFC 3264 §6.1: the offerer's order of preference
            for capability in capabilities
            if codec.same_format(capability)
        ]
        if our_order:
            pairs.sort(key=lambda pair: capabilities.index(pair[1]))
        security = agree(offered, stream, local.security)
        if pairs and security is not None:
            theirs, ours = pairs[0]
            return index, theirs, replace(theirs, fmtp=ours.fmtp), security
    raise SdpError(_why_unusable(offered, local, capabilities), status_hint=NOT_ACCEPTABLE)


def _is_usable(stream: MediaDescription, local: LocalMedia) -> bool:
    known = stream.proto in usable_protos(local.security)
    return stream.media == "audio" and stream.port != 0 and known


def _why_unusable(
    offered: SessionDescription, local: LocalMedia, capabilities: Sequence[Codec]
) -> str:
    audio = [media for media in offered.media if media.media == "audio" and media.port]
    if not audio:
        return "The offer has no audio stream."
    usable = [media for media in audio if _is_usable(media, local)]
    if not usable:
        proto = audio[0].proto
        if local.security is None and is_secure(proto):
            return f"The offer wants audio over {proto}; encryption is off (srtp = off)."
        return f"The offer wants audio over {proto}, which is not supported."
    if all(agree(offered, media, local.security) is None for media in usable):
        if not any(is_secure(media.proto) for media in usable):
            return "The offer has no encrypted audio, which is required (srtp = required)."
        return "The offer's audio is encrypted with keys or in a way that cannot be used."
    theirs = ", ".join(codec.name for codec in usable[0].codecs) or "none"
    ours = ", ".join(codec.name for codec in capabilities) or "none"
    return f"No common codec: offered {theirs}; supported {ours}."


def _wanted_ptime_ms(stream: MediaDescription) -> int:
    """Return the packet time the peer asks for (RFC 8866 §6.4)."""
    wanted_ms = stream.ptime_ms or DEFAULT_PTIME_MS
    return min(wanted_ms, stream.maxptime_ms or wanted_ms)


def _claim(payload_type: int, taken: set[int]) -> int:
    """Take a payload type, or a free dynamic one where it is taken already."""
    if payload_type in taken:
        payload_type = next(number for number in DYNAMIC_PTS if number not in taken)
    taken.add(payload_type)
    return payload_type


def _telephone_event(stream: MediaDescription, clock_rate_hz: int) -> Codec | None:
    """The events to take for audio of this RTP clock.

    RFC 4733 §2.1 wants one clock for both, but phones offer Opus with telephone-event/8000 alone.
    """
    events = [codec for codec in stream.codecs if _is_telephone_event(codec)]
    best = _best_events(events, clock_rate_hz)
    return replace(best, fmtp=TELEPHONE_EVENT_FMTP) if best else None


def _best_events(events: Sequence[Codec], clock_rate_hz: int) -> Codec | None:
    """Those on the clock of the audio, else those on the usual one, else any."""
    wanted = (clock_rate_hz, USUAL_EVENT_RATE_HZ)
    by_rate = {codec.clock_rate_hz: codec for codec in reversed(events)}
    return next(
        (by_rate[rate] for rate in wanted if rate in by_rate), events[0] if events else None
    )


def _is_telephone_event(codec: Codec) -> bool:
    return codec.name.lower() == TELEPHONE_EVENT


def _pairs(ours: MediaDescription, theirs: MediaDescription) -> list[tuple[Codec, Codec]]:
    """Return (our codec, the peer's same codec) in the peer's order."""
    known = {codec.payload_type: codec for codec in theirs.codecs}
    mine = {codec.payload_type: codec for codec in ours.codecs}
    pairs = []
    for text in theirs.formats:
        payload_type = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
        # An answer that leaves out the rtpmap of a dynamic number can only mean our own.
        codec = known.get(payload_type) or mine.get(payload_type)
        if codec is not None:
            pairs += [(own, codec) for own in ours.codecs if own.same_format(codec)]
    return pairs
