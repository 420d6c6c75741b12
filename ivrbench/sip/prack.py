"""Pracks: what we must remember of the reliable provisional responses to an INVITE of ours (RFC
3262 §4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .headers import parse_number

if TYPE_CHECKING:
    from .message import SipResponse

__all__ = ["Pracks", "rack_line"]


class Pracks:
    """The newest RSeq of each early dialog, and what the user must acknowledge with an answer."""

    __slots__ = ("_owed", "_rseq")

    def __init__(self) -> None:
        self._rseq: dict[str, int] = {}
        self._owed: dict[str, str] = {}

    def is_new(self, response: SipResponse) -> bool:
        """True for a reliable 1xx not seen before and in order: it must be acknowledged."""
        rseq = parse_number(response.header("rseq"))
        last = self._rseq.get(response.to_tag)
        # RFC 3262 §4: one after a gap is not acknowledged, it comes again after the one missing.
        if rseq is None or (last is not None and rseq != last + 1):
            return False
        self._rseq[response.to_tag] = rseq
        return True

    def owe(self, response: SipResponse) -> None:
        """The response holds an offer: the user must send its PRACK, with the answer."""
        self._owed[response.to_tag] = rack_line(response)

    def pay(self, response: SipResponse) -> str:
        """The RAck line for a response the user acknowledges, "" if nothing is owed."""
        owed = self._owed.get(response.to_tag, "")
        if owed != rack_line(response):
            return ""
        return self._owed.pop(response.to_tag)

    @property
    def offer_open(self) -> bool:
        """True while an offer waits for our answer."""
        return bool(self._owed)

    def clear(self) -> None:
        """The INVITE goes out again, or is over."""
        self._rseq.clear()
        self._owed.clear()


def rack_line(response: SipResponse) -> str:
    """The RAck line that acknowledges a reliable 1xx (RFC 3262 §7.2)."""
    rseq = parse_number(response.header("rseq"))
    return f"RAck: {rseq} {response.cseq} {response.cseq_method}\r\n"
