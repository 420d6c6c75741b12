"""What calls may agree on, and what they weigh."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ivrbench.config.settings import Settings
from ivrbench.engine.admission import Admission
from ivrbench.engine.media.terms import (
    capabilities_of,
    make_certificate,
    security_of,
    weight_of,
)
from ivrbench.media.codecs import find
from ivrbench.sdp.description import parse_sdp
from ivrbench.sdp.local import LocalMedia
from ivrbench.sdp.negotiate import Agreement, answer
from ivrbench.sdp.security import LocalSecurity

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def agreed(stream: str, security: LocalSecurity | None = None) -> Agreement:
    """Answer an offer with all we have."""
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    offered = parse_sdp((head + stream.replace(";", "\r\n") + "\r\n").encode())
    local = LocalMedia("127.0.0.1", 4000, 1, security=security)
    return answer(offered, local, capabilities_of(()))


def test_all_codecs_are_offered_with_payload_types_of_their_own() -> None:
    """Every codec of ours that lanes can carry is there once; no number is used twice."""
    codecs = capabilities_of(())
    assert {codec.name.upper() for codec in codecs} == {
        *("PCMU", "PCMA", "G722", "OPUS", "GSM", "L16")
    }
    assert len({codec.payload_type for codec in codecs}) == len(codecs)
    assert all(find(codec.name, codec.clock_rate_hz) for codec in codecs)


def test_codec_order_orders_and_excludes() -> None:
    """What `codec_order` names is there in its order, the rest is not."""
    names = [codec.name.upper() for codec in capabilities_of(("OPUS", "PCMA"))]
    assert names == ["OPUS", "PCMA"]


def test_dear_codecs_are_left_out_when_room_is_short() -> None:
    """With room for ten G.711 calls no Opus is taken; what was asked for alone stays."""
    assert "opus" not in {codec.name for codec in capabilities_of((), room=10.0)}
    assert [codec.name for codec in capabilities_of(("OPUS",), room=10.0)] == ["opus"]


@pytest.mark.parametrize(
    ("stream", "weight"),
    [
        ("m=audio 5004 RTP/AVP 0", 1.0),
        ("m=audio 5004 RTP/AVP 0;a=ptime:10", 2.0),
        ("m=audio 5004 RTP/AVP 0;a=ptime:60", 1.0),
        ("m=audio 5004 RTP/AVP 9", 7.0),
        ("m=audio 5004 RTP/AVP 96;a=rtpmap:96 opus/48000/2", 30.0),
    ],
)
def test_calls_weigh_what_their_audio_costs(stream: str, weight: float) -> None:
    """Opus costs as much as 30 calls of G.711, packets of half the length twice as much."""
    assert weight_of(agreed(stream)) == weight


@pytest.mark.parametrize(
    ("audio", "suite", "key", "weight"),
    [
        ("0", "AES_CM_128_HMAC_SHA1_80", "A" * 40, 1.4),
        ("8", "AES_CM_128_HMAC_SHA1_32", "A" * 40, 1.4),
        ("0;a=ptime:10", "AES_CM_128_HMAC_SHA1_80", "A" * 40, 2.8),
        ("0", "AEAD_AES_128_GCM", "A" * 38, 2.5),
        ("9", "AES_CM_128_HMAC_SHA1_80", "A" * 40, 8.5),
    ],
)
def test_encryption_adds_to_the_weight(audio: str, suite: str, key: str, weight: float) -> None:
    """Little where all calls of G.711 are encrypted at once, more where it is one by one."""
    stream = f"m=audio 5004 RTP/SAVP {audio};a=crypto:1 {suite} inline:{key}"
    assert weight_of(agreed(stream, LocalSecurity(bytes(46)))) == pytest.approx(weight)


def test_call_beyond_the_workers_capacity_is_refused() -> None:
    """503 with Retry-After and a sentence that names the key."""
    admission = Admission(Settings())
    assert admission.check("127.0.0.1", 0, 0.0, media_room=1.0) is None
    refusal = admission.check("127.0.0.1", 0, 0.0, media_room=0.5)
    assert refusal is not None
    assert refusal.code == 503
    assert refusal.headers == (("Retry-After", "2"),)
    assert "media_capacity" in refusal.sentence


def test_certificate_fits_its_fingerprint_and_hides_its_key() -> None:
    """The fingerprint is that of the certificate; the key is in no representation."""
    made = make_certificate(NOW)
    loaded = x509.load_pem_x509_certificate(made.certificate_pem)
    assert made.fingerprint == f"sha-256 {loaded.fingerprint(hashes.SHA256()).hex(':').upper()}"
    assert loaded.not_valid_before_utc < NOW < loaded.not_valid_after_utc
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize(("srtp", "required"), [("optional", False), ("required", True)])
def test_each_call_has_a_key_of_its_own(srtp: str, required: bool) -> None:
    """Keys are random and never shared; off means none."""
    made = make_certificate(NOW)
    one = security_of(Settings(srtp=srtp), made)
    two = security_of(Settings(srtp=srtp), made)
    assert one is not None
    assert two is not None
    assert one.key != two.key
    assert one.required is required
    assert one.fingerprint == made.fingerprint
    assert security_of(Settings(), None) is None
