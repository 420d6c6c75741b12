"""The stream framer: messages found whatever the pieces, pings answered, lost framing reported."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.framer import StreamFramer
from ivrbench.sip.message import MAX_BODY_BYTES, MAX_HEAD_BYTES

from .helpers import SDP, request

MESSAGES = [
    request("INVITE", branch="1", body=SDP),
    request("OPTIONS", branch="2").replace(b"Content-Length", b"l"),
    request("MESSAGE", branch="3", body=b"\r\n\r\nINVITE sip:x SIP/2.0\r\n\r\n"),
]


def feed(framer: StreamFramer, pieces: list[bytes]) -> list[bytes]:
    messages = []
    for piece in pieces:
        framer.receive(piece)
        while (message := framer.next_message()) is not None:
            messages.append(message)
    return messages


def test_split_at_any_byte() -> None:
    """Every cut of the stream into two gives the same messages."""
    stream = b"".join(MESSAGES)
    for cut in range(len(stream) + 1):
        assert feed(StreamFramer(), [stream[:cut], stream[cut:]]) == MESSAGES


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=30))
def test_split_in_many(sizes: list[int]) -> None:
    """Any number of pieces, pings between the messages."""
    rest = b"\r\n\r\n".join([*MESSAGES, b""])
    pieces = []
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    framer = StreamFramer()
    assert feed(framer, [*pieces, rest]) == MESSAGES
    assert framer.to_send() == b"\r\n" * 3
    assert framer.to_send() == b""
    assert framer.buffered_bytes == 0


def test_byte_by_byte() -> None:
    """Single bytes, with a ping before and a stray line end between."""
    stream = b"\r\n\r\n" + MESSAGES[0] + b"\r\n" + MESSAGES[1]
    framer = StreamFramer()
    assert feed(framer, [bytes([byte]) for byte in stream]) == MESSAGES[:2]
    assert framer.to_send() == b"\r\n"


@pytest.mark.parametrize("length", [b"-1", b"abc", b"", b"1, 2", b"99999999999"])
def test_unusable_length(length: bytes) -> None:
    """RFC 4475 §3.1.2.3: the head is given once so that it can be answered, then the stream is
    lost.
    """
    data = request("OPTIONS", branch="1").replace(b"Length: 0", b"Length: " + length)
    framer = StreamFramer()
    framer.receive(data + MESSAGES[0])
    assert framer.next_message() == data
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            framer.next_message()


def test_two_lengths() -> None:
    """RFC 4475 §3.3.9: two differing lengths; two equal ones still frame."""
    base = request("OPTIONS", branch="1")
    for second, lost in ((b"5", True), (b"0", False)):
        data = base.replace(b"Max-Forwards", b"l: " + second + b"\r\nMax-Forwards")
        framer = StreamFramer()
        framer.receive(data)
        assert framer.next_message() == data
        if lost:
            with pytest.raises(RemoteProtocolError):
                framer.next_message()
        else:
            assert framer.next_message() is None


def test_limits() -> None:
    """A head without end and a body too large are refused, not buffered."""
    framer = StreamFramer()
    framer.receive(b"INVITE sip:x SIP/2.0\r\nX: " + b"a" * MAX_HEAD_BYTES)
    with pytest.raises(RemoteProtocolError) as error:
        framer.next_message()
    assert error.value.status_hint == 513
    framer = StreamFramer()
    length = str(MAX_BODY_BYTES + 1).encode()
    framer.receive(request("OPTIONS", branch="1").replace(b"Length: 0", b"Length: " + length))
    assert framer.next_message() is not None
    with pytest.raises(RemoteProtocolError) as error:
        framer.next_message()
    assert error.value.status_hint == 413


@pytest.mark.parametrize(
    ("length", "follows"),
    [
        (b"Content-Length:\r\n 3", True),
        (b"l \t:\r\n\t\r\n  3 ", True),
        (b"Content-Length: 3\r\n\t", True),
        (b"Content-Length: 3\r\n 0", False),
        (b"Content-Length:\r\n ", False),
        (b"X: a\r\n l: 9\r\nContent-Length: 3", True),
    ],
)
def test_folded_length(length: bytes, follows: bool) -> None:
    """RFC 3261 §7.3.1: a folded Content-Length counts, and what is folded into another header does
    not.
    """
    head = b"MESSAGE sip:a@b SIP/2.0\r\n" + length + b"\r\n\r\n"
    framer = StreamFramer()
    framer.receive(head + b"abc" + head)
    first = framer.next_message()
    if follows:
        assert first == head + b"abc"
        assert framer.next_message() is None, "the second one has no body yet"
    else:
        assert first == head
        with pytest.raises(RemoteProtocolError):
            framer.next_message()
