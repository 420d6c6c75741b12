"""Encrypted audio (RFC 3711): a call's sockets with libsrtp between them and the lanes.

Lanes see plain packets; what cannot be authenticated, or was there before, never reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pylibsrtp

from ivrbench.media.sockets import MAX_DATAGRAM_BYTES, Datagram
from ivrbench.rtp.rtcp import is_rtcp

if TYPE_CHECKING:
    from ivrbench.media.dtls import Handshake
    from ivrbench.media.messages import SrtpParams
    from ivrbench.media.sockets import Address, RtcpSocket, RtpSocket

__all__ = ["SecureRtcpSocket", "SecureRtpSocket", "SrtpContext", "is_dtls"]

_PROFILES: Final = {
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
MAX_REJECTED: Final = 8
"""Untrusted packets passed over at once: they must neither eat the tick nor hold others up."""
DTLS_FIRST: Final = range(20, 64)  # RFC 7983 §7: first octet of DTLS on a media port


def is_dtls(data: bytes | memoryview) -> bool:
    """Whether a datagram on the media port belongs to DTLS."""
    return len(data) > 0 and data[0] in DTLS_FIRST


class SrtpContext:
    """Encryption of both directions of one call, RTP and RTCP. Raises OSError where it fails."""

    def __init__(self, params: SrtpParams) -> None:
        self._out = _session(params.suite, params.send_key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._in = _session(params.suite, params.receive_key, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    def protect(self, data: bytes) -> bytes:
        """Encrypt a packet; told apart by its second octet."""
        try:
            if is_rtcp(data):
                return self._out.protect_rtcp(data)
            return self._out.protect(data)
        except pylibsrtp.Error as exc:
            raise OSError(f"SRTP: {exc}") from exc

    def unprotect(self, data: bytes) -> bytes:
        """Decrypt a packet, if it is the peer's and not a repetition (RFC 3711 §3.3.2)."""
        try:
            if is_rtcp(data):
                return self._in.unprotect_rtcp(data)
            return self._in.unprotect(data)
        except (pylibsrtp.Error, ValueError) as exc:
            raise OSError(f"SRTP: {exc}") from exc


class SecureRtpSocket:
    """`RtpSocket` that encrypts. Without a context yet, nothing goes out and only DTLS comes in.

    Attributes:
        context: the keys; None while DTLS has not agreed on them.
        handshake: the DTLS handshake, if there is one.
        rejected: packets that were not the peer's, or were there before.
    """

    def __init__(self, inner: RtpSocket) -> None:
        self.inner = inner
        self.context: SrtpContext | None = None
        self.handshake: Handshake | None = None
        self.rejected = 0
        self._scratch = memoryview(bytearray(MAX_DATAGRAM_BYTES))

    def send(self, data: memoryview | bytes, /) -> int:
        context = self.context or self._agreed()
        if context is None:
            return 0
        return self.inner.send(context.protect(bytes(data)))

    def recv_into(self, buffer: memoryview, /) -> int:
        for _ in range(MAX_REJECTED):
            n = self.inner.recv_into(self._scratch)
            data = self.reveal(bytes(self._scratch[:n]))[: len(buffer)]
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    @property
    def arrived_s(self) -> float:
        return self.inner.arrived_s

    def stamp(self, on: bool) -> None:
        self.inner.stamp(on)

    def connect(self, peer: Address) -> None:
        self.inner.connect(peer)

    def stray(self) -> Datagram | None:
        datagram = self.inner.stray()
        if datagram is None or is_dtls(datagram.data):
            return datagram
        return Datagram(self.reveal(datagram.data), datagram.source)

    def close(self) -> None:
        self.inner.close()

    def reveal(self, data: bytes) -> bytes:
        """The plain packet; nothing if it was for DTLS or is not to be trusted."""
        if is_dtls(data):
            if self.handshake is not None:
                self.handshake.feed(data)
            return b""
        context = self.context or self._agreed()
        if context is None:
            self.rejected += 1
            return b""
        try:
            return context.unprotect(data)
        except OSError:
            self.rejected += 1
            return b""

    def _agreed(self) -> SrtpContext | None:
        """The context of keys that DTLS has just agreed on."""
        if self.handshake is not None and self.handshake.keys is not None:
            self.context = SrtpContext(self.handshake.keys)
        return self.context


class SecureRtcpSocket:
    """`RtcpSocket` that encrypts with the keys of its RTP socket."""

    def __init__(self, inner: RtcpSocket, rtp: SecureRtpSocket) -> None:
        self._inner = inner
        self._rtp = rtp

    def send_to(self, data: bytes, peer: Address) -> None:
        if self._rtp.context is not None:
            self._inner.send_to(self._rtp.context.protect(data), peer)

    def receive(self) -> Datagram | None:
        datagram = self._inner.receive()
        if datagram is None:
            return None
        return Datagram(self._rtp.reveal(datagram.data), datagram.source)

    def close(self) -> None:
        self._inner.close()


def _session(suite: str, key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[suite])
    return pylibsrtp.Session(policy=policy)
