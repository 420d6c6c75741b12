"""Text to speech, with the engine of the extra and without."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ivrbench.audio import tts
from ivrbench.audio.levels import level_dbfs
from ivrbench.audio.tts import MAX_TEXT_CHARS, is_installed, synthesise
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WITH_ENGINE = pytest.mark.skipif(not is_installed(), reason="the extra tts is not installed")


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    """Begin and end with nothing kept."""
    tts._CACHE.clear()
    yield
    tts._CACHE.clear()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Put a fake in the place of the speech process; returns the commands it is given."""

    def put(
        status: int = 0, out: bytes = b"8000\n" + bytes(320), err: bytes = b""
    ) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
            commands.append(command)
            return subprocess.CompletedProcess(command, status, out, err)

        monkeypatch.setattr("ivrbench.audio.tts.subprocess.run", run)
        monkeypatch.setattr("ivrbench.audio.tts.is_installed", lambda: True)
        return commands

    return put


@WITH_ENGINE
def test_a_text_is_spoken() -> None:
    """A sentence takes a second or two, is as loud as a prompt, and longer at a higher rate."""
    pcm = synthesise("Hello, who is calling?", rate_hz=8000)
    assert pcm.dtype == np.int16
    assert 8000 < len(pcm) < 24_000
    assert -35 < level_dbfs(pcm) < -10
    wide = synthesise("Hello, who is calling?", rate_hz=16_000)
    assert len(wide) == pytest.approx(2 * len(pcm), abs=2)


@WITH_ENGINE
def test_languages_and_voices_differ() -> None:
    """Voices and languages are the engine's; text in any script; nothing to say is silence."""
    said = [
        synthesise("Guten Tag 123", language=language, voice=voice, rate_hz=8000).tobytes()
        for language, voice in (("de", ""), ("de", "f2"), ("en-us", ""))
    ]
    assert len(set(said)) == 3
    assert len(synthesise("Größe \0 你好 \ud800", language="de", rate_hz=8000))
    assert level_dbfs(synthesise("", rate_hz=8000)) < -80


@WITH_ENGINE
def test_unknown_voices_are_a_sentence() -> None:
    """What was asked for is named."""
    with pytest.raises(MediaError, match=r"There is no voice 'tlh-q' for text to speech"):
        synthesise("nuqneH", language="tlh-q", rate_hz=8000)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the extra."""
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr("ivrbench.audio.tts.is_installed", lambda: False)
    with pytest.raises(MediaError, match=r"pip install espeakng-loader"):
        synthesise("Hello", rate_hz=8000)


def test_what_was_said_is_kept(engine: Callable[..., list[list[str]]]) -> None:
    """One process for each text and voice, whatever the sample rate."""
    commands = engine()
    for rate_hz in (8000, 16_000, 8000):
        assert len(synthesise("Hello", rate_hz=rate_hz)) == rate_hz * 20 // 1000
    synthesise("Hello", voice="f2", rate_hz=8000)
    assert [command[-2] for command in commands] == ["en", "en+f2"]


def test_what_is_kept_has_a_limit(
    engine: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes first; what is too large to keep is said all the same."""
    monkeypatch.setattr(tts, "_CACHE", tts._Cache(700))
    commands = engine()
    for text in ("a", "b", "a", "c", "a", "b"):
        assert len(synthesise(text, rate_hz=8000)) == 160
    assert len(commands) == 4
    engine(out=b"8000\n" + bytes(1000))
    assert len(synthesise("long", rate_hz=8000)) == 500


def test_a_broken_engine_is_an_error_of_that_text_alone(
    engine: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash, nonsense, or no end: a sentence, and the next text may work."""
    engine(status=-11, out=b"22050\n")
    with pytest.raises(MediaError, match="did not work: exit status -11"):
        synthesise("a", rate_hz=8000)
    engine(status=1, err=b"Traceback\nOSError: no library\n")
    with pytest.raises(MediaError, match="OSError: no library"):
        synthesise("a", rate_hz=8000)
    engine(out=b"nonsense")
    with pytest.raises(MediaError, match="did not work"):
        synthesise("a", rate_hz=8000)
    engine()
    assert len(synthesise("a", rate_hz=8000)) == 160

    def hang(command: list[str], **how: Any) -> None:
        raise subprocess.TimeoutExpired(command, 30)

    monkeypatch.setattr("ivrbench.audio.tts.subprocess.run", hang)
    with pytest.raises(MediaError, match="timed out"):
        synthesise("b", rate_hz=8000)


def test_texts_have_a_limit() -> None:
    """A book is refused before any work."""
    with pytest.raises(MediaError, match="10001 characters is too long"):
        synthesise("x" * (MAX_TEXT_CHARS + 1), rate_hz=8000)
