"""Session descriptions that go from one party to the other, in our name (RFC 3264, RFC 7092)."""

from __future__ import annotations

import re
from typing import Final

from ivrbench.sdp.description import parse_sdp
from ivrbench.sdp.remote import peer_direction

__all__ = ["Description", "is_same_media", "on_hold", "puts_on_hold"]

_ORIGIN: Final = re.compile(rb"^o=[^\r\n]*", re.MULTILINE)
_DIRECTION: Final = re.compile(rb"^a=(?:sendrecv|sendonly|recvonly|inactive)\r?\n", re.MULTILINE)
_OWN_LINES: Final = re.compile(rb"^[vo]=[^\r\n]*\r?\n?", re.MULTILINE)


class Description:
    """What one party is told of the other, numbered as one session of ours.

    Args:
        session_id: of the `o=` line; stays for the whole dialog.
        version: the last one this party has seen.
        address: ours.
    """

    def __init__(self, session_id: int, version: int, address: str) -> None:
        self._session_id = session_id
        self.address = address
        self.version = version
        self.sent = b""
        """What it was told last."""

    def tell(self, body: bytes) -> bytes:
        """A description of the other party as it is sent to this one.

        RFC 3264 §8: the origin stays, its version goes up by one with each change.
        """
        if not is_same_media(body, self.sent):
            self.version += 1
        kind = "IP6" if ":" in self.address else "IP4"
        origin = f"o=- {self._session_id} {self.version} IN {kind} {self.address}"
        self.sent = _ORIGIN.sub(origin.encode(), body, count=1)
        return self.sent


def is_same_media(one: bytes, other: bytes) -> bool:
    """Two descriptions differ in nothing but who made them and their number."""
    return _lines(one) == _lines(other)


def _lines(body: bytes) -> list[bytes]:
    return _OWN_LINES.sub(b"", body).split()


def on_hold(body: bytes) -> bytes:
    """The same description with every stream inactive (RFC 3264 §8.4)."""
    bare = _DIRECTION.sub(b"", body)
    first = bare.find(b"\nm=") + 1
    # RFC 8866 §6.7: said once for the session, it holds for each stream.
    return bare[:first] + b"a=inactive\r\n" + bare[first:] if first else bare


def puts_on_hold(body: bytes) -> bool:
    """Who says this wants to hear nothing.

    Raises:
        SdpError: it cannot be read.
    """
    described = parse_sdp(body)
    audio = [media for media in described.media if media.media == "audio" and media.port]
    return bool(audio) and not peer_direction(described, audio[0]).receives
