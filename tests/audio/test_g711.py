"""G.711, octet by octet and sample by sample against the recommendation."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.codecs.g711 import LAWS, PCMA, PCMU, Law

SAMPLES = np.arange(-32768, 32768).astype(np.int16)
OCTETS = np.arange(256).astype(np.uint8)


def ulaw_compress(sample: int) -> int:
    """ITU-T G.711 table 2, as the reference code of G.191 writes it: 14 bits, bias 33."""
    magnitude = min(((~sample if sample < 0 else sample) >> 2) + 33, 0x1FFF)
    segment = 1
    while magnitude >> 6 >> (segment - 1):
        segment += 1
    octet = (8 - segment) << 4 | 0xF - (magnitude >> segment & 0xF)
    return octet | 0x80 if sample >= 0 else octet


def ulaw_expand(octet: int) -> int:
    """ITU-T G.711 table 2: the output value of each interval, scaled to 16 bits."""
    exponent, mantissa = ~octet >> 4 & 7, ~octet & 0xF
    step = 8 << exponent
    magnitude = (0x80 << exponent) + step * mantissa + step // 2 - 4 * 33
    return magnitude if octet & 0x80 else -magnitude


def alaw_compress(sample: int) -> int:
    """ITU-T G.711 table 1, as the reference code of G.191 writes it: 12 bits and sign."""
    level = (~sample if sample < 0 else sample) >> 4
    if level > 15:
        exponent = 1
        while level > 31:
            level >>= 1
            exponent += 1
        level = level - 16 + (exponent << 4)
    return (level | 0x80 if sample >= 0 else level) ^ 0x55


def alaw_expand(octet: int) -> int:
    """ITU-T G.711 table 1: the output value of each interval, scaled to 16 bits."""
    code = (octet ^ 0x55) & 0x7F
    exponent, mantissa = code >> 4, code & 0xF
    magnitude = (mantissa + (16 if exponent else 0) << 4) + 8
    if exponent > 1:
        magnitude <<= exponent - 1
    return magnitude if octet & 0x80 else -magnitude


@pytest.mark.parametrize(
    ("law", "compress"), [(PCMU, ulaw_compress), (PCMA, alaw_compress)], ids=["PCMU", "PCMA"]
)
def test_every_sample_is_encoded_exactly(law: Law, compress: object) -> None:
    """All 65536 samples give the octet the recommendation says."""
    assert callable(compress)
    expected = [compress(int(sample)) for sample in SAMPLES]
    assert law.encode(SAMPLES).tolist() == expected


@pytest.mark.parametrize(
    ("law", "expand"), [(PCMU, ulaw_expand), (PCMA, alaw_expand)], ids=["PCMU", "PCMA"]
)
def test_every_octet_is_decoded_exactly(law: Law, expand: object) -> None:
    """All 256 octets give the sample the recommendation says."""
    assert callable(expand)
    assert law.decode(OCTETS).tolist() == [expand(octet) for octet in range(256)]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_known_points(law: Law) -> None:
    """Silence, both ends, and decoding undone by encoding."""
    assert law.encode(np.zeros(3, np.int16)).tolist() == [law.silence] * 3
    assert abs(int(law.decode(np.array([law.silence], np.uint8))[0])) <= 8
    ends = law.decode(law.encode(np.array([32767, -32768], np.int16)))
    assert ends.tolist() == ([32124, -32124] if law is PCMU else [32256, -32256])
    again = law.encode(law.decode(OCTETS))
    # µ-law has two zeros, of which the positive one is written.
    assert (again != OCTETS).sum() == (1 if law is PCMU else 0)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_arrays_of_any_shape_and_given_room(law: Law) -> None:
    """Many calls are one array, and the result goes where it is wanted."""
    pcm = np.arange(-1600, 1600, dtype=np.int16).reshape(20, 160)
    octets = np.empty((20, 160), np.uint8)
    assert law.encode(pcm, octets) is octets
    back = np.empty((20, 160), np.int16)
    assert law.decode(octets, back) is back
    assert np.array_equal(back, law.decode(law.encode(pcm)))
    assert np.abs(back.astype(int) - pcm).max() <= 64
    assert law.encode(pcm[:, ::2]).shape == (20, 80)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_tables_cannot_be_changed(law: Law) -> None:
    """The tables are shared by all calls."""
    for table in (law.decode_table, law.encode_table):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1
