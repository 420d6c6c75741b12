"""Keys for encrypted audio in session descriptions: SDES (RFC 4568) and DTLS-SRTP (RFC 5763)."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ivrbench.sdp.attributes import Attribute

if TYPE_CHECKING:
    from ivrbench.sdp.description import MediaDescription, SessionDescription

__all__ = [
    "KEY_BYTES",
    "SUITES",
    "CryptoLine",
    "DtlsParameters",
    "DtlsRole",
    "Keying",
    "LocalSecurity",
    "Security",
    "SrtpKeys",
    "agree",
    "complete",
    "is_secure",
    "offer_again",
    "offer_attributes",
    "usable_protos",
]

SUITES: Final = {
    # RFC 4568 §6.2, RFC 7714 §14.2: octets of master key and salt together
    "AES_CM_128_HMAC_SHA1_80": 16 + 14,
    "AES_CM_128_HMAC_SHA1_32": 16 + 14,
    "AEAD_AES_128_GCM": 16 + 12,
    "AEAD_AES_256_GCM": 32 + 12,
}
"""What we can encrypt with."""
OFFERED_SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_32")
KEY_BYTES: Final = max(SUITES.values())
"""Random octets that our key of any suite is taken from."""
PLAIN_PROTOS: Final = ("RTP/AVP", "RTP/AVPF")
SDES_PROTOS: Final = ("RTP/SAVP", "RTP/SAVPF")
DTLS_PROTOS: Final = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
HASHES: Final = ("sha-256", "sha-384", "sha-512")  # RFC 8122 §5 rules the older ones out


class Keying(enum.Enum):
    """How the keys of a stream are agreed on."""

    PLAIN = "plain"
    """There are none."""
    SDES = "sdes"
    """They stand in the session description (RFC 4568)."""
    DTLS = "dtls"
    """By a handshake in the media path (RFC 5763)."""


@dataclass(frozen=True, slots=True)
class LocalSecurity:
    """What we can do, and insist on, for the encryption of a call."""

    key: bytes = field(repr=False)
    """`KEY_BYTES` random octets, for this call alone: the key of what we send."""
    required: bool = False
    """True: no call without encryption."""
    fingerprint: str = ""
    """Of our DTLS certificate, as in SDP: `sha-256 4A:AD:…`; "" if we have none."""
    offers: Keying = Keying.SDES
    """What our own offers carry; a peer's offer may have any of them."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """SDES keys of both directions; they are never shown."""

    suite: str
    """A key of `SUITES`."""
    send: bytes = field(repr=False)
    """Master key and salt of what we send."""
    receive: bytes = field(repr=False)
    """Master key and salt of what the peer sends."""


class DtlsRole(enum.Enum):
    """Who begins the DTLS handshake (RFC 4145 §4, RFC 5763 §5)."""

    ACTIVE = "active"
    PASSIVE = "passive"


@dataclass(frozen=True, slots=True)
class DtlsParameters:
    """How the keys will be agreed on over the media path."""

    role: DtlsRole
    """Ours."""
    fingerprint: str
    """Of the certificate that the peer has to show: `sha-256 4A:AD:…`."""


@dataclass(frozen=True, slots=True)
class Security:
    """How a stream is encrypted, and what our description says about it."""

    attributes: tuple[Attribute, ...] = ()
    """For our stream."""
    sdes: SrtpKeys | None = None
    dtls: DtlsParameters | None = None


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One usable `a=crypto` attribute."""

    tag: int
    suite: str
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, value: str) -> CryptoLine | None:
        """Read an attribute's value, None if it asks for what we cannot do.

        RFC 4568 §9.1: tag 1*WSP crypto-suite 1*WSP key-params *(1*WSP session-param)
        """
        match = _CRYPTO.fullmatch(value.strip())
        if match is None or match["suite"] not in SUITES:
            return None
        # RFC 4568 §6.3: a parameter that begins with "-" may be ignored, others change the packets.
        needed = [p for p in match["params"].split() if not p.startswith(("-", "WSH=", "KDR=0"))]
        try:
            key = base64.b64decode(match["key"] + "=" * (-len(match["key"]) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
        if needed or len(key) != SUITES[match["suite"]]:
            return None
        return cls(int(match["tag"]), match["suite"], key)

    def to_attribute(self) -> Attribute:
        """Return it as an `a=crypto` attribute."""
        key = base64.b64encode(self.key).decode()
        return Attribute("crypto", f"{self.tag} {self.suite} inline:{key}")


# A lifetime may follow the key; a master key identifier (`|1:4`) or a second key is beyond us.
_CRYPTO: Final = re.compile(
    r"(?P<tag>[0-9]{1,9})\s+(?P<suite>\S+)\s+inline:(?P<key>[A-Za-z0-9+/]+)=*"
    r"(?:\|(?:2\^)?[0-9]+)?(?P<params>(?:\s+\S+)*)"
)
_FINGERPRINT: Final = re.compile(r"(\S+)\s+([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63})")


def usable_protos(local: LocalSecurity | None) -> tuple[str, ...]:
    """The transports of a stream that we could accept."""
    if local is None:
        return PLAIN_PROTOS
    dtls = DTLS_PROTOS if local.fingerprint else ()
    plain = PLAIN_PROTOS  # with keys where encryption is required: best-effort encryption
    return plain + SDES_PROTOS + dtls


def is_secure(proto: str) -> bool:
    """Whether a stream's transport says that it is encrypted."""
    return proto not in PLAIN_PROTOS


def agree(
    offered: SessionDescription, stream: MediaDescription, local: LocalSecurity | None
) -> Security | None:
    """Answer an offered stream's keys.

    Args:
        offered: the whole offer.
        stream: one of its streams, of a usable transport.
        local: our side, None if encryption is off.

    Returns:
        How it will be encrypted, or None if the stream cannot be accepted so.
    """
    if local is None:
        return None if is_secure(stream.proto) else Security()
    if stream.proto not in DTLS_PROTOS:
        lines = [CryptoLine.parse(value) for value in stream.attribute_values("crypto")]
        for line in lines:
            if line is not None:
                ours = CryptoLine(line.tag, line.suite, local.key[: SUITES[line.suite]])
                keys = SrtpKeys(line.suite, ours.key, line.key)
                return Security((ours.to_attribute(),), sdes=keys)
    if is_secure(stream.proto) and local.fingerprint:
        dtls = _dtls_of(offered, stream)
        if dtls is not None:
            attributes = (
                Attribute("fingerprint", local.fingerprint),
                Attribute("setup", dtls.role.value),
            )
            return Security(attributes, dtls=dtls)
    return None if local.required or is_secure(stream.proto) else Security()


def _dtls_of(described: SessionDescription, stream: MediaDescription) -> DtlsParameters | None:
    """How DTLS goes with a peer's offer or answer, None without a fingerprint.

    The peer begins, unless it says that we have to: so an answerer that says nothing means it
    (RFC 5763 §5). For its offer we differ, where the RFC would rather have the answerer begin: the
    peer begins as soon as it has our answer, and a first packet of ours could come before that
    and would cost it a second.
    """
    fingerprint = _fingerprint_of(described, stream)
    if not fingerprint:
        return None
    setup = next(iter(_values(described, stream, "setup")), "")
    role = DtlsRole.ACTIVE if setup == "passive" else DtlsRole.PASSIVE
    return DtlsParameters(role, fingerprint)


def _fingerprint_of(offered: SessionDescription, stream: MediaDescription) -> str:
    for value in _values(offered, stream, "fingerprint"):
        match = _FINGERPRINT.fullmatch(value.strip())
        if match is not None and match[1].lower() in HASHES:
            return f"{match[1].lower()} {match[2].upper()}"
    return ""


def _values(described: SessionDescription, stream: MediaDescription, name: str) -> list[str]:
    """The values of an attribute: the stream's, else the session's."""
    own = stream.attribute_values(name)
    return own or [a.value for a in described.attributes if a.name == name and a.value is not None]


def offer_attributes(local: LocalSecurity | None) -> tuple[str, tuple[Attribute, ...]]:
    """The transport of a stream we offer, and the attributes that offer keys.

    Where encryption is optional the keys of SDES stand in a plain stream: a peer that knows them
    takes one, any other ignores them. DTLS has no such way: a peer that does not know it refuses.
    """
    if local is None or local.offers is Keying.PLAIN:
        return PLAIN_PROTOS[0], ()
    if local.offers is Keying.DTLS and local.fingerprint:
        # RFC 5763 §5: the offerer leaves it to the peer who begins the handshake.
        setup = Attribute("setup", "actpass")
        return DTLS_PROTOS[0], (Attribute("fingerprint", local.fingerprint), setup)
    lines = tuple(
        CryptoLine(tag, suite, local.key[: SUITES[suite]]).to_attribute()
        for tag, suite in enumerate(OFFERED_SUITES, 1)
    )
    return (SDES_PROTOS[0] if local.required else PLAIN_PROTOS[0]), lines


def complete(
    answered: SessionDescription, stream: MediaDescription, local: LocalSecurity | None
) -> Security | None:
    """Read the keys in the peer's answer to our offer.

    Args:
        answered: the whole answer.
        stream: its audio stream.
        local: our side, None if encryption is off.

    Returns:
        How the stream is encrypted; None if it is not although it has to be.
    """
    if local is None:
        return None if is_secure(stream.proto) else Security()
    if stream.proto in DTLS_PROTOS:
        dtls = _dtls_of(answered, stream)
        return None if dtls is None else Security(dtls=dtls)
    for value in stream.attribute_values("crypto"):
        line = CryptoLine.parse(value)
        # RFC 4568 §5.1.3: the tag and suite have to be those of one of our lines.
        if line is not None and (line.tag, line.suite) in enumerate(OFFERED_SUITES, 1):
            keys = SrtpKeys(line.suite, local.key[: SUITES[line.suite]], line.key)
            return Security(sdes=keys)
    return None if local.required or is_secure(stream.proto) else Security()


def offer_again(
    local: LocalSecurity | None, sdes: SrtpKeys | None, dtls: DtlsParameters | None
) -> LocalSecurity | None:
    """What a later offer of a call carries: what was agreed on, not what a new call would get."""
    if local is None:
        return None
    keying = Keying.DTLS if dtls else Keying.SDES if sdes or local.required else Keying.PLAIN
    return replace(local, offers=keying)
