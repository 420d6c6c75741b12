"""Script errors: what becomes of a call whose handler raised, and who is told."""

from __future__ import annotations

import functools
import io
import logging
import wave
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.files import decode_file
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.tones import silence, sine
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.ivr import AUDIO_READ

from ..outcome import raised_event

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from ..outcome import Outcome
    from ..session import Session

__all__ = ["handler_raised", "tell_raised"]

log = logging.getLogger("ivrbench.call")

TONES_HZ: Final = (950.0, 1400.0, 1800.0)
"""The tones before a recorded announcement (ITU-T E.180 §8)."""
TONE_MS: Final = 330.0
TIMES: Final = 2
PAUSE_MS: Final = 500.0
LAST_PACKETS_S: Final = 0.2
"""What is played is still on its way when its time is over."""


def handler_raised(session: Session, outcome: Outcome) -> None:
    """A handler raised: decide what becomes of the call, and tell."""
    tell_raised(session, outcome, _decide(session, outcome))


def _decide(session: Session, outcome: Outcome) -> str:
    """What becomes of the call; gives the words for it."""
    handler = outcome.call.handler
    if handler == "onInvite" and not session.leg.answered_s:
        return "the call was refused with 500"
    how = session.board.settings.on_script_error
    if how == "announce" and _can_hear(session, handler):
        _announce(session, handler)
        return "an announcement ends the call (on_script_error = announce)"
    if how in ("bye", "announce"):
        session.stop("error", f"{handler} raised")
        return f"the call was ended (on_script_error = {how})"
    if handler == "onSessionStart":
        return "the call is up with silence"
    return "the call goes on"


def _can_hear(session: Session, handler: str) -> bool:
    """The caller hears what is enqueued now, or will soon."""
    if session.leg.down or session.b2b.callee is not None:
        return False
    return session.media is not None or handler == "onSessionStart"


def _announce(session: Session, handler: str) -> None:
    """Tell the caller that something is wrong, and hang up; the script is out of it."""
    session.mailbox.mute()
    session.playlist.clear("an announcement")
    session.port.switch("muted", False)
    session.port.switch("attached", True)

    def play() -> float:
        data, length_s = _announcement(session.board.settings.error_announcement)
        file = IvrAudioFile()
        file.fpopen("announcement.wav", AUDIO_READ, io.BytesIO(data))
        session.playlist.enqueue(file, None, ("", 0))
        return length_s

    def playing(length: asyncio.Future[float]) -> None:
        problem = length.exception()
        if problem is not None:
            log.error("error_announcement: %s", problem, extra={"leg": session.leg.name})
        wait_s = LAST_PACKETS_S + (0.0 if problem is not None else length.result())
        session.board.loop.call_later(wait_s, end)

    def end() -> None:
        session.stop("error", f"{handler} raised")
        session.board.settle()

    session.board.loop.run_in_executor(None, play).add_done_callback(playing)


@functools.lru_cache(maxsize=1)
def _announcement(path: Path | None) -> tuple[bytes, float]:
    """A WAV file, and how many seconds it lasts.

    Raises:
        OSError: there is no such file.
        MediaError: it is no audio.
    """
    if path is None:
        tones = [sine(hz, TONE_MS) for hz in TONES_HZ]
        pcm, rate_hz = np.concatenate([*tones, silence(PAUSE_MS)] * TIMES), SAMPLE_RATE_HZ
    else:
        pcm, rate_hz = decode_file(path)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate_hz, len(pcm), "NONE", ""))
        out.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue(), len(pcm) / rate_hz


def tell_raised(session: Session, outcome: Outcome, then: str) -> None:
    """Show an exception of the script, with the words for what became of the call."""
    event = raised_event(session.leg.name, outcome, session.generation, then)
    session.board.publish(event)
    log.error(
        "%s raised %s: %s (%s); %s",
        event.handler,
        event.error_type,
        event.message,
        f"{event.file}:{event.line}" if event.line else event.file,
        then,
        extra={"leg": session.leg.name, "script": session.generation.script},
    )
    if event.handler == "onSessionStart":
        session.warn(f"silence: onSessionStart raised at :{event.line}")
