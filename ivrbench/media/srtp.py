"""Encrypted audio (RFC 3711): a call's sockets with encryption between them and the lanes.

Lanes see plain packets; what cannot be authenticated, or was there before, never reaches them.
Ordinary packets of G.711 go past here: `secure_rows.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pylibsrtp

from ivrbench.media.sockets import MAX_DATAGRAM_BYTES, Datagram
from ivrbench.rtp.rtcp import is_rtcp
from ivrbench.rtp.srtp import TAG_BYTES, SessionKeys, SrtpReceiver, SrtpSender, StreamState

if TYPE_CHECKING:
    from ivrbench.media.dtls import Handshake
    from ivrbench.media.lane import Lane
    from ivrbench.media.messages import SrtpParams
    from ivrbench.media.sockets import Address, RtcpSocket, RtpSocket
    from ivrbench.rtp.srtp import ReceiveState, SendState

__all__ = [
    "HeardInRow",
    "Place",
    "SecureRtcpSocket",
    "SecureRtpSocket",
    "SentInRow",
    "SrtpContext",
    "is_dtls",
]

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


class Place:
    """Where a call sits: the row of a lane that has its columns."""

    def sit(self, lane: Lane, row: int) -> None:
        """The call's columns are in this row from now on."""
        self.lane, self.row = lane, row


class SentInRow:
    """`SendState` in the columns of a lane, where `SecureRows` works on it too."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def highest(self) -> int:
        return int(self._place.lane.srtp_out[self._place.row])

    @highest.setter
    def highest(self, index: int) -> None:
        self._place.lane.srtp_out[self._place.row] = index


class HeardInRow:
    """`ReceiveState` in the columns of a lane, where `SecureRows` works on it too."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def ssrc(self) -> int:
        return int(self._place.lane.srtp_ssrc[self._place.row])

    @ssrc.setter
    def ssrc(self, ssrc: int) -> None:
        self._place.lane.srtp_ssrc[self._place.row] = ssrc

    @property
    def highest(self) -> int:
        return int(self._place.lane.srtp_in[self._place.row])

    @highest.setter
    def highest(self, index: int) -> None:
        lane, row = self._place.lane, self._place.row
        if lane.srtp_in[row] < 0:
            lane.changed = True  # the peer has its keys: no handshake any more
        lane.srtp_in[row] = index

    @property
    def seen(self) -> int:
        return int(self._place.lane.srtp_seen[self._place.row])

    @seen.setter
    def seen(self, seen: int) -> None:
        self._place.lane.srtp_seen[self._place.row] = seen


class _Outbound:
    """Encryption of what we send. Raises OSError where it fails.

    Args:
        suite: as in SDP.
        key: master key and salt.
        state: how far our stream has come; it begins anew.

    Attributes:
        transform: for packets of RTP; None where libsrtp does it all.
    """

    def __init__(self, suite: str, key: bytes, state: SendState) -> None:
        self.key = key
        self._session = _session(suite, key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.transform: SrtpSender | None = None
        if suite in TAG_BYTES:
            state.highest = -1
            self.transform = SrtpSender(SessionKeys(key), TAG_BYTES[suite], state)

    def protect(self, data: bytes) -> bytes:
        """Encrypt a packet; told apart by its second octet."""
        try:
            if is_rtcp(data):
                return self._session.protect_rtcp(data)
            if self.transform is not None:
                return self.transform.protect(data)
            return self._session.protect(data)
        except pylibsrtp.Error as exc:
            raise OSError(f"SRTP: {exc}") from exc


class _Inbound:
    """Decryption of what the peer sends. Raises OSError where it fails. See `_Outbound`."""

    def __init__(self, suite: str, key: bytes, state: ReceiveState) -> None:
        self.key = key
        self._session = _session(suite, key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.transform: SrtpReceiver | None = None
        if suite in TAG_BYTES:
            state.highest = -1
            self.transform = SrtpReceiver(SessionKeys(key), TAG_BYTES[suite], state)

    def unprotect(self, data: bytes) -> bytes:
        """Decrypt a packet, if it is the peer's and not a repetition (RFC 3711 §3.3.2)."""
        try:
            if is_rtcp(data):
                return self._session.unprotect_rtcp(data)
            if self.transform is None:
                return self._session.unprotect(data)
        except (pylibsrtp.Error, ValueError) as exc:
            raise OSError(f"SRTP: {exc}") from exc
        packet = self.transform.unprotect(data)
        if packet is None:
            raise OSError("SRTP: not the peer's, or it came before")
        return packet


class SrtpContext:
    """Encryption of both directions of one call, RTP and RTCP. Raises OSError where it fails.

    RTCP, and the suites of AES-GCM, are the business of libsrtp.

    Args:
        params: the keys.
        states: where to keep how far our stream and the peer's have come.
        before: the context until now. A direction whose key stays goes on where it was (RFC 4568
            §7.1.4): the same key for the same numbers again would give away what was said.

    Attributes:
        transforms: for packets of RTP, where the suite is one of `TAG_BYTES`.
    """

    def __init__(
        self,
        params: SrtpParams,
        states: tuple[SendState, ReceiveState] | None = None,
        before: SrtpContext | None = None,
    ) -> None:
        self._params = params
        sent, heard = states or (StreamState(), StreamState())
        suite, out_key, in_key = params.suite, params.send_key, params.receive_key
        old = before if before is not None and before._suits(params) else None
        same_out, same_in = old and old._out.key == out_key, old and old._in.key == in_key
        self._out: _Outbound = old._out if old and same_out else _Outbound(suite, out_key, sent)
        self._in: _Inbound = old._in if old and same_in else _Inbound(suite, in_key, heard)
        self.transforms: tuple[SrtpSender, SrtpReceiver] | None = None
        sender, receiver = self._out.transform, self._in.transform
        if sender is not None and receiver is not None:
            sender.tag_bytes = receiver.tag_bytes = TAG_BYTES[suite]
            self.transforms = sender, receiver
        self.protect = self._out.protect
        self.unprotect = self._in.unprotect

    def _suits(self, params: SrtpParams) -> bool:
        """Whether a key means the same in both suites: those of `TAG_BYTES` are one but for it."""
        suites = {self._params.suite, params.suite}
        return len(suites) == 1 or suites <= set(TAG_BYTES)


class SecureRtpSocket:
    """`RtpSocket` that encrypts. Without a context yet, nothing goes out and only DTLS comes in.

    Attributes:
        context: the keys; None while DTLS has not agreed on them.
        handshake: the DTLS handshake, if there is one.
        rejected: packets that were not the peer's, or were there before.
    """

    def __init__(self, inner: RtpSocket, place: Place) -> None:
        self.inner = inner
        self.context: SrtpContext | None = None
        self.handshake: Handshake | None = None
        self.rejected = 0
        self._place = place
        self._states = SentInRow(place), HeardInRow(place)
        self._before: SrtpContext | None = None
        self._scratch = memoryview(bytearray(MAX_DATAGRAM_BYTES))

    def use(self, params: SrtpParams | None) -> None:
        """Have other keys from now on, or none yet."""
        # The lane must not go on with the old ones.
        self._place.lane.changed = True
        self.context = None
        if params is not None:
            self.context = self._before = SrtpContext(params, self._states, self._before)

    def send(self, data: memoryview | bytes, /) -> int:
        context = self.context or self._agreed()
        if context is None:
            return 0
        return self.inner.send(context.protect(bytes(data)))

    def recv_into(self, buffer: memoryview, /) -> int:
        return self._first_good(buffer, MAX_REJECTED)

    def take(self, buffer: memoryview, n_bytes: int) -> int:
        """As `recv_into`, where a packet was already read as it came and lies in `buffer`."""
        data = self.reveal(bytes(buffer[:n_bytes]))
        if not data:
            return self._first_good(buffer, MAX_REJECTED - 1)
        buffer[: len(data)] = data
        return len(data)

    def _first_good(self, buffer: memoryview, n_tries: int) -> int:
        for _ in range(n_tries):
            n = self.inner.recv_into(self._scratch)
            data = self.reveal(bytes(self._scratch[:n]))[: len(buffer)]
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    @property
    def has_heard(self) -> bool:
        """A packet encrypted with the present key has come."""
        return self._states[1].highest >= 0

    @property
    def arrived_s(self) -> float:
        return self.inner.arrived_s

    @property
    def direct_fd(self) -> int:
        return -1

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
            self.use(self.handshake.keys)
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
