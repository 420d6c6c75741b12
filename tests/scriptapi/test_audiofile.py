"""IvrAudioFile (ivr-api §3.1 and architecture §10)."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pytest
import soundfile

from ivrbench.audio import tts
from ivrbench.audio.files import WavSubtype, decode_wav, wav_header
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.ivr import AUDIO_READ, AUDIO_WRITE
from ivrbench.scriptapi.python2 import restore_names
from tests.scriptapi.fakes import FakeControl, FakeHost

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("host")

READ, WRITE = AUDIO_READ, AUDIO_WRITE


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    """A prompt of 100 samples."""
    path = tmp_path / "prompt.wav"
    path.write_bytes(wav_header(200) + bytes(200))
    return path


def opened(path: Path | str, mode: int = READ, is_tmp: bool = False) -> IvrAudioFile:
    file = IvrAudioFile("arguments", are="ignored")
    file.open(str(path), mode, is_tmp)
    return file


def test_a_prompt_opens(prompt: Path) -> None:
    """Its size comes from the header; the engine can read all of it."""
    audio = opened(prompt).opened()
    assert audio.data_bytes == 200
    assert audio.path == str(prompt)
    assert audio.read_all() == prompt.read_bytes()
    assert not audio.writing


def test_other_formats_open(tmp_path: Path) -> None:
    """What libsndfile reads is a prompt too; its size is that of its samples."""
    path = tmp_path / "prompt.FLAC"
    soundfile.write(path, np.zeros(100, np.int16), 8000, format="FLAC")
    assert opened(path).getDataSize() == 200


def test_the_same_content_has_the_same_version(prompt: Path) -> None:
    """Decoded prompts are shared among calls by this key."""
    before = opened(prompt).opened().version
    assert opened(prompt).opened().version == before
    prompt.write_bytes(wav_header(2) + bytes(2))
    assert opened(prompt).opened().version != before


def test_a_deleted_prompt_still_plays(prompt: Path) -> None:
    """The descriptor is kept, so deleting or replacing the file does not matter."""
    audio = opened(prompt).opened()
    prompt.unlink()
    assert len(audio.read_all()) == 244


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.wav", None),
        ("noextension", b""),
        ("x.mp3", b""),
        ("garbage.wav", b"nothing"),
        ("cut.wav", wav_header(0)[:20]),
        ("nodata.wav", wav_header(0)[:36]),
        ("adpcm.wav", wav_header(0)[:20] + b"\2\0" + wav_header(0)[22:]),
        ("folder.wav", "directory"),
        ("fifo.wav", "fifo"),
    ],
)
def test_what_cannot_be_opened_is_an_oserror(
    tmp_path: Path, name: str, content: bytes | str | None
) -> None:
    """Missing, unknown extension, bad header: an OSError; the file stays closed."""
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "directory":
        path.mkdir()
    elif content == "fifo":
        os.mkfifo(path)
    file = IvrAudioFile()
    with pytest.raises(OSError, match=f"Could not open file.*{name}"):
        file.open(str(path), READ)
    with pytest.raises(ValueError, match="not open"):
        file.opened()


@pytest.mark.parametrize(
    "args",
    [
        ("x.wav", 0),
        ("x.wav", 3),
        ("x.wav", "r"),
        ("x.wav", 1, 1),
        ("x.wav", 1, None),
        (b"x.wav", 1),
        ("x.wav",),
        (),
    ],
)
def test_wrong_arguments_are_type_errors(args: tuple[object, ...]) -> None:
    """Unknown mode; is_tmp is exactly True or False."""
    with pytest.raises(TypeError):
        IvrAudioFile().open(*args)  # type: ignore[arg-type]


def test_opening_to_write_makes_a_valid_empty_file(tmp_path: Path) -> None:
    """Write truncates; the file can be read at once; sizes count audio alone."""
    path = tmp_path / "r.wav"
    path.write_bytes(b"old" * 100)
    file = opened(path, WRITE)
    assert len(decode_wav(path.read_bytes(), "r.wav")[0]) == 0
    assert file.getDataSize() == 0
    os.pwrite(file.opened().fd, bytes(320), 44)
    assert file.getDataSize() == 320


@pytest.mark.parametrize(
    ("subtype", "used"),
    [("A-Law", WavSubtype.ALAW), ("Mu-Law", WavSubtype.ULAW), ("PCM16", WavSubtype.PCM16)],
)
def test_subtypes(tmp_path: Path, subtype: str, used: WavSubtype) -> None:
    """`name.wav|A-Law` chooses how samples are written; the header does not count as data."""
    file = opened(f"{tmp_path}/r.wav|{subtype}", WRITE)
    assert file.opened().subtype is used
    assert file.getDataSize() == 0


def test_an_unknown_subtype_is_told_and_ignored(tmp_path: Path, host: FakeHost) -> None:
    """The default is used, with a warning."""
    assert opened(f"{tmp_path}/r.wav|Opus", WRITE).opened().subtype is WavSubtype.PCM16
    assert host.lines[0][0] == 1
    assert "'Opus'" in host.lines[0][1]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A recording cannot be opened: OSError that says where."""
    with pytest.raises(FileNotFoundError, match="none/r.wav"):
        opened(tmp_path / "none" / "r.wav", WRITE)


def test_a_temporary_file_has_no_name(tmp_path: Path) -> None:
    """is_tmp: written like any other, gone when closed."""
    file = opened(tmp_path / "t.wav", WRITE, is_tmp=True)
    assert file.opened().path == ""
    assert file.getDataSize() == 0
    assert list(tmp_path.iterdir()) == []


def test_close_finishes_what_is_attached(tmp_path: Path) -> None:
    """A recording is whole on disk when close() returns; closing twice does nothing."""
    file, control = opened(tmp_path / "r.wav", WRITE), FakeControl()
    audio = file.opened()
    audio.attach(control)
    file.close()
    file.close()
    assert control.calls == [("finish",)]
    assert audio.fd == -1


def test_opening_again_closes_the_first(tmp_path: Path, prompt: Path) -> None:
    """One object, one open file at a time."""
    file, control = opened(tmp_path / "r.wav", WRITE), FakeControl()
    file.opened().attach(control)
    file.open(str(prompt), READ)
    assert control.calls == [("finish",)]
    assert file.getDataSize() == 200


def test_loop_and_rewind_reach_what_plays(prompt: Path) -> None:
    """They act on items that are attached, and on none that were detached."""
    file, control, gone = opened(prompt), FakeControl(), FakeControl()
    audio = file.opened()
    audio.attach(control)
    audio.attach(gone)
    audio.detach(gone)
    audio.detach(gone)
    file.loop = True
    file.rewind()
    file.rewind(0)
    file.rewind(250)
    assert file.loop is True
    assert gone.calls == []
    assert control.calls == [("set_loop", True), ("seek", None), ("seek", None), ("seek", 250)]
    assert "prompt.wav read" in repr(audio)


def test_loop_before_open(prompt: Path) -> None:
    """loop belongs to the object; only True and False."""
    file = IvrAudioFile()
    file.loop = True
    file.open(str(prompt), READ)
    assert file.loop is True
    for wrong in (1, None, "yes"):
        with pytest.raises(TypeError):
            file.loop = wrong  # type: ignore[assignment]


def test_record_time() -> None:
    """Kept for the recorder; no limit by default."""
    file = IvrAudioFile()
    assert file.record_limit_ms == -1
    file.setRecordTime(1000)
    assert file.record_limit_ms == 1000
    with pytest.raises(TypeError):
        file.setRecordTime(1.5)  # type: ignore[arg-type]


def test_closed_files_are_errors_not_crashes(prompt: Path) -> None:
    """rewind and getDataSize before open; a negative rewind."""
    closed = IvrAudioFile()
    for call in (closed.rewind, closed.getDataSize):
        with pytest.raises(ValueError, match="not open"):
            call()
    with pytest.raises(ValueError, match="0 or more"):
        opened(prompt).rewind(-1)


# --- file objects of Python ---------------------------------------------------------------------


def record(file: IvrAudioFile, pcm: bytes) -> None:
    """What the media worker does: samples, then the header over the one that is there."""
    fd = file.opened().fd
    os.pwrite(fd, pcm, 44)
    os.pwrite(fd, wav_header(len(pcm)), 0)


@pytest.mark.parametrize("make", [io.BytesIO, tempfile.TemporaryFile], ids=["memory", "disk"])
def test_recording_into_a_file_object(make: Any) -> None:
    """The mailbox way: fpopen, record, exportRaw, seek(0), read; the object stays open."""
    stream: BinaryIO = make()
    stream.write(b"something old" * 100)
    file = IvrAudioFile()
    file.fpopen("message.wav", WRITE, stream)
    record(file, b"abcd")
    fp = file.exportRaw()
    assert fp is stream
    assert fp.read() == b"abcd"
    fp.seek(0)
    assert fp.read() == wav_header(4) + b"abcd"
    file.close()
    assert not stream.closed
    stream.close()


def test_closing_fills_the_file_object() -> None:
    """Without exportRaw the recording is in it after close()."""
    stream = io.BytesIO()
    file = IvrAudioFile()
    file.fpopen("message.wav|A-Law", WRITE, stream)
    assert file.opened().subtype is WavSubtype.ALAW
    control = FakeControl()
    file.opened().attach(control)
    file.close()
    assert control.calls == [("finish",)]
    assert stream.getvalue() == wav_header(0, WavSubtype.ALAW)


@pytest.mark.parametrize("position", [0, 50])
def test_playing_a_file_object(prompt: Path, position: int) -> None:
    """All of it from its beginning, wherever it stands; the same content has one version."""
    with prompt.open("rb") as stream:
        stream.seek(position)
        file = IvrAudioFile()
        file.fpopen("x.wav", READ, stream)
        assert file.getDataSize() == 200
        assert file.opened().read_all() == prompt.read_bytes()
        again = IvrAudioFile()
        again.fpopen("y.wav", READ, io.BytesIO(prompt.read_bytes()))
        assert again.opened().version == file.opened().version
        assert file.exportRaw() is stream
        assert stream.tell() == 44
        file.close()
        assert not stream.closed


def test_a_stream_that_cannot_go_back(prompt: Path) -> None:
    """A pipe or a socket: what comes is the prompt."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        with os.fdopen(writing, "wb") as feeder:
            feeder.write(prompt.read_bytes())
        file = IvrAudioFile()
        file.fpopen("x.wav", READ, stream)
    assert file.getDataSize() == 200


def test_export_of_a_named_file(tmp_path: Path, prompt: Path) -> None:
    """A file object of its own, at the first sample, however long the header is."""
    with opened(prompt).exportRaw() as fp:
        assert (fp.tell(), len(fp.read())) == (44, 200)
    longer = tmp_path / "long.wav"
    header = wav_header(2)
    longer.write_bytes(header[:36] + b"LIST\3\0\0\0abc\0" + header[36:] + b"xy")
    with opened(longer).exportRaw() as fp:
        assert fp.read() == b"xy"
    made = opened(tmp_path / "r.wav", WRITE)
    record(made, b"abcd")
    with made.exportRaw() as fp:
        assert fp.read() == b"abcd"
        fp.write(b"ef")
    made.close()
    assert (tmp_path / "r.wav").read_bytes().endswith(b"abcdef")
    flac = tmp_path / "x.flac"
    soundfile.write(flac, np.zeros(100, np.int16), 8000, format="FLAC")
    with opened(flac).exportRaw() as fp:
        assert fp.tell() == 0


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("x.wav", READ, None), TypeError),
        (("x.wav", WRITE, 5), TypeError),
        (("x.wav", 3, io.BytesIO()), TypeError),
        ((5, READ, io.BytesIO()), TypeError),
        (("x.wav", READ, io.BytesIO(b"nothing")), OSError),
        (("x.ogg", WRITE, io.BytesIO()), OSError),
    ],
)
def test_wrong_file_objects(args: tuple[Any, ...], error: type[Exception]) -> None:
    """TypeError for what is none, OSError for what holds no audio; the file stays closed."""
    file = IvrAudioFile()
    with pytest.raises(error):
        file.fpopen(*args)
    with pytest.raises(ValueError, match="not open"):
        file.exportRaw()


def test_tmpfile_is_back() -> None:
    """`os.tmpfile()` of Python 2: a binary file for reading and writing."""
    restore_names()
    with os.tmpfile() as fp:  # type: ignore[attr-defined]
        fp.write(b"abc")
        fp.seek(0)
        assert fp.read() == b"abc"


# --- text to speech -----------------------------------------------------------------------------


def test_speech_is_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tts` works on the class and on objects; the same text has one version."""
    monkeypatch.setattr(tts, "synthesise", lambda text, rate_hz: np.ones(len(text), np.int16))
    file = IvrAudioFile.tts("hello")
    assert file.getDataSize() == 10
    assert IvrAudioFile().tts("hello").opened().version == file.opened().version
    with pytest.raises(TypeError):
        IvrAudioFile.tts(5)  # type: ignore[arg-type]


def test_speech_that_fails_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is in it: not installed, no such voice."""
    monkeypatch.setattr(tts, "is_installed", lambda: False)
    with pytest.raises(OSError, match="not installed"):
        IvrAudioFile.tts("never said before")
