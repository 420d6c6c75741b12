"""Offer and answer for one audio stream (RFC 3264)."""

from __future__ import annotations

import pytest

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.sdp.description import Codec, Direction, parse_sdp
from ivrbench.sdp.negotiate import (
    DEFAULT_CAPABILITIES,
    PCMA,
    PCMU,
    Agreement,
    LocalMedia,
    answer,
    apply_answer,
    offer,
)

LOCAL = LocalMedia("127.0.0.1", 4000, session_id=77)
PEER = LocalMedia("127.0.0.9", 6000, session_id=99)
OPUS = Codec("opus", 106, 48000, 2, "useinbandfec=1")


def sdp(*media: str, connection: str | None = "IN IP4 192.0.2.7") -> bytes:
    """Return a description of the streams given, each a `;`-separated list of lines."""
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-"]
    lines += [f"c={connection}"] if connection else []
    lines += ["t=0 0"]
    for stream in media:
        lines += stream.split(";")
    return "".join(line + "\r\n" for line in lines).encode()


def answered(
    *media: str,
    connection: str | None = "IN IP4 192.0.2.7",
    local: LocalMedia = LOCAL,
    capabilities: tuple[Codec, ...] = DEFAULT_CAPABILITIES,
    direction: Direction = Direction.SENDRECV,
) -> Agreement:
    """Answer an offer of the streams given."""
    offered = parse_sdp(sdp(*media, connection=connection))
    return answer(offered, local, capabilities, direction)


def refused(*media: str, connection: str | None = "IN IP4 192.0.2.7") -> SdpError:
    """Return the error an offer of the streams given is refused with."""
    with pytest.raises(SdpError) as caught:
        answered(*media, connection=connection)
    return caught.value


def test_a_plain_offer_is_answered() -> None:
    """The answer names one codec, telephone-event, ptime and direction, and nothing else."""
    agreement = answered(
        "m=audio 5004 RTP/AVP 8 0 101;a=rtpmap:101 telephone-event/8000;a=fmtp:101 0-15;a=ptime:30"
    )
    assert agreement.local_sdp == (
        b"v=0\r\no=- 77 1 IN IP4 127.0.0.1\r\ns=ivrbench\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    assert agreement.codec == PCMA
    assert agreement.receive_pt == 8
    assert agreement.dtmf_pt == agreement.dtmf_receive_pt == 101
    assert agreement.direction is Direction.SENDRECV
    assert agreement.remote_rtp == ("192.0.2.7", 5004)
    assert agreement.remote_rtcp == ("192.0.2.7", 5005)
    assert agreement.ptime_ms == 30


def test_the_peers_order_and_numbers_decide() -> None:
    """The first codec of the offer that we can do is taken, under the peer's payload type."""
    agreement = answered(
        "m=audio 5004 RTP/AVP 3 97 98 0;a=rtpmap:97 pcma/8000;a=rtpmap:98 TELEPHONE-EVENT/8000"
    )
    assert agreement.codec == Codec("pcma", 97, 8000)
    assert agreement.dtmf_pt == 98
    assert agreement.ptime_ms == 20


def test_telephone_event_runs_at_the_rate_of_the_codec() -> None:
    """Those on the codec's clock come first (RFC 4733 §2.1), others are better than none."""
    stream = (
        "m=audio 5004 RTP/AVP 96 101 102;a=rtpmap:96 opus/48000/2;"
        "a=rtpmap:101 telephone-event/8000;a=rtpmap:102 telephone-event/48000"
    )
    agreement = answered(stream, capabilities=(OPUS,))
    assert agreement.codec == Codec("opus", 96, 48000, 2, "useinbandfec=1")
    assert agreement.dtmf_pt == 102
    assert b"a=fmtp:96 useinbandfec=1\r\n" in agreement.local_sdp
    only_8k = (
        "m=audio 5004 RTP/AVP 96 101;a=rtpmap:96 opus/48000/2;a=rtpmap:101 telephone-event/8000"
    )
    agreement = answered(only_8k, capabilities=(OPUS,))
    assert (agreement.dtmf_pt, agreement.dtmf_clock_rate_hz) == (101, 8000)
    other = only_8k.replace("event/8000", "event/16000")
    assert answered(other, capabilities=(OPUS,)).dtmf_clock_rate_hz == 16_000


def test_further_streams_are_refused_in_order() -> None:
    """Every stream but the first usable one is answered with port 0 in its place (§6)."""
    agreement = answered(
        "m=video 5000 RTP/AVP 31",
        "m=audio 5002 RTP/SAVP 0",
        "m=audio 5004 RTP/AVP 0",
        "m=audio 5006 RTP/AVP 0",
        "m=application 5008 UDP/BFCP *",
        "m=image 0 udptl",
    )
    media = parse_sdp(agreement.local_sdp).media
    assert [(m.media, m.port, m.proto, m.formats) for m in media] == [
        ("video", 0, "RTP/AVP", ("31",)),
        ("audio", 0, "RTP/SAVP", ("0",)),
        ("audio", 4000, "RTP/AVP", ("0",)),
        ("audio", 0, "RTP/AVP", ("0",)),
        ("application", 0, "UDP/BFCP", ("*",)),
        ("image", 0, "udptl", ("0",)),
    ]
    assert agreement.remote_rtp == ("192.0.2.7", 5004)


def test_the_profile_of_the_offer_is_answered() -> None:
    """RTP/AVPF is answered with RTP/AVPF."""
    agreement = answered("m=audio 5004 RTP/AVPF 0")
    assert parse_sdp(agreement.local_sdp).media[0].proto == "RTP/AVPF"


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        ("m=audio 5004 RTP/AVP 3 18", "No common codec: offered GSM, G729; supported PCMU, PCMA."),
        ("m=audio 5004 RTP/AVP 99", "No common codec: offered none; supported PCMU, PCMA."),
        ("m=audio 0 RTP/AVP 0", "The offer has no audio stream."),
        ("m=video 5004 RTP/AVP 31", "The offer has no audio stream."),
        (
            "m=audio 5004 RTP/SAVP 0",
            "The offer wants audio over RTP/SAVP; encryption is off (srtp = off).",
        ),
    ],
)
def test_nothing_usable_is_488(stream: str, sentence: str) -> None:
    """An offer without an audio stream for us is refused with status 488 and the reason."""
    error = refused(stream)
    assert error.status_hint == 488
    assert str(error) == sentence


@pytest.mark.parametrize(
    "connection",
    ["IN IP4 example.com", "IN IP4 224.2.1.1/127", "IN IP6 2001:db8::1", "IN IP4 1.2.3"],
)
def test_an_address_we_cannot_send_to_is_488(connection: str) -> None:
    """Names, multicast and the other IP version are refused before a socket sees them."""
    assert refused("m=audio 5004 RTP/AVP 0", connection=connection).status_hint == 488


def test_an_offer_without_an_address_is_400() -> None:
    """A stream needs a c= line, its own or the session's (RFC 8866 §5.7)."""
    assert refused("m=audio 5004 RTP/AVP 0", connection=None).status_hint == 400


@pytest.mark.parametrize(
    ("offered", "ours"),
    [
        ("sendrecv", Direction.SENDRECV),
        ("sendonly", Direction.RECVONLY),
        ("recvonly", Direction.SENDONLY),
        ("inactive", Direction.INACTIVE),
    ],
)
def test_hold_is_mirrored(offered: str, ours: Direction) -> None:
    """The answer's direction is the mirror image of the offer's (§6.1)."""
    agreement = answered(f"m=audio 5004 RTP/AVP 0;a={offered}")
    assert agreement.direction is ours
    assert f"a={ours.value}\r\n".encode() in agreement.local_sdp


def test_an_address_of_zeros_is_hold() -> None:
    """c=0.0.0.0 asks us to stop sending (§8.4), whatever our IP version."""
    stream = "m=audio 5004 RTP/AVP 0"
    assert answered(stream, connection="IN IP4 0.0.0.0").direction is Direction.RECVONLY
    assert answered(stream, connection="IN IP6 ::").direction is Direction.RECVONLY
    inactive = answered(stream + ";a=inactive", connection="IN IP4 0.0.0.0")
    assert inactive.direction is Direction.INACTIVE


def test_our_own_wish_counts_too() -> None:
    """A side that wants to send only does not receive, whatever is offered."""
    agreement = answered("m=audio 5004 RTP/AVP 0", direction=Direction.SENDONLY)
    assert agreement.direction is Direction.SENDONLY


def test_rtcp_goes_where_the_peer_says() -> None:
    """`a=rtcp` names port and perhaps address (RFC 3605); otherwise it is the next port."""
    stream = "m=audio 5004 RTP/AVP 0;a=rtcp:6001"
    assert answered(stream).remote_rtcp == ("192.0.2.7", 6001)
    assert answered(stream + " IN IP4 192.0.2.8").remote_rtcp == ("192.0.2.8", 6001)
    assert answered("m=audio 65535 RTP/AVP 0").remote_rtcp == ("192.0.2.7", 65535)


def test_ipv6_works_like_ipv4() -> None:
    """An IPv6 offer is answered with an IPv6 address, which is normalised."""
    local = LocalMedia("::1", 4000, session_id=1)
    agreement = answered("m=audio 5004 RTP/AVP 0", connection="IN IP6 2001:DB8:0::1", local=local)
    assert agreement.remote_rtp == ("2001:db8::1", 5004)
    assert b"c=IN IP6 ::1\r\n" in agreement.local_sdp


def test_an_odd_rtcp_port_of_ours_is_announced() -> None:
    """Our RTCP port is written only where it is not the next one."""
    odd = LocalMedia("127.0.0.1", 4000, session_id=1, rtcp_port=4444)
    even = LocalMedia("127.0.0.1", 4000, session_id=1, rtcp_port=4001)
    assert b"a=rtcp:4444\r\n" in answered("m=audio 5004 RTP/AVP 0", local=odd).local_sdp
    assert b"a=rtcp:" not in answered("m=audio 5004 RTP/AVP 0", local=even).local_sdp


@pytest.mark.parametrize(("address", "port"), [("localhost", 4000), ("127.0.0.1", 0)])
def test_an_impossible_local_side_is_our_mistake(address: str, port: int) -> None:
    """A local side media could not reach cannot be built."""
    with pytest.raises(LocalProtocolError):
        LocalMedia(address, port, session_id=1)


def test_offer_and_answer_agree_on_both_sides() -> None:
    """What the answerer agreed to is what the offerer reads, mirrored."""
    offered = offer(LOCAL, direction=Direction.SENDONLY)
    theirs = answer(parse_sdp(offered.to_bytes()), PEER)
    ours = apply_answer(offered, parse_sdp(theirs.local_sdp), LOCAL)
    assert ours.codec == PCMU == theirs.codec
    assert ours.dtmf_pt == theirs.dtmf_pt == 101
    assert (ours.direction, theirs.direction) == (Direction.SENDONLY, Direction.RECVONLY)
    assert ours.remote_rtp == ("127.0.0.9", 6000)
    assert theirs.remote_rtp == ("127.0.0.1", 4000)
    assert ours.local_sdp == offered.to_bytes()


def test_payload_types_may_differ_by_direction() -> None:
    """Each side receives under its own numbers and sends under the other's (§5.1)."""
    offered = offer(LOCAL, (OPUS,), dtmf_pt=101)
    reply = parse_sdp(
        sdp(
            "m=audio 7000 RTP/AVP 120 121;a=rtpmap:120 opus/48000/2;"
            "a=rtpmap:121 telephone-event/48000",
            connection="IN IP4 127.0.0.9",
        )
    )
    agreement = apply_answer(offered, reply, LOCAL)
    assert (agreement.codec.payload_type, agreement.receive_pt) == (120, 106)
    assert (agreement.dtmf_pt, agreement.dtmf_receive_pt) == (121, 101)


def test_an_answer_without_rtpmap_means_our_numbers() -> None:
    """A dynamic payload type without rtpmap in an answer is the one we offered."""
    offered = offer(LOCAL, (OPUS,))
    agreement = apply_answer(offered, parse_sdp(sdp("m=audio 7000 RTP/AVP x 106")), LOCAL)
    assert agreement.codec == OPUS
    assert agreement.dtmf_pt is None


def test_event_rates_follow_the_codecs_offered() -> None:
    """One telephone-event is offered for each clock, under numbers of their own."""
    offered = offer(LOCAL, (PCMU, OPUS, Codec("L16", 106, 8000)), dtmf_pt=106)
    codecs = {(c.name, c.clock_rate_hz): c.payload_type for c in offered.media[0].codecs}
    assert codecs == {
        ("PCMU", 8000): 0,
        ("opus", 48000): 106,
        ("L16", 8000): 96,
        ("telephone-event", 8000): 97,
        ("telephone-event", 48000): 98,
    }


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (("m=audio 0 RTP/AVP 0",), 488),
        (("m=audio 7000 RTP/AVP 3",), 488),
        (("m=audio 7000 RTP/AVP 101;a=rtpmap:101 telephone-event/8000",), 488),
        ((), 400),
        (("m=video 7000 RTP/AVP 31",), 400),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(reply: tuple[str, ...], status: int) -> None:
    """A refused stream or a codec never offered is 488, a missing stream 400."""
    with pytest.raises(SdpError) as caught:
        apply_answer(offer(LOCAL), parse_sdp(sdp(*reply)), LOCAL)
    assert caught.value.status_hint == status


def test_streams_keep_their_places_in_a_new_offer() -> None:
    """An offer in a call has the streams of the last description in their places (§8)."""
    agreement = answered("m=video 5000 RTP/AVP 31", "m=audio 5004 RTP/AVP 0")
    again = offer(LOCAL, previous=parse_sdp(agreement.local_sdp))
    assert [(m.media, m.port) for m in again.media] == [("video", 0), ("audio", 4000)]
    reply = parse_sdp(sdp("m=video 0 RTP/AVP 31", "m=audio 7000 RTP/AVP 0"))
    assert apply_answer(again, reply, LOCAL).remote_rtp == ("192.0.2.7", 7000)


def test_our_order_decides_where_asked() -> None:
    """With `codec_order` written down, the first of ours that is offered is taken."""
    offered = parse_sdp(sdp("m=audio 5004 RTP/AVP 0 8 96;a=rtpmap:96 opus/48000/2"))
    assert answer(offered, LOCAL, (OPUS, PCMA, PCMU)).codec == PCMU
    assert answer(offered, LOCAL, (OPUS, PCMA), our_order=True).codec.name == "opus"


def test_the_peers_fmtp_and_packet_times_are_kept() -> None:
    """What the peer's fmtp asks for is for our encoder; maxptime bounds ptime."""
    agreement = answered(
        "m=audio 5004 RTP/AVP 96;a=rtpmap:96 opus/48000/2;a=fmtp:96 maxplaybackrate=16000;"
        "a=ptime:60;a=maxptime:40",
        capabilities=(OPUS,),
    )
    assert agreement.peer_fmtp == "maxplaybackrate=16000"
    assert agreement.codec.fmtp == "useinbandfec=1"
    assert agreement.ptime_ms == 40


def test_long_l16_packets_are_not_asked_for() -> None:
    """20 ms of 48 kHz L16 do not fit an Ethernet frame: 10 ms are asked for."""
    wide = Codec("L16", 97, 48000)
    agreement = answered("m=audio 5004 RTP/AVP 97;a=rtpmap:97 L16/48000", capabilities=(wide,))
    assert b"a=ptime:10\r\n" in agreement.local_sdp


def test_rtcp_shares_the_port_where_both_can() -> None:
    """RFC 5761 §5.1.1: offered, it is answered; a peer that does not answer it has it not."""
    shared = answered("m=audio 5004 RTP/AVP 0;a=rtcp-mux")
    assert shared.rtcp_mux
    assert b"a=rtcp-mux\r\n" in shared.local_sdp
    assert not answered("m=audio 5004 RTP/AVP 0").rtcp_mux
    ours = offer(LOCAL)
    assert b"a=rtcp-mux\r\n" in ours.to_bytes()
    plain = answer(parse_sdp(sdp("m=audio 5004 RTP/AVP 0")), PEER)
    assert not apply_answer(ours, parse_sdp(plain.local_sdp), LOCAL).rtcp_mux
