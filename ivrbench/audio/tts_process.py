"""The program that speaks: one text on standard input, samples on standard output.

It runs in a process of its own, so that the speech library can neither block nor end the engine.
Exit status 0: done; 3: the voice is not known; any other: it did not work.

Arguments: voice, words per minute.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["UNKNOWN_VOICE_STATUS", "main"]

UNKNOWN_VOICE_STATUS: Final = 3

# speak_lib.h of eSpeak NG
_SYNCHRONOUS: Final = 2
_DO_NOT_EXIT: Final = 0x8000
_BY_CHARACTER: Final = 1
_UTF8: Final = 1
_RATE: Final = 1  # espeakRATE
_Samples: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def main(voice: str, words_per_minute: int) -> int:
    """Speak. The first line written is the sample rate, then come 16-bit samples."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data_path = espeakng_loader.get_data_path().encode()
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _DO_NOT_EXIT)
    if rate_hz <= 0:
        return 1
    if library.espeak_SetVoiceByName(voice.encode()):
        return UNKNOWN_VOICE_STATUS
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    out = sys.stdout.buffer
    out.write(b"%d\n" % rate_hz)

    def take(samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if count > 0:
            out.write(ctypes.string_at(samples, count * 2))
        return 0

    callback = _Samples(take)  # kept as long as the library may call it
    library.espeak_SetSynthCallback(callback)
    text = sys.stdin.buffer.read()
    failed = library.espeak_Synth(
        text, ctypes.c_size_t(len(text) + 1), 0, _BY_CHARACTER, 0, _UTF8, None, None
    )
    out.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
