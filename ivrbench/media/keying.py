"""How one call's sockets are encrypted: not at all, with keys of the SDP, with keys of DTLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media.srtp import Place, SecureRtcpSocket, SecureRtpSocket

if TYPE_CHECKING:
    from ivrbench.media.dtls import Dtls, Handshake
    from ivrbench.media.lane import Lane
    from ivrbench.media.messages import DtlsParams, SrtpParams, StreamParams
    from ivrbench.media.sockets import RtcpSocket, RtpSocket
    from ivrbench.rtp.srtp import SrtpReceiver, SrtpSender

__all__ = ["Keying"]


class Keying:
    """The sockets of a call as its lane uses them.

    Args:
        rtp: its RTP port.
        rtcp: its RTCP port.
        dtls: makes handshakes; None if we have no certificate.

    Attributes:
        ports: the sockets themselves.
        rtp: the RTP port, which encrypts if that was agreed.
        rtcp: the same for RTCP.
        secure: `rtp`, if it encrypts.
    """

    def __init__(self, rtp: RtpSocket, rtcp: RtcpSocket, dtls: Dtls | None) -> None:
        self.ports = (rtp, rtcp)
        self.rtp = rtp
        self.rtcp = rtcp
        self.secure: SecureRtpSocket | None = None
        self._place = Place()
        self._secure_ports: tuple[SecureRtpSocket, SecureRtcpSocket] | None = None
        self._make = dtls
        self._srtp: SrtpParams | None = None
        self._dtls: DtlsParams | None = None
        self._handshake: Handshake | None = None
        self._told = False
        self._given: SrtpParams | None = None

    def __repr__(self) -> str:
        how = "DTLS" if self._dtls is not None else "SDES" if self._srtp is not None else "plain"
        return f"Keying({how})"

    @property
    def rejected(self) -> int:
        """Packets that could not be authenticated or were repeated."""
        return self.secure.rejected if self.secure is not None else 0

    @property
    def awaits_keys(self) -> bool:
        """DTLS has not agreed on keys yet."""
        return self.secure is not None and self.secure.context is None

    @property
    def transforms(self) -> tuple[SrtpSender, SrtpReceiver] | None:
        """Encryption of RTP, if it is one that `SecureRows` does for all calls at once.

        Not as long as the peer may still be at a handshake: its packets are longer than a row.
        """
        if self.secure is None or self.secure.context is None:
            return None
        handshake = self.secure.handshake
        if handshake is not None and not (handshake.is_over and self.secure.has_heard):
            return None
        return self.secure.context.transforms

    def sit(self, lane: Lane, row: int) -> None:
        """The call's columns are in this row from now on."""
        self._place.sit(lane, row)

    def agree(self, stream: StreamParams) -> None:
        """Take over keys, or that there are none."""
        if stream.srtp is None and stream.dtls is None:
            self.secure = None
            self.rtp, self.rtcp = self.ports
        elif self.secure is None:
            if self._secure_ports is None:
                secure = SecureRtpSocket(self.ports[0], self._place)
                self._secure_ports = secure, SecureRtcpSocket(self.ports[1], secure)
            self.secure, self.rtcp = self._secure_ports
            self.rtp = self.secure
        if self.secure is not None and stream.srtp != self._srtp:
            self.secure.use(stream.srtp)
        self._srtp = stream.srtp

    def begin(self, stream: StreamParams) -> None:
        """Start the DTLS handshake if another one was agreed; the peer's address is known."""
        if stream.dtls == self._dtls:
            return
        self._dtls, self._handshake = stream.dtls, None
        if self.secure is None:
            return
        self.secure.handshake = None
        if stream.dtls is not None and self._make is not None:
            if stream.srtp is None:
                self.secure.use(None)
            self._handshake = self._make.handshake(stream.dtls, self.ports[0])
            self.secure.handshake = self._handshake
            self._handshake.start()

    def new_keys(self) -> SrtpParams | None:
        """What DTLS has agreed on, once; keys of an earlier handshake are over with it."""
        keys = self._handshake.keys if self._handshake is not None else None
        if keys is None or keys == self._given or self.secure is None:
            return None
        self._given = keys
        if self._srtp is not None:
            self.secure.use(keys)
        return keys

    def failure(self) -> str:
        """Why there will be no keys; said once, "" if there is nothing to say."""
        if self._told or self._dtls is None or self._srtp is not None:
            return ""
        error = "there is no certificate for DTLS"
        if self._handshake is not None:
            error = self._handshake.error
        self._told = bool(error)
        return error

    def close(self) -> None:
        """Give the ports back."""
        for port in self.ports:
            port.close()
