"""Handlers: the events a script can hear of, and what each is called with (ivr-api §2.3)."""

from __future__ import annotations

from typing import Final

__all__ = ["HANDLERS", "OLD_ARGUMENTS"]

HANDLERS: Final[dict[str, tuple[str, ...]]] = {
    "onSipRequest": ("req",),
    "onInvite": ("hdrs",),
    "onStart": (),
    "onSessionStart": (),
    "onEmptyQueue": (),
    "onDtmf": ("key", "duration"),
    "onTimer": ("id",),
    "onBye": (),
    "onOtherBye": (),
    "onOtherReply": ("code", "reason"),
    "onOtherDtmf": ("key", "duration"),
    "onSipReply": ("req", "reply"),
    "onRtpTimeout": (),
    "onAudioCleared": (),
    "onIvrMessage": ("msg",),
    "onUser1": (),
    "onUser2": (),
    "onServerShutdown": (),
    "onRinging": ("code", "reason"),
    "onFailed": ("code", "reason"),
    "onSpeaker": ("room", "tag"),
    "onSilence": ("ms",),
    "onRecordingEnded": ("file", "error"),
    "onTransfer": ("code", "reason"),
    "onRefer": ("uri", "replaces"),
    "onHold": (),
    "onResume": (),
}
"""Every handler there is, with the names of its arguments."""

OLD_ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "onSessionStart": ("hdrs",),
    "onSipReply": ("reply",),
}
"""Arguments of those that older generations of the API called differently."""
