"""Keys as RFC 4733 events: received and sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.dtmf import (
    DtmfReceiver,
    KeyPressed,
    KeyReleased,
    TelephoneEvent,
    dtmf_packets,
    key_from_name,
    key_name,
    parse_event,
)

Seen = list[KeyPressed | KeyReleased]


class Line:
    """A receiver with a clock, for tests that send packets 20 ms apart."""

    def __init__(self) -> None:
        self.receiver = DtmfReceiver()
        self.now = 0.0

    def packet(self, key: int, timestamp: int, duration_ts: int, *, end: bool = False) -> Seen:
        """Deliver one packet, let 20 ms pass, and return what was seen."""
        event = TelephoneEvent(key, end, 10, duration_ts)
        self.receiver.receive(event.to_bytes(), timestamp, self.now)
        return self.wait(0.02)

    def wait(self, seconds: float) -> Seen:
        """Let time pass and return what was seen."""
        self.now += seconds
        self.receiver.on_deadline(self.now)
        return self.seen()

    def seen(self) -> Seen:
        """Return what was seen since the last time."""
        events: Seen = []
        while (event := self.receiver.next_event()) is not None:
            events.append(event)
        return events

    def key(self, key: int, duration_ms: int, timestamp: int, lose: tuple[int, ...] = ()) -> Seen:
        """Deliver a whole key but for the packets lost, and return what was seen."""
        events: Seen = []
        for number, packet in enumerate(dtmf_packets(key, duration_ms)):
            if number not in lose:
                at = (timestamp + packet.timestamp_offset) & 0xFFFFFFFF
                self.receiver.receive(packet.payload, at, self.now)
            events += self.wait(0.02)
        return events


def one(key: int, duration_ms: int) -> Seen:
    """Return what one key looks like."""
    return [KeyPressed(key), KeyReleased(key, duration_ms)]


@pytest.mark.parametrize("key", range(17))
def test_each_key_is_seen_once_with_its_true_length(key: int) -> None:
    """A 160 ms key is one press and one release of 160 ms."""
    assert Line().key(key, 160, 8000) == one(key, 160)


def test_the_press_is_seen_at_the_first_packet() -> None:
    """A press is not held back until the key's end."""
    line = Line()
    assert line.packet(5, 1000, 160) == [KeyPressed(5)]
    assert line.packet(5, 1000, 320) == []
    assert repr(line.receiver) == "<DtmfReceiver key 5 down>"
    assert line.packet(5, 1000, 480, end=True) == [KeyReleased(5, 60)]
    assert line.receiver.deadline() is None
    assert repr(line.receiver) == "<DtmfReceiver key 5 up>"


@pytest.mark.parametrize("lose", [(0,), (0, 1, 2), (3,), (7,), (7, 8), (0, 1, 2, 3, 4, 5, 6, 7, 8)])
def test_lost_packets_do_not_lose_the_key(lose: tuple[int, ...]) -> None:
    """As long as one end packet comes, the key and its length are known."""
    assert Line().key(9, 160, 8000, lose) == one(9, 160)


def test_a_lost_end_is_noticed_by_silence() -> None:
    """100 ms after the last packet the key is up; its length is what was heard of it."""
    line = Line()
    assert line.key(9, 160, 8000, lose=(7, 8, 9)) == [KeyPressed(9)]
    assert line.receiver.deadline() == pytest.approx(0.12 + 0.1)
    assert line.wait(0.019) == []
    assert line.wait(0.002) == [KeyReleased(9, 140)]


def test_late_packets_of_a_released_key_are_ignored() -> None:
    """Copies of the end and packets overtaken by it are no new key."""
    line = Line()
    line.key(1, 100, 8000)
    assert line.packet(1, 8000, 800, end=True) == []
    assert line.packet(1, 8000, 320) == []
    assert line.packet(2, 9600, 160) == [KeyPressed(2)]
    assert line.packet(1, 8000, 800, end=True) == []
    assert line.packet(2, 9600, 320, end=True) == [KeyReleased(2, 40)]


def test_a_new_timestamp_is_a_new_press_of_the_same_key() -> None:
    """Two quick presses are two keys, even if the first one's end was lost."""
    line = Line()
    assert line.key(3, 60, 8000) + line.key(3, 60, 9000) == one(3, 60) + one(3, 60)
    assert line.packet(3, 12000, 320) == [KeyPressed(3)]
    assert line.packet(3, 13000, 160) == [KeyReleased(3, 40), KeyPressed(3)]


def test_another_key_under_the_same_timestamp_is_ignored() -> None:
    """One timestamp is one key (RFC 4733 §2.5.1.2)."""
    line = Line()
    line.packet(3, 8000, 160)
    assert line.packet(4, 8000, 320, end=True) == []


def test_a_reordered_packet_does_not_shorten_the_key() -> None:
    """The longest length heard counts."""
    line = Line()
    line.packet(3, 8000, 480)
    line.packet(3, 8000, 160)
    assert line.wait(0.1) == [KeyReleased(3, 60)]


def test_long_keys_go_on_over_segments() -> None:
    """A key longer than 65535 ticks is one key with its whole length (§2.5.1.3)."""
    assert Line().key(7, 20_000, 0xFFFFF000) == one(7, 20_000)


def test_the_clock_rate_gives_the_length() -> None:
    """Ticks are counted at the rate agreed on."""
    receiver = DtmfReceiver(48_000)
    receiver.receive(TelephoneEvent(1, True, 0, 4800).to_bytes(), 0, 0.0)
    receiver.next_event()
    assert receiver.next_event() == KeyReleased(1, 100)


def test_a_timestamp_far_back_is_a_new_stream() -> None:
    """A sender that restarted its clock is heard; so is one after `reset`."""
    line = Line()
    line.key(1, 60, 100_000_000)
    assert line.key(1, 60, 50_000) == one(1, 60)
    assert line.packet(1, 40_000, 160) == []
    line.receiver.reset()
    assert line.packet(1, 40_000, 160) == [KeyPressed(1)]
    line.receiver.reset()
    assert line.seen() == [KeyReleased(1, 20)]


def test_what_is_no_key_is_ignored() -> None:
    """Short payloads and events that are no keys (fax tones) are passed over."""
    line = Line()
    line.receiver.receive(b"\x05\x80\x00", 0, 0.0)
    assert line.packet(32, 8000, 160) == []
    assert parse_event(b"") is None


@given(
    st.lists(
        st.tuples(st.binary(max_size=6), st.integers(0, 0xFFFFFFFF), st.floats(0, 0.3)),
        max_size=40,
    )
)
def test_presses_and_releases_alternate_whatever_comes(
    packets: list[tuple[bytes, int, float]],
) -> None:
    """Each press is followed by its own release, and nothing raises."""
    line = Line()
    events: Seen = []
    for payload, timestamp, passed_s in packets:
        line.receiver.receive(payload, timestamp, line.now)
        events += line.wait(passed_s)
    events += line.wait(1.0)
    for press, release in zip(events[::2], events[1::2], strict=True):
        assert isinstance(press, KeyPressed)
        assert isinstance(release, KeyReleased)
        assert press.key == release.key


@given(st.integers(0, 16), st.integers(20, 30_000))
def test_what_is_sent_is_what_is_received(key: int, duration_ms: int) -> None:
    """Both ends together: the receiver sees the key the sender sent."""
    assert Line().key(key, duration_ms, 0xFFFFFF00) == one(key, duration_ms)


def test_the_packets_of_a_key() -> None:
    """One timestamp, marker on the first packet, length growing, the end three times."""
    packets = dtmf_packets(11, 50)
    assert [parse_event(p.payload) for p in packets] == [
        TelephoneEvent(11, False, 10, 160),
        TelephoneEvent(11, False, 10, 320),
        TelephoneEvent(11, True, 10, 400),
        TelephoneEvent(11, True, 10, 400),
        TelephoneEvent(11, True, 10, 400),
    ]
    assert [p.marker for p in packets] == [True, False, False, False, False]
    assert {p.timestamp_offset for p in packets} == {0}


def test_a_key_lasts_a_packet_at_least() -> None:
    """A key of no length is sent as one packet time."""
    assert Line().key(1, 0, 8000) == one(1, 20)


@pytest.mark.parametrize("key", [-1, 17])
def test_there_are_seventeen_keys(key: int) -> None:
    """A key that does not exist is not sent."""
    with pytest.raises(LocalProtocolError, match=f"no key number {key}"):
        dtmf_packets(key, 100)


def test_keys_have_names() -> None:
    """Names and numbers of keys belong together (RFC 4733 §3.2)."""
    assert [key_from_name(key_name(key)) for key in range(16)] == list(range(16))
    assert key_from_name("d") == 15
    assert key_name(16) == "flash"
    assert key_from_name("E") is None
    assert key_from_name("12") is None
    assert key_from_name("") is None
