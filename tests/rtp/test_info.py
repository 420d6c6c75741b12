"""Keys in SIP INFO bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.rtp.info import (
    DTMF,
    DTMF_RELAY,
    InfoKey,
    build_dtmf,
    build_dtmf_relay,
    parse_info,
)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"Signal=5\r\nDuration=160\r\n", InfoKey(5, 160)),
        (b"Signal= *\r\nDuration= 160", InfoKey(10, 160)),
        (b"SIGNAL = #\nDURATION = 90\n", InfoKey(11, 90)),
        (b"Duration=90\rsignal=d\r", InfoKey(15, 90)),
        (b"Signal=11\r\n", InfoKey(11, 250)),
        (b"Signal=16\r\nDuration=x\r\n", InfoKey(16, 250)),
        (b"Signal=1\r\nDuration=99999999999\r\n", InfoKey(1, 250)),
        (b"Signal=1\r\nDuration=60000\r\n", InfoKey(1, 10_000)),
        (b"Signal=1\r\nSignal=2\r\nVolume=3\r\n", InfoKey(1, 250)),
    ],
)
def test_dtmf_relay_in_any_spelling(body: bytes, key: InfoKey) -> None:
    """Blanks, case, line ends and order do not matter; a missing length is a usual one."""
    assert parse_info("Application/DTMF-Relay ; x=y", body) == key


@pytest.mark.parametrize(("body", "key"), [(b"5", 5), (b" *\r\n", 10), (b"b", 13), (b"11", 11)])
def test_dtmf_is_a_single_character(body: bytes, key: int) -> None:
    """`application/dtmf` names the key and no length."""
    assert parse_info(DTMF, body) == InfoKey(key, 250)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (DTMF_RELAY, b""),
        (DTMF_RELAY, b"Duration=160\r\n"),
        (DTMF_RELAY, b"Signal=\r\n"),
        (DTMF_RELAY, b"Signal=x\r\n"),
        (DTMF_RELAY, b"Signal=17\r\n"),
        (DTMF, b""),
        (DTMF, b"123"),
        (DTMF, b"\xb2\xb2"),
        (DTMF, b"\xff"),
    ],
)
def test_a_body_without_a_key_is_400(content_type: str, body: bytes) -> None:
    """An INFO that should tell a key and does not is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_info(content_type, body)
    assert caught.value.status_hint == 400


def test_another_type_is_415() -> None:
    """Bodies that are no keys are for somebody else."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_info("application/media_control+xml", b"<x/>")
    assert caught.value.status_hint == 415


@given(st.sampled_from([DTMF, DTMF_RELAY, ""]), st.binary(max_size=80))
def test_garbage_never_raises_anything_else(content_type: str, body: bytes) -> None:
    """Whatever comes is a key or a RemoteProtocolError."""
    try:
        key = parse_info(content_type, body).key
    except RemoteProtocolError:
        return
    assert 0 <= key <= 16


@pytest.mark.parametrize("key", range(17))
def test_what_is_written_is_read(key: int) -> None:
    """Both bodies name each key as we read it."""
    assert parse_info(DTMF_RELAY, build_dtmf_relay(key, 120)) == InfoKey(key, 120)
    assert parse_info(DTMF, build_dtmf(key)).key == key


def test_there_are_seventeen_keys() -> None:
    """A key that does not exist is not sent."""
    assert build_dtmf_relay(10, 160) == b"Signal=*\r\nDuration=160\r\n"
    with pytest.raises(LocalProtocolError, match="no key number 17"):
        build_dtmf(17)
