"""The jitter buffer: order, gaps, delay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivrbench.rtp.jitter import JitterBuffer

FRAME = 160


def sound(timestamp: int, samples: int = FRAME) -> bytes:
    """Return a payload whose bytes tell where in the stream they belong."""
    return bytes((timestamp + n) // 20 % 251 for n in range(samples))


class Player:
    """A buffer and what was played from it."""

    def __init__(self, start: int = 0) -> None:
        self.buffer = JitterBuffer()
        self.start = start
        self.played: list[bytes | None] = []

    def put(self, *frames: int) -> None:
        """Deliver packets by their number."""
        for number in frames:
            at = number * FRAME
            self.buffer.put((self.start + at) & 0xFFFFFFFF, sound(at))

    def get(self, count: int = 1) -> list[int | None]:
        """Play frames and return their numbers, None for those that were not there."""
        return [self._get() for _ in range(count)]

    def _get(self) -> int | None:
        frame = self.buffer.get()
        if frame is None:
            return None
        assert len(frame) == FRAME
        return next(n for n in range(2000) if sound(n * FRAME) == frame)


def test_a_steady_stream_is_played_as_it_comes() -> None:
    """One packet in, one frame out, across the wrap of the timestamp."""
    player = Player(0xFFFFFF00)
    played = []
    for number in range(20):
        player.put(number)
        played += player.get()
    assert played == list(range(20))
    assert repr(player.buffer) == "<JitterBuffer delay=1 waiting=0.0 late=0 concealed=0>"


def test_packets_are_put_in_order() -> None:
    """Reordered packets come out in order, even those before the first to arrive."""
    player = Player()
    player.put(2, 1, 3)
    assert player.get(3) == [1, 2, 3]


def test_duplicates_are_dropped() -> None:
    """A copy is not played, whether its original waits or was played."""
    player = Player()
    player.put(1, 1, 2)
    assert player.get(2) == [1, 2]
    player.put(1)
    assert player.get() == [None]
    assert player.buffer.late == 2


def test_a_gap_is_concealed() -> None:
    """A missing frame asks for concealment and the next one comes in time."""
    player = Player()
    player.put(0, 1, 3)
    assert player.get(4) == [0, 1, None, 3]
    assert player.buffer.concealed == 1


def test_silence_comes_before_the_first_packet() -> None:
    """Nothing received is nothing to play and nothing to conceal."""
    player = Player()
    assert player.get(3) == [None] * 3
    assert player.buffer.concealed == 0


def test_a_late_packet_makes_the_delay_longer() -> None:
    """What comes too late is dropped, and the next ones get more time."""
    player = Player()
    player.put(0, 2, 3)
    assert player.get(2) == [0, None]
    player.put(1)
    assert player.buffer.delay_frames == 2
    assert player.buffer.late == 1
    assert player.get(2) == [2, 3]


def test_the_delay_has_a_limit() -> None:
    """However bad the network is, the delay grows to 200 ms and no further."""
    player = Player()
    for first in range(0, 15 * 30, 30):
        player.put(first, *range(first + 2, first + 30))
        assert player.get(2) == [first % 251, None]
        player.put(first + 1)
        player.get(40)
    assert player.buffer.delay_frames == 10
    assert player.buffer.late == 15


def test_a_network_that_doubles_packets_costs_no_delay() -> None:
    """Copies of what was played are late, but nothing was missed without them."""
    player = Player()
    for number in range(20):
        player.put(number)
        assert player.get() == [number]
        player.put(number)
    assert player.buffer.late == 20
    assert player.buffer.delay_frames == 1


def test_after_a_pause_the_stream_goes_on_without_delay() -> None:
    """A sender that was silent for a while is not played late by the length of its silence."""
    player = Player()
    player.put(0)
    assert player.get(50) == [0] + [None] * 49
    player.put(50, 51)
    assert player.get(2) == [50, 51]


def test_a_packet_after_an_underrun_is_still_played() -> None:
    """A stream that stalled goes on where it was; nothing is played twice."""
    player = Player()
    player.put(0)
    assert player.get(3) == [0, None, None]
    player.put(1, 2)
    assert player.get(2) == [1, 2]


def test_a_jump_of_the_timestamp_begins_anew() -> None:
    """A peer that restarts its clock is heard at once."""
    player = Player()
    player.put(0, 1)
    assert player.get() == [0]
    player.put(200)
    assert player.get() == [200]
    assert player.buffer.discarded == 1


def test_packets_of_any_length_give_whole_frames() -> None:
    """10, 30 and 40 ms packets are cut and joined into frames of 20 ms."""
    buffer = JitterBuffer()
    stream = sound(0, 1600)
    at = 0
    for samples in (80, 80, 240, 240, 320, 320, 320):
        buffer.put(at, stream[at : at + samples])
        at += samples
    played = [buffer.get() for _ in range(10)]
    assert b"".join(frame or b"" for frame in played) == stream


def test_a_partly_late_packet_keeps_its_good_part() -> None:
    """Of a long packet that is late the rest is played."""
    buffer = JitterBuffer()
    buffer.put(0, sound(0))
    buffer.put(480, sound(480))
    assert buffer.get() == sound(0)
    assert buffer.get() is None
    buffer.put(160, sound(160, 320))
    assert buffer.get() == sound(320)
    assert buffer.get() == sound(480)


def test_a_frame_with_a_hole_keeps_what_overlaps_the_next() -> None:
    """A packet that begins within a missing frame is good from the next frame on."""
    buffer = JitterBuffer()
    buffer.put(0, sound(0))
    buffer.put(240, sound(240))
    buffer.put(400, sound(400, 80))
    assert [buffer.get() for _ in range(3)] == [sound(0), None, sound(320)]


def test_a_surplus_is_worked_off() -> None:
    """A burst that would delay everything after it costs one frame a second."""
    player = Player()
    player.put(*range(5))
    for number in range(5, 160):
        player.put(number)
        player.get()
    assert player.buffer.waiting_frames <= 3
    assert player.buffer.discarded >= 2


def test_the_delay_shrinks_in_calm() -> None:
    """After 10 s without a late packet the delay is tried shorter."""
    player = Player()
    player.put(0, 2, 3)
    player.get(2)
    player.put(1)
    for number in range(4, 600):
        player.put(number)
        player.get()
    assert player.buffer.delay_frames == 1


def test_a_flood_is_bounded() -> None:
    """Packets nobody plays do not pile up."""
    buffer = JitterBuffer()
    for at in range(0, 10_000, 10):
        buffer.put(at, sound(at, 10))
    assert buffer.waiting_frames <= 100 * 10 / FRAME


def test_an_empty_packet_is_nothing() -> None:
    """A packet without audio neither starts nor delays anything."""
    buffer = JitterBuffer()
    buffer.put(0, b"")
    assert buffer.get() is None
    assert buffer.late == 0


def test_two_bytes_per_tick() -> None:
    """Linear audio has two bytes for each tick."""
    buffer = JitterBuffer(bytes_per_ts=2)
    buffer.put(0, bytes(640))
    assert buffer.waiting_frames == 2
    assert buffer.get() == bytes(320)
    buffer.put(320, b"\x00")
    assert buffer.get() == bytes(320)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=500)),
            st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=500)),
        ),
        max_size=80,
    )
)
def test_any_stream_gives_whole_frames(steps: list[tuple[int, bytes] | None]) -> None:
    """Whatever comes, a frame is whole or missing, and little is kept."""
    buffer = JitterBuffer()
    for step in steps:
        if step is None:
            frame = buffer.get()
            assert frame is None or len(frame) == FRAME
        else:
            buffer.put(*step)
        assert buffer.waiting_frames <= 210
