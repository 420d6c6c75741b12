"""The sound card seam, driven by a stand-in for the sound library."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from ivrbench.audio.device import Duplex, SoundDevice, list_devices, open_duplex
from ivrbench.errors import DeviceError


class Stream:
    """A stream of the stand-in library."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.active = False

    def start(self) -> None:
        if self.options["device"][0] == "busy":
            raise RuntimeError("Device unavailable")
        self.active = True

    def close(self) -> None:
        self.active = False


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    """Put a stand-in in the sound library's place; returns the streams it opened."""
    opened: list[Stream] = []

    def open_stream(**options: Any) -> Stream:
        opened.append(Stream(**options))
        return opened[-1]

    module = ModuleType("sounddevice")
    devices = [{"name": "Headset", "max_input_channels": 1, "max_output_channels": 2}]
    monkeypatch.setattr(module, "RawStream", open_stream, raising=False)
    monkeypatch.setattr(module, "query_devices", lambda: devices, raising=False)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return opened


def test_sound_cards_are_listed(library: list[Stream]) -> None:
    """Each sound card has an index, a name and its channels."""
    assert list_devices() == [SoundDevice(0, "Headset", 1, 2)]


def test_frames_are_exchanged(library: list[Stream]) -> None:
    """What is heard goes in, what is to be said comes out; too little becomes silence."""
    heard: list[bytes] = []

    def exchange(frame: bytes) -> bytes:
        heard.append(frame)
        return b"ab"

    duplex = open_duplex(exchange, input_device=3, output_device="Headset")
    options = library[0].options
    assert options["device"] == (3, "Headset")
    assert (options["samplerate"], options["blocksize"], options["channels"]) == (8000, 160, 1)
    said = bytearray(b"????")
    options["callback"](memoryview(b"mic!"), memoryview(said), 2, None, None)
    assert heard == [b"mic!"]
    assert said == b"ab\0\0"
    assert duplex.active
    duplex.close()
    duplex.close()
    assert not duplex.active


def test_too_long_a_frame_is_cut(library: list[Stream]) -> None:
    """The sound library's buffer is never overrun."""
    open_duplex(lambda frame: b"abcdef")
    said = bytearray(2)
    library[0].options["callback"](memoryview(b""), memoryview(said), 1, None, None)
    assert said == b"ab"


def test_a_busy_sound_card_is_an_error(library: list[Stream]) -> None:
    """What the library says is passed on, and nothing stays open."""
    with pytest.raises(DeviceError, match="could not be opened: Device unavailable"):
        open_duplex(lambda frame: frame, input_device="busy")
    assert not library[0].active


def test_a_sound_card_that_cannot_be_closed_is_an_error() -> None:
    """Errors of the library never leave this module as they are."""
    with pytest.raises(DeviceError, match="could not be closed"):
        Duplex(object()).close()


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
        open_duplex(lambda frame: frame)


def test_importing_the_module_does_not_load_the_library() -> None:
    """A machine without a sound card pays nothing for this module."""
    code = "import sys, ivrbench.audio.device; sys.exit('sounddevice' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
