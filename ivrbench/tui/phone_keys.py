"""Keys of the Call screen about the sound card, several calls, and calls that come in."""

from __future__ import annotations

from ivrbench.tui.key import key

__all__ = ["PHONE"]

PHONE = [
    key("a", "app.answer", "call.answer", "Answer", "Answer the call that rings here"),
    key("f", "refuse", "call.refuse", "Refuse", "Refuse the call that rings, with a code"),
    key("w", "takes", "call.takes", "Callee", "Whether calls that scripts make come here, and how"),
    key("o", "sound", "call.sound", "Sound", "Which microphone and loudspeaker, or no sound card"),
    key("g", "codec", "call.codec", "Codec", "What the next test calls offer and accept"),
    key("t", "transfer", "call.transfer", "Transfer", "Send the other side on to somebody else"),
    key("p", "next_phone", "call.next", "Other call", "The next of several test calls"),
]
