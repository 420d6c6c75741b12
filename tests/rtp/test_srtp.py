"""SRTP: the vectors of RFC 3711, and libsrtp as the measure of everything else."""

from __future__ import annotations

import random

import pylibsrtp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.packet import Extension, RtpPacket
from ivrbench.rtp.srtp import (
    MAX_SOURCES,
    TAG_BYTES,
    WINDOW,
    SessionKeys,
    SrtpReceiver,
    SrtpSender,
    StreamState,
    guess_index,
    next_index,
)

MASTER = bytes(range(100, 130))
PROFILES = {
    10: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    4: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
tags = st.sampled_from(sorted(TAG_BYTES.values()))
sequences = st.one_of(
    st.integers(0, 0xFFFF), st.integers(0xFFC0, 0xFFFF), st.integers(0, 5), st.just(0x8000)
)


def libsrtp(tag_bytes: int, *, sends: bool, master: bytes = MASTER) -> pylibsrtp.Session:
    """The other implementation, with a replay window as long as ours."""
    policy = pylibsrtp.Policy(
        key=master,
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        if sends
        else pylibsrtp.Policy.SSRC_ANY_INBOUND,
        srtp_profile=PROFILES[tag_bytes],
    )
    policy.window_size = WINDOW
    return pylibsrtp.Session(policy=policy)


def packet(sequence: int, payload: bytes, ssrc: int = 7) -> bytes:
    return RtpPacket(0, sequence & 0xFFFF, 160 * sequence & 0xFFFF_FFFF, ssrc, payload).to_bytes()


def sender(tag_bytes: int = 10) -> SrtpSender:
    return SrtpSender(SessionKeys(MASTER), tag_bytes, StreamState())


def receiver(tag_bytes: int = 10) -> SrtpReceiver:
    return SrtpReceiver(SessionKeys(MASTER), tag_bytes, StreamState())


def theirs(session: pylibsrtp.Session, sealed: bytes) -> bytes | None:
    """What libsrtp makes of a packet that comes."""
    try:
        plain: bytes = session.unprotect(sealed)
    except pylibsrtp.Error:
        return None
    return plain


# -- RFC 3711, appendix B


def test_key_stream_of_the_rfc() -> None:
    """RFC 3711 B.2: AES in counter mode."""
    keys = SessionKeys(bytes(30))
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    keys.cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    keys.salt = int("F0F1F2F3F4F5F6F7F8F9FAFBFCFD", 16)
    expected = (
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"
        "41E95B3BB0A2E8DD477901E4FCA894C0"
    )
    assert keys.key_stream(0, 0, 48).hex().upper() == expected
    assert keys.key_stream(0, 0, 20).hex().upper() == expected[:40]


def test_key_derivation_of_the_rfc() -> None:
    """RFC 3711 B.3: session keys of a master key."""
    keys = SessionKeys(
        bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
    )
    key = bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    assert keys.cipher.update(bytes(16)) == cipher.update(bytes(16))
    assert f"{keys.salt:028X}" == "30CBBC08863D8C85D49DB34A9AE1"
    assert keys.authentication.hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


@pytest.mark.parametrize("n", [0, 16, 28, 29, 31])
def test_keys_of_another_length_are_refused(n: int) -> None:
    """A key cannot be too short without anybody noticing."""
    with pytest.raises(LocalProtocolError, match="30 octets"):
        SessionKeys(bytes(n))


# -- the index


def test_index_is_guessed_as_the_rfc_says() -> None:
    """RFC 3711 §3.3.1: the round that brings a number nearest to the highest one; none below 0."""
    assert guess_index(-1, 40_000) == 40_000
    assert guess_index(10, 65_535) == 65_535
    assert guess_index(0x8001, 0) == 0x1_0000
    assert guess_index(0x1_0005, 0xFFFF) == 0xFFFF
    assert guess_index(0x1_0005, 0x8005) == 0x1_8005
    assert guess_index(0x1_0005, 0x8006) == 0x8006
    assert guess_index(0x2_FFFE, 3) == 0x3_0003


@given(st.integers(-1, 1 << 40), st.integers(0, 0xFFFF))
def test_no_index_is_sent_twice(highest: int, sequence: int) -> None:
    """Whatever the numbers do, an index is above all before it, and has the packet's number."""
    index = next_index(highest, sequence)
    assert highest < index <= highest + 0x1_0000
    assert index & 0xFFFF == sequence


# -- libsrtp


@given(tags, sequences, st.lists(st.tuples(st.integers(1, 2000), st.binary(max_size=400))))
def test_what_we_send_is_what_libsrtp_would(
    tag_bytes: int, first: int, packets: list[tuple[int, bytes]]
) -> None:
    """Octet by octet, over any sizes, gaps and wraps."""
    ours, other = sender(tag_bytes), libsrtp(tag_bytes, sends=True)
    sequence = first
    for step, payload in packets:
        plain = packet(sequence, payload)
        assert ours.protect(plain) == other.protect(plain)
        sequence += step


@given(
    tags,
    sequences,
    st.lists(
        st.tuples(
            st.integers(-80, 80),
            st.sampled_from(["as it is"] * 6 + ["changed", "cut", "stranger", "other SSRC"]),
            st.integers(0, 3000),
        ),
        max_size=60,
    ),
)
def test_we_take_what_libsrtp_takes(
    tag_bytes: int, first: int, deliveries: list[tuple[int, str, int]]
) -> None:
    """The same packets come through, the same are refused: lost, late, repeated, forged ones."""
    ours, other = receiver(tag_bytes), libsrtp(tag_bytes, sends=False)
    peer, stranger = sender(tag_bytes), SrtpSender(SessionKeys(bytes(30)), tag_bytes, StreamState())
    second = sender(tag_bytes)
    count = 200
    sent = [peer.protect(packet(first + n, bytes([n]) * (n % 50))) for n in range(count)]
    forged = [stranger.protect(packet(first + n, bytes(20))) for n in range(count)]
    others = [second.protect(packet(first + n, bytes([n]), ssrc=8)) for n in range(count)]
    at = 0
    for step, how, place in deliveries:
        at = min(max(at + step, 0), count - 1)
        data = {"stranger": forged, "other SSRC": others}.get(how, sent)[at]
        if how == "changed":
            place %= len(data)
            data = data[:place] + bytes([data[place] ^ 1 << at % 8]) + data[place + 1 :]
        elif how == "cut":
            data = data[: place % len(data)]
        assert ours.unprotect(data) == theirs(other, data)


@given(tags, st.integers(0, 15), st.one_of(st.none(), st.binary(max_size=40)), st.binary())
def test_headers_of_any_length_stay_readable(
    tag_bytes: int, csrcs: int, extension: bytes | None, payload: bytes
) -> None:
    """RFC 3711 §3.1: what is encrypted begins behind CSRCs and extension."""
    words = None if extension is None else Extension(0xBEDE, extension[: len(extension) // 4 * 4])
    plain = RtpPacket(
        96, 5, 6, 7, payload, csrcs=tuple(range(csrcs)), extension=words, padding_bytes=4
    ).to_bytes()
    sealed = sender(tag_bytes).protect(plain)
    assert sealed == libsrtp(tag_bytes, sends=True).protect(plain)
    assert receiver(tag_bytes).unprotect(sealed) == plain


@given(tags, st.binary(max_size=80))
def test_garbage_is_refused(tag_bytes: int, data: bytes) -> None:
    """Octets of any number raise nothing and change nothing."""
    state = StreamState()
    assert SrtpReceiver(SessionKeys(MASTER), tag_bytes, state).unprotect(data) is None
    assert state == StreamState()


def test_what_is_no_packet_is_not_sent() -> None:
    """Our own mistake is an error, not a packet."""
    for data in (b"", bytes(11), b"\x8f" + bytes(40), b"\x90" + bytes(13) + b"\xff\xff"):
        with pytest.raises(LocalProtocolError):
            sender().protect(data)


# -- state


def test_forged_packets_change_nothing() -> None:
    """A packet that is not the peer's moves neither index nor window, whatever it says."""
    state = StreamState()
    ours, peer = SrtpReceiver(SessionKeys(MASTER), 10, state), sender()
    assert ours.unprotect(peer.protect(packet(10, b"abc")))
    before = (state.ssrc, state.highest, state.seen)
    source = random.Random(3)
    for n in range(200):
        data = packet(source.randrange(0x1_0000), bytes(20), ssrc=source.choice((7, n)))
        assert ours.unprotect(data + source.randbytes(10)) is None
    assert (state.ssrc, state.highest, state.seen) == before


def test_streams_that_take_turns_are_each_told_apart() -> None:
    """Two SSRCs under one key: each has its rounds, and its window against repetition."""
    ours = receiver()
    peers = {ssrc: sender() for ssrc in (7, 8)}
    kept: list[bytes] = []
    for sequence in range(0xFFF0, 0x1_0010):
        for ssrc, peer in peers.items():
            plain = packet(sequence, b"audio", ssrc)
            kept.append(peer.protect(plain))
            assert ours.unprotect(kept[-1]) == plain
    assert [ours.unprotect(sealed) for sealed in kept] == [None] * len(kept)


def test_sources_are_remembered_in_number() -> None:
    """A peer that changes its SSRC all the time takes no more memory than MAX_SOURCES of them."""
    ours = receiver()
    for ssrc in range(3 * MAX_SOURCES):
        assert ours.unprotect(sender().protect(packet(1, b"audio", ssrc)))
    assert len(ours._others) < MAX_SOURCES
