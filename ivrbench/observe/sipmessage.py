"""A SIP message as text to look at: its lines, what it is in short, and how it was repeated.

Nothing is checked here: also a message that the engine refused is shown as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.observe.events import SipTraced

__all__ = ["MessageText", "repeated_by"]

_COMPACT = {"t": "to", "c": "content-type", "l": "content-length"}  # RFC 3261 §7.3.3


class MessageText:
    """The bytes of one message as lines.

    Args:
        raw: as on the wire.

    Attributes:
        head: start line and header lines, folded lines as they came.
        body: lines of the body, empty if it has none or is no text.
    """

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        self.head = head.decode("utf-8", "replace").splitlines() or [""]
        self.body: list[str] = []
        if body:
            is_text = all(byte >= 32 or byte in b"\r\n\t" for byte in body[:512])
            text = body.decode("utf-8", "replace") if is_text else f"({len(body)} bytes, no text)"
            self.body = text.splitlines()

    def header(self, name: str) -> str:
        """The first value of a header, "" if there is none."""
        for text in self.head[1:]:
            found, _, value = text.partition(":")
            found = found.strip().lower()
            if _COMPACT.get(found, found) == name:
                return value.strip()
        return ""

    @property
    def is_response(self) -> bool:
        """True for a response."""
        return self.head[0].startswith("SIP/2.0 ")

    @property
    def has_sdp(self) -> bool:
        """True if the body describes media."""
        return bool(self.body) and self.body[0].startswith("v=0")

    @property
    def method(self) -> str:
        """Of the request, or of the request a response answers."""
        if self.is_response:
            return self.header("cseq").rpartition(" ")[2]
        return self.head[0].partition(" ")[0]

    @property
    def is_reinvite(self) -> bool:
        """True for an INVITE within a dialog."""
        # RFC 3261 §14: it has a tag in To.
        return not self.is_response and self.method == "INVITE" and ";tag=" in self.header("to")

    @property
    def summary(self) -> str:
        """What the message is, in a few words: "re-INVITE (SDP)", "200 OK"."""
        if self.is_response:
            text = self.head[0][8:]
        else:
            text = f"re-{self.method}" if self.is_reinvite else self.method
        return f"{text} (SDP)" if self.has_sdp else text


def repeated_by(sip: SipTraced) -> str:
    """Why a copy of this message is on the wire again, in the RFC's words."""
    if not sip.sent:
        return "the other side sent it again"
    message = MessageText(sip.raw)
    if not message.is_response:
        if message.method == "ACK":
            return "the 200 came again"
        # RFC 3261 §17.1.1.2 and §17.1.2.2.
        return "timer A" if message.method == "INVITE" else "timer E"
    code = message.head[0][8:11]
    if message.method != "INVITE" or code < "200":
        return "the request came again"
    # RFC 3261 §13.3.1.4: the core repeats a 2xx; §17.2.1: the transaction repeats the others.
    return "no ACK yet (T1, doubled)" if code < "300" else "timer G"
