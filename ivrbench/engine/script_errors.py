"""Script errors: what becomes of a call whose handler raised, and who is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .outcome import raised_event

if TYPE_CHECKING:
    from .outcome import Outcome
    from .session import Session

__all__ = ["handler_raised", "tell_raised"]

log = logging.getLogger("ivrbench.call")


def handler_raised(session: Session, outcome: Outcome) -> None:
    """A handler raised: decide what becomes of the call, and tell."""
    tell_raised(session, outcome, _decide(session, outcome))


def _decide(session: Session, outcome: Outcome) -> str:
    """What becomes of the call; gives the words for it."""
    handler = outcome.call.handler
    if handler == "onInvite" and not session.leg.answered_s:
        return "the call was refused with 500"
    if session.board.settings.on_script_error == "bye":
        session.stop("error", f"{handler} raised")
        return "the call was ended (on_script_error = bye)"
    if handler == "onSessionStart":
        return "the call is up with silence"
    return "the call goes on"


def tell_raised(session: Session, outcome: Outcome, then: str) -> None:
    """Show an exception of the script, with the words for what became of the call."""
    event = raised_event(session.leg.name, outcome, session.generation, then)
    session.board.publish(event)
    log.error(
        "%s raised %s: %s (%s:%d); %s",
        event.handler,
        event.error_type,
        event.message,
        event.file,
        event.line,
        then,
        extra={"leg": session.leg.name, "script": session.generation.script},
    )
    if event.handler == "onSessionStart":
        session.warn(f"silence: onSessionStart raised at :{event.line}")
