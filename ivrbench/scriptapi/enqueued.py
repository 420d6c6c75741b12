"""What may be given to `enqueue`."""

from __future__ import annotations

from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.audioitems import IvrAudioMixIn, IvrNullAudio
from ivrbench.scriptapi.conference import IvrConference

__all__ = ["check_enqueued"]

_PLAYABLE = (IvrAudioFile, IvrAudioMixIn, IvrNullAudio, IvrConference)


def check_enqueued(play: object, rec: object) -> None:
    """Check the arguments of `enqueue`.

    Raises:
        TypeError: something else than audio.
        ValueError: a file that is not open, `rec` is open for reading, or two rooms at once.
    """
    if play is not None and not isinstance(play, _PLAYABLE):
        raise TypeError(f"enqueue() argument 1 must be audio or None, not {play!r}")
    if rec is not None and not isinstance(rec, (IvrAudioFile, IvrConference)):
        raise TypeError(
            f"enqueue() argument 2 must be an IvrAudioFile, an IvrConference or None, not {rec!r}"
        )
    if isinstance(play, IvrAudioFile):
        play.opened()
    elif isinstance(play, IvrNullAudio):
        play.length_ms()
    elif isinstance(play, IvrAudioMixIn) and play.settings is not None:
        play.settings.first.opened()
        play.settings.second.opened()
    elif isinstance(play, IvrConference) and isinstance(rec, IvrConference) and play is not rec:
        raise ValueError("enqueue() cannot bring a call into two rooms at once")
    if isinstance(rec, IvrAudioFile) and not rec.opened().writing:
        raise ValueError(
            f"enqueue() cannot record into {rec.opened().name}: it was opened with AUDIO_READ"
        )
