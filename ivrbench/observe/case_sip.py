"""What a recorded call's SIP says that its other events do not: transfers, early audio, offers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import SipTraced
from ivrbench.observe.sipmessage import MessageText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.observe.events import Stamped
    from ivrbench.observe.snapshot import LegView

__all__ = [
    "ACCEPTED",
    "answer_to",
    "had_early_audio",
    "refer_target",
    "reported_code",
    "transfers_of",
]

_STATUS: Final = re.compile(r"SIP/2\.0 (\d{3})(?!\d)")
ACCEPTED: Final = 202
"""What a phone says to REFER; other answers are part of the test."""


def transfers_of(leg: LegView) -> list[Stamped]:
    """Each REFER of either side, and each NOTIFY in which the other side reports on ours."""
    return [stamped for stamped in leg.sip if _is_of_a_transfer(stamped)]


def _is_of_a_transfer(stamped: Stamped) -> bool:
    event = stamped.event
    if not isinstance(event, SipTraced) or event.retransmission:
        return False
    method = event.raw.partition(b" ")[0]
    return method == b"REFER" or (method == b"NOTIFY" and not event.sent)


def refer_target(event: SipTraced) -> str:
    """Whom a REFER names, without the dialog it is to replace: that is another in each call."""
    value = MessageText(event.raw).header("refer-to")
    return value.partition("<")[2].partition(">")[0].partition("?")[0] or value.partition("?")[0]


def answer_to(event: SipTraced, messages: Sequence[Stamped]) -> int:
    """The final response to a request of ours, 0 if none came."""
    cseq = MessageText(event.raw).header("cseq")
    for stamped in messages:
        other = stamped.event
        if isinstance(other, SipTraced) and not other.sent:
            text = MessageText(other.raw)
            code = int(text.head[0][8:11]) if text.is_response else 0
            if code >= 200 and text.header("cseq") == cseq:
                return code
    return 0


def reported_code(event: SipTraced) -> int:
    """What a NOTIFY says about a transfer (RFC 3515 §2.4.5), 0 if it is about something else."""
    text = MessageText(event.raw)
    if not text.header("event").lower().startswith("refer"):
        return 0
    found = _STATUS.match(text.body[0]) if text.body else None
    return int(found[1]) if found else 0


def had_early_audio(leg: LegView, code: int) -> bool:
    """Whether the one who was called sent this response with a session description."""
    return any(
        isinstance(stamped.event, SipTraced)
        and not stamped.event.sent
        and stamped.event.raw.startswith(b"SIP/2.0 %d " % code)
        and MessageText(stamped.event.raw).has_sdp
        for stamped in leg.sip
    )
