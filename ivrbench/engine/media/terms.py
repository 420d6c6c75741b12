"""What a call's audio may be: the codecs offered and taken, keys for encryption, its weight."""

from __future__ import annotations

import datetime
import functools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.audio.codecs.g711 import LAWS
from ivrbench.audio.codecs.registry import installed_codecs
from ivrbench.media.codecs import find
from ivrbench.rtp.srtp import TAG_BYTES
from ivrbench.sdp.description import Codec
from ivrbench.sdp.security import KEY_BYTES, Keying, LocalSecurity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.audio.codecs.codec import CodecSpec
    from ivrbench.config.settings import Settings
    from ivrbench.sdp.negotiate import Agreement

__all__ = ["Certificate", "capabilities_of", "make_certificate", "security_of", "weight_of"]

DEFAULT_ORDER: Final = ("PCMU", "PCMA", "G722", "OPUS", "GSM", "L16")
"""What we offer where `codec_order` says nothing: what is cheap for both sides first."""
OPUS_FMTP: Final = "minptime=10;useinbandfec=1"  # RFC 7587 §6.1: what we would like to receive
DYNAMIC_PTS: Final = {
    ("OPUS", 48_000): 106,
    ("L16", 16_000): 97,
    ("L16", 8000): 98,
    ("L16", 48_000): 99,
}
SECURE_WEIGHT: Final = 0.4  # encryption of a G.711 call costs as much again as 0.4 of it
SINGLY_SECURE_WEIGHT: Final = 1.5  # where packets are encrypted one by one
NORMAL_PTIME_MS: Final = 20
CERTIFICATE_DAYS: Final = 365
CLOCK_LEEWAY: Final = datetime.timedelta(days=1)


def capabilities_of(order: Sequence[str], room: float = float("inf")) -> tuple[Codec, ...]:
    """The codecs that a call may have, best first.

    Args:
        order: names as in `codec_order`; none for all we have.
        room: what the media workers can still carry, in G.711 calls; dearer codecs are left out
            while one that fits is there.
    """
    offers = _offers(tuple(order) or DEFAULT_ORDER)
    affordable = [codec for spec, codec in offers if spec.cost_weight <= room]
    return tuple(affordable or [codec for _, codec in offers])


@functools.cache
def _offers(order: tuple[str, ...]) -> tuple[tuple[CodecSpec, Codec], ...]:
    return tuple(
        (spec, _codec(spec))
        for name in order
        for spec in installed_codecs()
        if spec.name.upper() == name
    )


def _codec(spec: CodecSpec) -> Codec:
    name = spec.name.upper()
    payload_type = spec.static_pt
    if payload_type is None:
        payload_type = DYNAMIC_PTS[name, spec.clock_rate_hz]
    fmtp = OPUS_FMTP if name == "OPUS" else ""
    return Codec(spec.name, payload_type, spec.clock_rate_hz, spec.channels, fmtp)


def weight_of(agreement: Agreement) -> float:
    """What a call costs the media worker, a plain G.711 call being 1."""
    codec = find(agreement.codec.name, agreement.codec.clock_rate_hz)
    weight = codec.spec.cost_weight if codec is not None else 1.0
    if agreement.sdes is not None or agreement.dtls is not None:
        # DTLS agrees on one of these suites too, if the peer knows them.
        in_bulk = agreement.sdes is None or agreement.sdes.suite in TAG_BYTES
        is_g711 = agreement.codec.name.upper() in LAWS
        weight += SECURE_WEIGHT if is_g711 and in_bulk else SINGLY_SECURE_WEIGHT
    # Shorter packets are more packets.
    return weight * max(1.0, NORMAL_PTIME_MS / agreement.ptime_ms)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What we show in DTLS handshakes."""

    certificate_pem: bytes
    key_pem: bytes
    fingerprint: str
    """As in SDP."""

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprint})"


def make_certificate(now: datetime.datetime) -> Certificate:
    """A certificate of our own: its fingerprint in the SDP is all that is trusted (RFC 5763 §5).

    Args:
        now: with time zone.
    """
    # Loaded only where encryption is on.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ivrbench")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_LEEWAY)
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Certificate(pem, key_pem, f"sha-256 {digest}")


def security_of(settings: Settings, certificate: Certificate | None) -> LocalSecurity | None:
    """What a new call can do for encryption, with a fresh key; None if it is off."""
    if settings.srtp == "off":
        return None
    return LocalSecurity(
        secrets.token_bytes(KEY_BYTES),
        required=settings.srtp == "required",
        fingerprint=certificate.fingerprint if certificate is not None else "",
        offers=Keying(settings.srtp_offer),
    )
