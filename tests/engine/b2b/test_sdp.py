"""Descriptions that go from one party to the other."""

from __future__ import annotations

from ivrbench.engine.b2b.sdp import Description, is_same_media, on_hold, puts_on_hold
from ivrbench.sdp.description import Direction, parse_sdp
from tests.engine.harness import sdp


def test_origin_is_ours_and_its_version_goes_up_with_changes() -> None:
    """RFC 3264 §8: one session for the peer, however many others it is told of."""
    told = Description(7, 3, "192.0.2.1")
    assert b"\r\no=- 7 4 IN IP4 192.0.2.1\r\ns=-\r\n" in told.tell(sdp(4000))
    assert told.tell(sdp(4000).replace(b"o=- 1 1", b"o=- 9 9")) == told.sent
    assert told.version == 4
    assert b"o=- 7 5 " in told.tell(sdp(4002))
    assert b"IN IP6 ::1" in Description(1, 0, "::1").tell(sdp())


def test_same_media() -> None:
    """Version and origin are not what is heard."""
    assert is_same_media(sdp(), sdp().replace(b"o=- 1 1", b"o=x 2 2"))
    assert not is_same_media(sdp(), sdp(direction="sendonly"))


def test_on_hold() -> None:
    """Every stream is inactive, everything else stays."""
    video = sdp(direction="sendrecv") + b"m=video 5000 RTP/AVP 99\r\na=sendonly\r\n"
    held = parse_sdp(on_hold(video))
    assert [held.direction_of(m) for m in held.media] == [Direction.INACTIVE] * 2
    assert [m.port for m in held.media] == [40_000, 5000]
    assert on_hold(b"v=0\r\n") == b"v=0\r\n"


def test_who_puts_on_hold() -> None:
    """sendonly, inactive, and the address of zeros; a refused stream is none."""
    assert puts_on_hold(sdp(direction="sendonly"))
    assert puts_on_hold(sdp(direction="inactive"))
    assert puts_on_hold(sdp(ip="0.0.0.0"))
    assert not puts_on_hold(sdp())
    assert not puts_on_hold(sdp(direction="recvonly"))
    assert not puts_on_hold(sdp(0, direction="inactive"))
