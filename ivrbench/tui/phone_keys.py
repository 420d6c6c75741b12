"""Keys of the Call screen about the sound card and about several calls."""

from __future__ import annotations

from textual.binding import Binding

__all__ = ["PHONE"]

PHONE = [
    Binding(
        "o",
        "sound",
        "Sound",
        id="call.sound",
        show=False,
        tooltip="Which microphone and loudspeaker, or no sound card",
    ),
    Binding(
        "g",
        "codec",
        "Codec",
        id="call.codec",
        show=False,
        tooltip="What the next test calls offer: G.711, one law of it, G.722 or Opus",
    ),
    Binding(
        "t",
        "transfer",
        "Transfer",
        id="call.transfer",
        show=False,
        tooltip="Send the other side on to somebody else (REFER)",
    ),
    Binding(
        "p",
        "next_phone",
        "Other call",
        id="call.next",
        show=False,
        tooltip="The next of several test calls: keys, switches and screen are about that one",
    ),
]
