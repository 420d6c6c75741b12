"""DTLS-SRTP (RFC 5763, RFC 5764): agreeing on keys with the peer over the media port.

A handshake costs a few milliseconds of arithmetic, which must not delay the tick: `Handshaker`
does it in a thread. `Handshake.advance` itself is free of threads and sockets.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from ivrbench.media.messages import SrtpParams

if TYPE_CHECKING:
    from ivrbench.media.messages import DtlsParams
    from ivrbench.media.sockets import RtpSocket

__all__ = ["DirectHandshaker", "Dtls", "Handshake", "Handshaker"]

# RFC 5764 §4.1.2, RFC 7714 §14.2: OpenSSL's name, ours, octets of key and of salt
_PROFILES: Final = (
    (b"SRTP_AES128_CM_SHA1_80", "AES_CM_128_HMAC_SHA1_80", 16, 14),
    (b"SRTP_AEAD_AES_128_GCM", "AEAD_AES_128_GCM", 16, 12),
    (b"SRTP_AES128_CM_SHA1_32", "AES_CM_128_HMAC_SHA1_32", 16, 14),
)
LABEL: Final = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2
MTU_BYTES: Final = 1200
RECORD_HEADER_BYTES: Final = 13  # RFC 6347 §4.1
MAX_READ_BYTES: Final = 65_536
GIVE_UP_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05


class Dtls:
    """What all handshakes of a worker share.

    Args:
        certificate_pem: our certificate; the session description has its fingerprint.
        key_pem: its private key.
        handshaker: does the work.
    """

    def __init__(
        self, certificate_pem: bytes, key_pem: bytes, handshaker: DirectHandshaker
    ) -> None:
        self._handshaker = handshaker
        context = self._context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        # Certificates are self-signed; what counts is that the fingerprint is the one in the SDP.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(x509.load_pem_x509_certificate(certificate_pem))
        key = serialization.load_pem_private_key(key_pem, None)
        context.use_privatekey(key)  # type: ignore[arg-type]  # ours is an elliptic curve key
        context.set_tlsext_use_srtp(b":".join(name for name, *_ in _PROFILES))

    def handshake(self, params: DtlsParams, socket: RtpSocket) -> Handshake:
        """A handshake with the peer that `socket` is connected to."""
        connection = SSL.Connection(self._context)
        return Handshake(connection, params, socket, self._handshaker)

    def close(self) -> None:
        """No more handshakes."""
        self._handshaker.close()


class Handshake:
    """One call's handshake.

    Args:
        connection: a fresh one.
        params: who begins, and the fingerprint the peer's certificate must have.
        socket: connected to the peer.
        handshaker: who does the work.

    Attributes:
        keys: what was agreed on; set once, from whatever thread does the work.
        error: why there will be no keys, "" if all is well.
    """

    def __init__(
        self,
        connection: SSL.Connection,
        params: DtlsParams,
        socket: RtpSocket,
        handshaker: DirectHandshaker,
    ) -> None:
        self.keys: SrtpParams | None = None
        self.error = ""
        self._connection = connection
        self._params = params
        self._socket = socket
        self._handshaker = handshaker
        connection.set_ciphertext_mtu(MTU_BYTES)
        if params.active:
            connection.set_connect_state()
        else:
            connection.set_accept_state()

    def start(self) -> None:
        """Begin, or wait for the peer to begin."""
        self._handshaker.work(self, b"")

    def feed(self, data: bytes) -> None:
        """A datagram of the peer's came; returns at once."""
        self._handshaker.work(self, data)

    @property
    def is_over(self) -> bool:
        """Keys are there, or will not be."""
        return self.keys is not None or bool(self.error)

    def advance(self, data: bytes) -> None:
        """Go on with a datagram of the peer's, or begin with none."""
        if self.error:
            return
        try:
            if data:
                self._connection.bio_write(data)
            if self.keys is None:
                self._connection.do_handshake()
                self._finish()
            else:
                # The peer did not get our last flight: OpenSSL answers by sending it again.
                self._connection.recv(MAX_READ_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            pass  # the peer says goodbye; the call ends by SIP
        except SSL.Error as exc:
            self.error = f"DTLS failed: {_reason(exc)}"
        self._flush()

    def repeat(self) -> None:
        """Send the last flight again if its time has come (RFC 6347 §4.2.4)."""
        if self.is_over:
            return
        with contextlib.suppress(SSL.Error):
            if self._connection.DTLSv1_get_timeout() == 0:
                self._connection.DTLSv1_handle_timeout()
        self._flush()

    def give_up(self) -> None:
        """It has taken too long."""
        if not self.is_over:
            self.error = f"DTLS failed: no answer within {GIVE_UP_S:g} s"

    def _finish(self) -> None:
        """RFC 5763 §5: the certificate's fingerprint is what ties the media to the signalling."""
        certificate = self._connection.get_peer_certificate()
        algorithm, _, wanted = self._params.fingerprint.partition(" ")
        found = ""
        if certificate is not None:
            found = certificate.digest(algorithm.replace("-", "")).decode()
        if found.upper() != wanted.upper():
            self.error = "DTLS failed: the peer's certificate is not the one its SDP names"
            return
        chosen = self._connection.get_selected_srtp_profile()
        for name, suite, key_bytes, salt_bytes in _PROFILES:
            if name == chosen:
                self.keys = self._extract(suite, key_bytes, salt_bytes)
                return
        self.error = "DTLS failed: no common SRTP profile"

    def _extract(self, suite: str, key_bytes: int, salt_bytes: int) -> SrtpParams:
        both = 2 * (key_bytes + salt_bytes)
        material = self._connection.export_keying_material(LABEL, both)
        # RFC 5764 §4.2: client key, server key, client salt, server salt
        salts = material[2 * key_bytes :]
        client = material[:key_bytes] + salts[:salt_bytes]
        server = material[key_bytes : 2 * key_bytes] + salts[salt_bytes:]
        ours, theirs = (client, server) if self._params.active else (server, client)
        return SrtpParams(suite, ours, theirs)

    def _flush(self) -> None:
        try:
            data = self._connection.bio_read(MAX_READ_BYTES)
        except SSL.Error:
            return
        for datagram in _datagrams(data):
            with contextlib.suppress(OSError):
                self._socket.send(datagram)


class DirectHandshaker:
    """Does the work at once; for virtual time, where nothing gets lost."""

    def work(self, handshake: Handshake, data: bytes) -> None:
        """Go on with a handshake."""
        handshake.advance(data)

    def close(self) -> None:
        """No more work will come."""


class Handshaker(DirectHandshaker):
    """Does the work in a thread, and repeats what got lost."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Handshake, bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def work(self, handshake: Handshake, data: bytes) -> None:
        # Started with the first call that needs it: a process with one thread is cheaper.
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dtls", daemon=True)
            self._thread.start()
        self._jobs.put((handshake, data))

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        begun: dict[Handshake, float] = {}
        while True:
            try:
                job = self._jobs.get(timeout=LOOK_EVERY_S if begun else None)
            except queue.Empty:
                self._look(begun)
                continue
            if job is None:
                return
            handshake, data = job
            handshake.advance(data)
            if handshake.is_over:
                begun.pop(handshake, None)
            else:
                begun.setdefault(handshake, time.monotonic())

    @staticmethod
    def _look(begun: dict[Handshake, float]) -> None:
        for handshake, since in list(begun.items()):
            handshake.repeat()
            if time.monotonic() - since > GIVE_UP_S:
                handshake.give_up()
            if handshake.is_over:
                del begun[handshake]


def _datagrams(data: bytes) -> list[bytes]:
    """Put whole DTLS records into datagrams: a record must not be cut in two."""
    datagrams: list[bytes] = []
    while len(data) >= RECORD_HEADER_BYTES:
        end = RECORD_HEADER_BYTES + int.from_bytes(data[11:13], "big")
        record, data = data[:end], data[end:]
        if datagrams and len(datagrams[-1]) + len(record) <= MTU_BYTES:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def _reason(exc: SSL.Error) -> str:
    details = exc.args[0] if exc.args else ()
    return str(details[0][2]) if details and len(details[0]) > 2 else "connection closed"
