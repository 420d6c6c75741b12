"""The sound card seam, driven by a stand-in for the sound library."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from ivrbench.audio.device import (
    DeviceStream,
    SoundDevice,
    list_devices,
    open_microphone,
    open_speaker,
    rescan_devices,
)
from ivrbench.errors import DeviceError


class Stream:
    """A stream of the stand-in library."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.active = False
        self.device = 0
        self.latency = 0.04

    def start(self) -> None:
        if self.options["device"] == "busy":
            raise RuntimeError("Device unavailable\n[PaErrorCode -9985]")
        self.active = True

    def close(self) -> None:
        self.active = False


class Library(ModuleType):
    """Stands in for the sound library."""

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.opened: list[Stream] = []
        self.scans: list[str] = []
        self.devices = [{"name": "Headset", "max_input_channels": 1, "max_output_channels": 2}]

    def open(self, **options: Any) -> Stream:
        self.opened.append(Stream(**options))
        return self.opened[-1]

    RawInputStream = RawOutputStream = open

    def query_devices(self, index: int | None = None) -> Any:
        return self.devices if index is None else self.devices[index]

    def _terminate(self) -> None:
        self.scans.append("terminate")

    def _initialize(self) -> None:
        self.scans.append("initialise")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Put a stand-in in the sound library's place."""
    module = Library()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_sound_cards_are_listed(library: Library) -> None:
    """Each sound card has an index, a name and its channels."""
    assert list_devices() == [SoundDevice(0, "Headset", 1, 2)]


def test_microphone_gives_frames(library: Library) -> None:
    """Each block goes to the phone as it comes; name and delay are the driver's."""
    heard: list[bytes] = []
    stream = open_microphone(heard.append, device="Headset", rate_hz=8000, frame_samples=160)
    options = library.opened[0].options
    assert options["device"] == "Headset"
    assert (options["samplerate"], options["blocksize"], options["channels"]) == (8000, 160, 1)
    options["callback"](memoryview(b"mic!"), 2, None, None)
    assert heard == [b"mic!"]
    assert (stream.name, stream.latency_ms, stream.active) == ("Headset", 40.0, True)
    stream.close()
    stream.close()
    assert not stream.active


@pytest.mark.parametrize(("given", "said"), [(b"ab", b"ab\0\0"), (b"abcdef", b"abcd")])
def test_speaker_takes_frames(library: Library, given: bytes, said: bytes) -> None:
    """Too little becomes silence; the sound library's buffer is never overrun."""
    open_speaker(lambda: given, rate_hz=48_000, frame_samples=960)
    block = bytearray(b"????")
    library.opened[0].options["callback"](memoryview(block), 2, None, None)
    assert block == said


def test_a_busy_sound_card_is_an_error(library: Library) -> None:
    """What the library says is passed on, on one line, and nothing stays open."""
    with pytest.raises(DeviceError, match=r"microphone could not .*: Device unavailable \[Pa"):
        open_microphone(lambda frame: None, device="busy", rate_hz=8000, frame_samples=160)
    assert not library.opened[0].active


def test_no_sound_card_is_said_in_words(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own words for it, a device -1, help nobody."""

    def query(**options: Any) -> Stream:
        raise ValueError("Error querying device -1")

    monkeypatch.setattr(library, "RawOutputStream", query, raising=False)
    with pytest.raises(
        DeviceError, match=r"^The loudspeaker could not be opened: there is none\.$"
    ):
        open_speaker(lambda: b"", rate_hz=8000, frame_samples=160)


def test_cards_are_looked_for_again(library: Library) -> None:
    """PortAudio sees a card that was plugged in later only if it is started again."""
    rescan_devices()
    assert library.scans == ["terminate", "initialise"]


def test_libraries_do_not_write_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """ALSA's twenty lines about a missing card stay away; what comes after is shown."""
    module = Library()
    module.query_devices = lambda index=None: os.write(2, b"ALSA lib") and []  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sounddevice", module)
        assert list_devices() == []
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_a_sound_card_that_cannot_be_closed_is_an_error() -> None:
    """Errors of the library never leave this module as they are."""
    with pytest.raises(DeviceError, match="could not be closed"):
        DeviceStream(object(), "none").close()


def test_a_missing_python_package_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the Python package the error names it."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="package sounddevice is not installed"):
        list_devices()


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PortAudio the error says what to install."""

    class NoPortAudio:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    with pytest.raises(DeviceError, match="apt install libportaudio2"):
        open_speaker(lambda: b"", rate_hz=8000, frame_samples=160)


def test_importing_the_module_does_not_load_the_library() -> None:
    """A machine without a sound card pays nothing for this module."""
    code = "import sys, ivrbench.audio.device; sys.exit('sounddevice' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
