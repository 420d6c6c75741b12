"""SRTP (RFC 3711) for RTP packets: AES-128 in counter mode with HMAC-SHA1.

`SrtpSender` and `SrtpReceiver` take any RTP packet, one at a time. Who has many calls at once may
do the same for all of them (`media/secure_rows.py`), with the same `SessionKeys`, and with the
same state: that is why the state lies outside, in a `SendState` and a `ReceiveState`.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.packet import HEADER_BYTES
from ivrbench.rtp.sequence import SEQUENCE_MOD

__all__ = [
    "BLOCK_BYTES",
    "DIGEST_BYTES",
    "HASH_BLOCK_BYTES",
    "INNER_PAD",
    "OUTER_PAD",
    "ROC_BYTES",
    "TAG_BYTES",
    "WINDOW",
    "ReceiveState",
    "SendState",
    "SessionKeys",
    "SrtpReceiver",
    "SrtpSender",
    "StreamState",
    "guess_index",
    "next_index",
]

TAG_BYTES: Final = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}
"""The suites, named as in RFC 4568 §6.2, and how much of the digest a packet carries."""
BLOCK_BYTES: Final = 16  # AES
DIGEST_BYTES: Final = 20  # SHA-1
HASH_BLOCK_BYTES: Final = 64  # RFC 2104 §2: B, for SHA-1
INNER_PAD: Final = 0x36  # RFC 2104 §2: ipad
OUTER_PAD: Final = 0x5C  # RFC 2104 §2: opad
ROC_BYTES: Final = 4
"""What is authenticated is the packet and these octets: its index without the lower 16 bits."""
MASTER_KEY_BYTES: Final = 16
SALT_BYTES: Final = 14
WINDOW: Final = 64
"""Packets remembered to refuse a repetition: RFC 3711 §3.3.2 wants 64 at least."""
MAX_SOURCES: Final = 64
"""SSRCs of one peer that are remembered; only packets that are really the peer's make one."""
_WINDOW_MASK: Final = (1 << WINDOW) - 1
_HALF: Final = SEQUENCE_MOD // 2
_CSRC_COUNT: Final = 0x0F
_EXTENSION_BIT: Final = 0x10
_LABEL_CIPHER, _LABEL_AUTHENTICATION, _LABEL_SALT = range(3)  # RFC 3711 §4.3.1


class SendState(Protocol):
    """How far a sender has come."""

    highest: int
    """Index of the packet sent last: its sequence number, and in front of that how often the
    number has begun anew (RFC 3711 §3.3.1); -1 before the first packet.
    """


class ReceiveState(Protocol):
    """How far the stream has come that is heard at present."""

    ssrc: int
    highest: int
    """The highest index of an authentic packet, -1 before the first one."""
    seen: int
    """Bit n: packet `highest - n` came."""


@dataclass(slots=True)
class StreamState:
    """A `SendState` or a `ReceiveState` that lies nowhere else."""

    ssrc: int = 0
    highest: int = -1
    seen: int = 0


class SessionKeys:
    """What one direction's packets are encrypted and authenticated with.

    Args:
        master: master key and master salt, as `a=crypto` carries them.

    Attributes:
        cipher: AES under the session key, block by block; it has no state.
        salt: the session salt, 112 bits.
        authentication: the session's key for HMAC-SHA1.

    Raises:
        LocalProtocolError: `master` has not the length it must have.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != MASTER_KEY_BYTES + SALT_BYTES:
            raise LocalProtocolError(f"A master key with salt has 30 octets, not {len(master)}.")
        salt = int.from_bytes(master[MASTER_KEY_BYTES:], "big")
        derive = functools.partial(_derive, _aes(master[:MASTER_KEY_BYTES]), salt)
        self.cipher = _aes(derive(_LABEL_CIPHER, MASTER_KEY_BYTES))
        self.salt = int.from_bytes(derive(_LABEL_SALT, SALT_BYTES), "big")
        self.authentication = derive(_LABEL_AUTHENTICATION, DIGEST_BYTES)
        # Prepared once: `hmac.digest` would take four times as long for a packet.
        self._inner, self._outer = _hashed(self.authentication)

    def key_stream(self, ssrc: int, index: int, n_bytes: int) -> bytes:
        """What the payload of one packet is XORed with."""
        # RFC 3711 §4.1.1
        return _counter_mode(self.cipher, self.salt ^ ssrc << 48 ^ index, n_bytes)

    def tag(self, packet: bytes, index: int, n_bytes: int) -> bytes:
        """What is put behind an encrypted packet, so that its receiver knows who sent it."""
        # RFC 3711 §4.2: M = Authenticated Portion || ROC
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(packet + (index >> 16).to_bytes(ROC_BYTES, "big"))
        outer.update(inner.digest())
        return outer.digest()[:n_bytes]


class SrtpSender:
    """Encrypts the packets of one stream.

    Args:
        keys: of this direction.
        tag_bytes: a value of `TAG_BYTES`.
        state: how far the stream has come under these keys.
    """

    def __init__(self, keys: SessionKeys, tag_bytes: int, state: SendState) -> None:
        self.keys = keys
        self.tag_bytes = tag_bytes
        self._state = state

    def protect(self, packet: bytes) -> bytes:
        """Encrypt a packet, later in sequence than all before it.

        Raises:
            LocalProtocolError: it is no RTP packet.
        """
        start = _payload_start(packet)
        if not start:
            raise LocalProtocolError("What is to be encrypted is no RTP packet.")
        index = next_index(self._state.highest, int.from_bytes(packet[2:4], "big"))
        self._state.highest = index
        sealed = _crypt(self.keys, packet, start, index)
        return sealed + self.keys.tag(sealed, index, self.tag_bytes)


class SrtpReceiver:
    """Decrypts a peer's packets, of whatever SSRC.

    Args:
        keys: of this direction.
        tag_bytes: a value of `TAG_BYTES`.
        state: how far the stream that is heard at present has come under these keys.
    """

    def __init__(self, keys: SessionKeys, tag_bytes: int, state: ReceiveState) -> None:
        self.keys = keys
        self.tag_bytes = tag_bytes
        self._state = state
        self._others: dict[int, tuple[int, int]] = {}
        """`highest` and `seen` of the other SSRCs, the one heard last at the end."""

    def unprotect(self, packet: bytes) -> bytes | None:
        """Decrypt a packet.

        Returns:
            The RTP packet, or None, and nothing has changed: it is none, came before, is too old
            to tell, or is not the peer's.
        """
        sealed = packet[: -self.tag_bytes]
        start = _payload_start(sealed)
        if not start:
            return None
        state = self._state
        ssrc = int.from_bytes(packet[8:12], "big")
        is_present = state.highest >= 0 and ssrc == state.ssrc
        highest, seen = (
            (state.highest, state.seen) if is_present else self._others.get(ssrc, (-1, 0))
        )
        index = guess_index(highest, int.from_bytes(packet[2:4], "big"))
        behind = highest - index
        if behind >= WINDOW or (behind >= 0 and seen >> behind & 1):
            return None
        tag = self.keys.tag(sealed, index, self.tag_bytes)
        if not hmac.compare_digest(tag, packet[-self.tag_bytes :]):
            return None
        if not is_present:
            self._turn_to(ssrc)
        if behind < 0:
            state.highest = index
            state.seen = (seen << -behind | 1) & _WINDOW_MASK if -behind < WINDOW else 1
        else:
            state.highest = highest
            state.seen = seen | 1 << behind
        return _crypt(self.keys, sealed, start, index)

    def _turn_to(self, ssrc: int) -> None:
        """Another stream is heard from now on."""
        self._others.pop(ssrc, None)
        if self._state.highest >= 0:
            self._others[self._state.ssrc] = self._state.highest, self._state.seen
            if len(self._others) >= MAX_SOURCES:
                del self._others[next(iter(self._others))]
        self._state.ssrc = ssrc


def next_index(highest: int, sequence: int) -> int:
    """The index of a packet to be sent: the first one above `highest` with this number.

    So no index comes twice, whatever the sequence numbers do, and no key stream is used twice.
    """
    return highest + 1 + (sequence - highest - 1) % SEQUENCE_MOD


def guess_index(highest: int, sequence: int) -> int:
    """The index of a packet that came (RFC 3711 §3.3.1), with `highest` -1 before the first."""
    if highest <= _HALF:  # the count of rounds cannot have been lower than 0
        return sequence
    cycles, newest = divmod(highest, SEQUENCE_MOD)
    if newest < _HALF:
        cycles -= sequence - newest > _HALF
    else:
        cycles += newest - _HALF > sequence
    return cycles * SEQUENCE_MOD + sequence


def _aes(key: bytes) -> CipherContext:
    # Counter mode is made of single blocks here: a context for each packet would cost more than
    # the packet.
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor()


def _hashed(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """SHA-1 that has read the key, for the inner and the outer pass (RFC 2104 §2)."""
    padded = key.ljust(HASH_BLOCK_BYTES, b"\0")
    inner, outer = (bytes(octet ^ pad for octet in padded) for pad in (INNER_PAD, OUTER_PAD))
    return hashlib.sha1(inner), hashlib.sha1(outer)


def _derive(cipher: CipherContext, salt: int, label: int, n_bytes: int) -> bytes:
    # RFC 3711 §4.3.1, §4.3.3, for a key derivation rate of 0
    return _counter_mode(cipher, label << 48 ^ salt, n_bytes)


@functools.cache
def _counts(n_blocks: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in range(n_blocks)]


def _counter_mode(cipher: CipherContext, start: int, n_bytes: int) -> bytes:
    """As many octets of key stream as wanted; `start` is the first block without its number."""
    n_blocks = -(-n_bytes // BLOCK_BYTES)
    block = start.to_bytes(BLOCK_BYTES - 2, "big")
    return cipher.update(block + block.join(_counts(n_blocks)))[:n_bytes] if n_blocks else b""


def _payload_start(packet: bytes) -> int:
    """Where what is encrypted begins: behind the header and its extension. 0: no RTP packet."""
    if len(packet) < HEADER_BYTES:
        return 0
    start = HEADER_BYTES + 4 * (packet[0] & _CSRC_COUNT)
    if packet[0] & _EXTENSION_BIT:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    return start if start <= len(packet) else 0


def _crypt(keys: SessionKeys, packet: bytes, start: int, index: int) -> bytes:
    """Encrypt or decrypt: it is the same."""
    n_bytes = len(packet) - start
    stream = keys.key_stream(int.from_bytes(packet[8:12], "big"), index, n_bytes)
    payload = int.from_bytes(packet[start:], "big") ^ int.from_bytes(stream, "big")
    return packet[:start] + payload.to_bytes(n_bytes, "big")
