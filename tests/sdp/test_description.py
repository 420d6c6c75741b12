"""Reading and writing session descriptions (RFC 8866)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import SdpError
from ivrbench.sdp.attributes import Line, parse_rtpmap
from ivrbench.sdp.description import (
    Attribute,
    Codec,
    Connection,
    Direction,
    MediaDescription,
    Origin,
    SessionDescription,
    parse_sdp,
)

CANONICAL = (
    b"v=0\r\n"
    b"o=alice 2890844526 2890842807 IN IP4 192.0.2.1\r\n"
    b"s=A call\r\n"
    b"i=about nothing\r\n"
    b"c=IN IP4 192.0.2.1\r\n"
    b"b=CT:128\r\n"
    b"t=0 0\r\n"
    b"x=unheard of\r\n"
    b"a=tool:example\r\n"
    b"a=recvonly\r\n"
    b"m=audio 49170/2 RTP/AVP 0 8 97\r\n"
    b"i=speech\r\n"
    b"c=IN IP6 2001:db8::1\r\n"
    b"b=AS:64\r\n"
    b"a=rtpmap:97 opus/48000/2\r\n"
    b"a=fmtp:97 useinbandfec=1\r\n"
    b"a=ptime:40\r\n"
    b"a=rtcp:53020 IN IP4 192.0.2.4\r\n"
    b"a=sendonly\r\n"
    b"m=video 51372 RTP/AVP 31\r\n"
)


def test_a_canonical_description_round_trips() -> None:
    """Reading and writing a description in RFC order gives the same bytes."""
    assert parse_sdp(CANONICAL).to_bytes() == CANONICAL


def test_fields_are_read() -> None:
    """Every field of a description ends up in its attribute."""
    session = parse_sdp(CANONICAL)
    assert session.origin == Origin("alice", "2890844526", "2890842807", Connection("192.0.2.1", 4))
    assert session.name == "A call"
    audio, video = session.media
    assert (audio.media, audio.port, audio.port_count, audio.proto) == (
        "audio",
        49170,
        2,
        "RTP/AVP",
    )
    assert audio.codecs == (
        Codec("PCMU", 0, 8000),
        Codec("PCMA", 8, 8000),
        Codec("opus", 97, 48000, 2, "useinbandfec=1"),
    )
    assert audio.ptime_ms == 40
    assert audio.rtcp is not None
    assert audio.rtcp.port == 53020
    assert audio.rtcp.connection == Connection("192.0.2.4")
    assert video.codecs == ()
    assert video.rtcp is None
    assert video.ptime_ms is None


def test_media_level_comes_before_session_level() -> None:
    """A stream's own address and direction override the session's (RFC 8866 §5.7, §6.7)."""
    session = parse_sdp(CANONICAL)
    audio, video = session.media
    assert session.connection_of(audio) == Connection("2001:db8::1", 6)
    assert session.connection_of(video) == Connection("192.0.2.1", 4)
    assert session.direction_of(audio) is Direction.SENDONLY
    assert session.direction_of(video) is Direction.RECVONLY


def test_sendrecv_is_the_default() -> None:
    """A stream of which nothing is said flows both ways (RFC 8866 §6.7)."""
    session = parse_sdp(b"v=0\nm=audio 4000 RTP/AVP 0\n")
    assert session.direction_of(session.media[0]) is Direction.SENDRECV


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n", b"\r\n\r\n"])
def test_any_line_end_is_read(line_end: bytes) -> None:
    """CRLF, LF, CR and empty lines between are all read alike."""
    assert parse_sdp(CANONICAL.replace(b"\r\n", line_end)) == parse_sdp(CANONICAL)


def test_missing_lines_are_filled_in() -> None:
    """A description without o=, s= and t= is accepted; t= is written, as the grammar wants."""
    session = parse_sdp(b"v=0\r\n")
    assert session == SessionDescription()
    assert session.to_bytes() == b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def test_an_odd_origin_is_no_reason_to_refuse() -> None:
    """An o= line nobody understands does not stop a call."""
    assert parse_sdp(b"v=0\r\no=x\r\n").origin == Origin()
    assert parse_sdp(b"v=0\r\no=x 1 2 IN IPX abc\r\n").origin == Origin()


def test_a_second_address_is_kept() -> None:
    """Further c= lines of a stream are written again, the first one counts."""
    session = parse_sdp(
        b"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 1.2.3.4/127\r\nc=IN IP4 5.6.7.8\r\n"
    )
    assert session.media[0].connection == Connection("1.2.3.4")
    assert session.media[0].lines == (Line("c", "IN IP4 5.6.7.8"),)
    assert parse_sdp(session.to_bytes()) == session


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"v=1\r\n",
        b"o=- 1 1 IN IP4 1.2.3.4\r\n",
        b"v=0\r\nnonsense\r\n",
        b"v=0\r\n=x\r\n",
        b"v=0\r\nab=x\r\n",
        b"v=0\r\nm=audio\r\n",
        b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n",
        b"v=0\r\nm=audio -1 RTP/AVP 0\r\n",
        b"v=0\r\nm=audio x RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP5 1.2.3.4\r\n",
        b"v=0\r\nc=IN IP4\r\n",
    ],
)
def test_what_cannot_be_read_is_400(body: bytes) -> None:
    """An unparsable body is refused with status 400 and a sentence."""
    with pytest.raises(SdpError) as caught:
        parse_sdp(body)
    assert caught.value.status_hint == 400
    assert str(caught.value).startswith("The session description ")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "97",
        "97 opus",
        "128 opus/48000",
        "97 opus/0",
        "97 opus/999999",
        "97 opus/48000/0",
        "97 opus/48000/999",
        "x opus/48000",
    ],
)
def test_a_senseless_rtpmap_is_none(value: str) -> None:
    """An rtpmap that makes no sense is no codec, and no error either."""
    assert parse_rtpmap(value) is None


def test_senseless_attributes_are_passed_over() -> None:
    """A bad rtpmap, fmtp, ptime, rtcp or format is ignored but kept."""
    body = (
        b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 0 x 200 99\r\n"
        b"a=rtpmap:nonsense\r\na=fmtp:x y\r\na=fmtp:99 y\r\na=ptime:much\r\na=ptime:0\r\n"
        b"a=rtcp:0\r\na=rtcp\r\n"
    )
    media = parse_sdp(body).media[0]
    assert media.codecs == (Codec("PCMU", 0, 8000),)
    assert media.ptime_ms is None
    assert media.rtcp is None
    assert parse_sdp(body).to_bytes() == body


def test_bytes_that_are_not_utf8_survive() -> None:
    """Text in any encoding is written as it was read."""
    body = CANONICAL.replace(b"A call", b"\xe4\xff")
    assert parse_sdp(body).to_bytes() == body


def test_an_rtcp_attribute_may_have_no_address() -> None:
    """`a=rtcp:PORT` alone is the usual form (RFC 3605 §2.1)."""
    media = parse_sdp(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4005\r\n").media[0]
    assert media.rtcp == (4005, None)


@given(st.binary(max_size=300))
def test_garbage_never_raises_anything_else(body: bytes) -> None:
    """Whatever comes, only SdpError comes out."""
    _use(body)


LINES = st.sampled_from([line + b"\r\n" for line in CANONICAL.split(b"\r\n") if line])


@given(
    st.lists(
        st.one_of(
            LINES,
            st.builds(
                lambda kind, value: kind + b"=" + value, LINES.map(lambda x: x[:1]), st.binary()
            ),
        ),
        max_size=20,
    )
)
def test_shuffled_lines_never_raise_anything_else(lines: list[bytes]) -> None:
    """Lines in any order, some with damaged values, give a description or SdpError."""
    _use(b"v=0\r\n" + b"\r\n".join(lines))


@given(st.data())
def test_damaged_descriptions_never_raise_anything_else(data: st.DataObject) -> None:
    """A description cut or changed anywhere gives a description or SdpError."""
    at = data.draw(st.integers(0, len(CANONICAL)))
    junk = data.draw(st.binary(max_size=3))
    _use(CANONICAL[:at] + junk + CANONICAL[at + len(junk) :])
    _use(CANONICAL[:at])


def _use(body: bytes) -> None:
    """Read a body and everything in it; what can be read can be written and read again."""
    try:
        session = parse_sdp(body)
        for media in session.media:
            assert isinstance(media.codecs, tuple)
            assert media.ptime_ms != 0
            assert media.rtcp is None or media.rtcp.port
            assert isinstance(session.direction_of(media), Direction)
    except SdpError:
        return
    assert parse_sdp(session.to_bytes()) == session


def test_codecs_are_the_same_whatever_their_numbers() -> None:
    """Name without case, rate and channels make a format; number and parameters do not."""
    assert Codec("pcmu", 0, 8000).same_format(Codec("PCMU", 96, 8000, fmtp="x"))
    assert not Codec("L16", 96, 8000).same_format(Codec("L16", 96, 16000))
    assert not Codec("L16", 96, 8000).same_format(Codec("L16", 96, 8000, 2))


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("peer", list(Direction))
def test_directions_meet(direction: Direction, peer: Direction) -> None:
    """Nobody sends to a side that does not receive (RFC 3264 §6.1)."""
    agreed = direction.agreed_with(peer)
    assert agreed.sends == (direction.sends and peer.receives)
    assert agreed.receives == (direction.receives and peer.sends)


def test_a_media_description_writes_its_parts() -> None:
    """A stream made by hand is written in RFC order."""
    media = MediaDescription(
        "audio",
        4000,
        "RTP/AVP",
        ("0",),
        connection=Connection.to_address("::1"),
        attributes=(Attribute("sendrecv"),),
    )
    assert [f"{line.type}={line.value}" for line in media.to_lines()] == [
        "m=audio 4000 RTP/AVP 0",
        "c=IN IP6 ::1",
        "a=sendrecv",
    ]
