"""Ending: what the end of a leg's SIP call means for its session, and the session's own end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import LegEnded
from ivrbench.sip.events import EndCause

from .leg import LOST

if TYPE_CHECKING:
    from .leg import Leg
    from .session import Session

__all__ = ["close_session", "leg_down"]

log = logging.getLogger("ivrbench.call")

DISCONNECTED: Final = 0


def leg_down(session: Session, leg: Leg, cause: EndCause) -> None:
    """The SIP call of the first leg is over."""
    leg.over()
    session.fall_silent()
    if cause is EndCause.PRACK_TIMED_OUT:
        # RFC 3262 §3: the INVITE got 504; an answer that waited for the PRACK never left.
        leg.final_code, leg.answered_s = 504, 0.0
    if cause is EndCause.REJECTED:
        session.stop("script", f"refused with {leg.final_code}")
    elif cause in LOST:
        session.stop("engine", cause.value)
    elif cause is EndCause.BYE_SENT and leg.state != "ending":
        # Nobody here hung up: the core did (RFC 3891 §3, RFC 5057).
        session.stop("engine", "another call took its place, or the other side had forgotten it")
    if session.abandoned:
        session.finish()
    elif cause is not EndCause.BYE_RECEIVED:
        session.step(lambda: setattr(leg.dialog, "status", DISCONNECTED))
        session.step(session.warn_of_being_kept)
    session.settle()  # a script without onBye has decided already


def close_session(session: Session) -> None:
    """Give everything back; only `Session.finish` calls this, once."""
    session.over = True
    session.mailbox.close()
    session.timers.close()
    session.keys.close()
    session.playlist.close()
    session.silence.stop()
    session.b2b.close()
    session.port.transfers.close()
    board, leg = session.board, session.leg
    if leg.answered_s:
        session.duration_s = board.now() - leg.answered_s
    session.final_code = 200 if leg.answered_s else leg.final_code or 487
    by, reason = session.ended_by or "engine", session.reason
    board.publish(LegEnded(leg.name, by, session.final_code, reason, session.duration_s))
    extra = {"leg": leg.name, "script": session.generation.script}
    log.info("ended by %s after %.1f s: %s", by, session.duration_s, reason, extra=extra)
    if session.media is not None:
        session.media.close()
    else:
        board.write_record(session, None)
    board.registry.release(session.generation)
    board.forget(session)
    leg.let_go()
    if session.order is not None:
        session.order.handle.settle(session.final_code, reason)
    # A dialog object that the script keeps holds the port, and that the session. Nothing here
    # holds it, so that all of it goes when the script lets go of it.
    del session.port
