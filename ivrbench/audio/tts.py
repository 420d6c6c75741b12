"""Text to speech, by eSpeak NG of the extra `tts`, in a process of its own.

`synthesise` waits for that process: call it from a script's thread or a thread pool, never on an
event loop. What was said once is kept.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import OrderedDict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio import tts_process
from ivrbench.audio.resample import resample
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_TEXT_CHARS", "is_installed", "synthesise"]

MAX_TEXT_CHARS: Final = 10_000  # about ten minutes of speech
MAX_CACHE_BYTES: Final = 64 * 1024 * 1024  # 25 minutes at the engine's 22050 Hz
TIMEOUT_S: Final = 30.0  # ten minutes of speech take it about two seconds
WORDS_PER_MINUTE: Final = 160
DEFAULT_LANGUAGE: Final = "en"


def is_installed() -> bool:
    """Say whether the extra `tts` is there."""
    return find_spec("espeakng_loader") is not None


def synthesise(
    text: str, *, voice: str = "", language: str = "", rate_hz: int
) -> NDArray[np.int16]:
    """Return a text as speech.

    Args:
        text: plain text.
        voice: a variant such as `f2` or `m3`, "" for the language's own voice.
        language: such as `en`, `en-us` or `de`; "" for English.
        rate_hz: sample rate of the result.

    Returns:
        Mono samples, not to be changed: they may be another call's too.

    Raises:
        MediaError: the extra is not installed, there is no such voice, the text is too long, or
            the speech engine failed.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise MediaError(
            f"A text of {len(text)} characters is too long to be spoken at once; "
            f"{MAX_TEXT_CHARS} is the most."
        )
    name = (language or DEFAULT_LANGUAGE) + (f"+{voice}" if voice else "")
    key = (text, name)
    spoken = _CACHE.get(key)
    if spoken is None:
        spoken = _speak(text, name)
        _CACHE.put(key, spoken)
    pcm, engine_rate_hz = spoken
    return resample(pcm, engine_rate_hz, rate_hz)


Spoken = tuple["NDArray[np.int16]", int]
"""Samples and their rate in Hz."""


class _Cache:
    """What was said lately, up to a number of bytes; for any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._spoken: OrderedDict[tuple[str, str], Spoken] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Spoken | None:
        with self._lock:
            spoken = self._spoken.get(key)
            if spoken is not None:
                self._spoken.move_to_end(key)
            return spoken

    def put(self, key: tuple[str, str], spoken: Spoken) -> None:
        with self._lock:
            replaced = self._spoken.pop(key, None)
            self._bytes += spoken[0].nbytes - (replaced[0].nbytes if replaced else 0)
            self._spoken[key] = spoken
            while self._bytes > self._max_bytes:
                _, (oldest, _) = self._spoken.popitem(last=False)
                self._bytes -= oldest.nbytes

    def clear(self) -> None:
        with self._lock:
            self._spoken.clear()
            self._bytes = 0


_CACHE: Final = _Cache(MAX_CACHE_BYTES)


def _speak(text: str, name: str) -> Spoken:
    if not is_installed():
        raise MediaError(
            "Text to speech is not installed. Install it with "
            f"`{sys.executable} -m pip install espeakng-loader`."
        )
    # NUL ends a text for the library.
    said = text.replace("\0", " ").encode(errors="replace")
    # -P: what lies in the working directory is not to be taken for a module of Python.
    command = [sys.executable, "-P", tts_process.__file__, name, str(WORDS_PER_MINUTE)]
    try:
        done = subprocess.run(
            command, input=said, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as exc:
        raise MediaError(f"The speech engine did not work: {exc}.") from exc
    if done.returncode == tts_process.UNKNOWN_VOICE_STATUS:
        raise MediaError(
            f"There is no voice {name!r} for text to speech; "
            "languages are written like `en-us` or `de`, voices like `f2`."
        )
    rate, _, samples = done.stdout.partition(b"\n")
    if done.returncode or not rate.isdigit():
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = last[0] if last else f"exit status {done.returncode}"
        raise MediaError(f"The speech engine did not work: {reason}.")
    pcm = np.frombuffer(samples[: len(samples) // 2 * 2], np.int16)
    return pcm, int(rate)
