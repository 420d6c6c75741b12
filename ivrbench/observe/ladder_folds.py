"""What a script's call made the SIP stack do, folded under that call.

`connectAudio()` and `disconnectAudio()` are one thought of a script and up to four re-INVITEs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ivrbench.observe.sipmessage import MessageText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ivrbench.observe.ladder import Row

__all__ = ["fold"]

FOLDING_CALLS = ("connectAudio", "disconnectAudio")
CAUSED_WITHIN_S = 0.05
"""A re-INVITE of ours so soon after the script's call, or after an answer to one that this call
made, is its doing too: the others are refreshes and what the parties asked for."""


@dataclass(slots=True)
class _Call:
    """The legs of one call, and the last script call that may fold."""

    cause: str = ""
    last_s: float = 0.0
    """When it, or the last message it made, was."""
    begun: dict[tuple[str, str], str] = field(default_factory=dict)
    """The call a transaction of ours belongs to, by leg and CSeq."""


def fold(rows: Sequence[Row], call_of: Mapping[str, str]) -> list[Row]:
    """Rows in their order; those that a script's call made name it, and it counts them.

    Args:
        rows: of a picture, oldest first.
        call_of: the call that each leg belongs to, by its name.
    """
    calls = {name: _Call() for name in call_of.values()}
    under = {row.key: _cause_of(row, calls[call_of[row.leg]]) for row in rows}
    causes = list(under.values())
    return [
        replace(row, under=under[row.key], below=causes.count(row.key))
        if under[row.key] or (row.kind == "call" and row.key in causes)
        else row
        for row in rows
    ]


def _cause_of(row: Row, call: _Call) -> str:
    """Key of the script's call that made this message, "" for none."""
    if row.kind == "call" and row.label.partition("(")[0] in FOLDING_CALLS:
        call.cause, call.last_s = row.key, row.at_s
    if row.sip is None or not call.cause:
        return ""
    text = MessageText(row.sip.raw)
    is_ours = row.sip.sent is not text.is_response
    if not is_ours or text.method not in ("INVITE", "ACK"):
        return ""
    transaction = (row.leg, text.header("cseq").partition(" ")[0])
    if (
        transaction not in call.begun
        and row.sip.sent
        and text.is_reinvite
        and row.at_s - call.last_s <= CAUSED_WITHIN_S
    ):
        call.begun[transaction] = call.cause
    cause = call.begun.get(transaction, "")
    if cause == call.cause:
        call.last_s = row.at_s
    return cause
