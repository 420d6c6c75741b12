"""The sound card, for the test phone; the one module that touches the sound library.

The library is loaded when a function is called, never by import, so a machine without PortAudio
runs everything else. Whatever goes wrong is a `DeviceError` that says what to do.

Microphone and loudspeaker are opened apart: a machine may have only one of them, they may be of
two cards with two clocks, and one may vanish while the other goes on.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ivrbench.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "NO_DEVICE",
    "DeviceStream",
    "SoundDevice",
    "list_devices",
    "open_microphone",
    "open_speaker",
    "rescan_devices",
]

NO_LIBRARY: Final = (
    "The sound library PortAudio is not installed. Install it with `apt install libportaudio2`, "
    "or make the call without sound."
)
NO_DEVICE: Final = "there is none"
"""How an error ends where the system has no such device at all."""


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A sound card, or one of its sides."""

    index: int
    """What `open_microphone` and `open_speaker` take."""
    name: str
    """What people call it."""
    inputs: int
    """Microphone channels."""
    outputs: int
    """Speaker channels."""


class DeviceStream:
    """An open microphone or loudspeaker. `close` it when done; closing twice does no harm."""

    def __init__(self, stream: Any, name: str) -> None:  # Any: the sound library has no types
        """Wrap a started stream of the sound library, on the card of this name."""
        self._stream = stream
        self.name = name

    @property
    def active(self) -> bool:
        """False once the sound card went away or the stream was closed."""
        return bool(self._stream.active)

    @property
    def latency_ms(self) -> float:
        """Delay between the library and the air, as the card's driver reports it."""
        return float(self._stream.latency) * 1000

    def close(self) -> None:
        """Stop at once and give the sound card back."""
        with _device_errors("The sound card could not be closed"):
            self._stream.close()


def list_devices() -> list[SoundDevice]:
    """Return the sound cards of this machine.

    Raises:
        DeviceError: the sound library is missing or does not work.
    """
    with _device_errors("The sound cards could not be listed"), _no_chatter():
        import sounddevice

        return [
            SoundDevice(
                index,
                str(device["name"]),
                int(device["max_input_channels"]),
                int(device["max_output_channels"]),
            )
            for index, device in enumerate(sounddevice.query_devices())
        ]


def rescan_devices() -> None:
    """Look again which sound cards there are; only while none is open.

    Raises:
        DeviceError: the sound library is missing or does not work.
    """
    with _device_errors("The sound cards could not be looked for"), _no_chatter():
        import sounddevice

        # PortAudio lists the cards once, when it starts, and has no other way to do it again.
        sounddevice._terminate()
        sounddevice._initialize()


def open_microphone(
    take: Callable[[bytes], None],
    *,
    device: int | str | None = None,
    rate_hz: int,
    frame_samples: int,
) -> DeviceStream:
    """Open a microphone and start it.

    Args:
        take: called with each frame, 16-bit mono in the machine's byte order, in a thread of the
            sound library. It must not block.
        device: its index, or a part of its name; None for the system's choice.
        rate_hz: the sample rate.
        frame_samples: samples per frame.

    Raises:
        DeviceError: the sound library is missing, or there is no such or no free microphone.
    """

    def callback(heard: Any, frames: int, time: Any, status: Any) -> None:
        take(bytes(heard))

    return _open("RawInputStream", "The microphone", callback, device, rate_hz, frame_samples)


def open_speaker(
    give: Callable[[], bytes],
    *,
    device: int | str | None = None,
    rate_hz: int,
    frame_samples: int,
) -> DeviceStream:
    """Open a loudspeaker and start it.

    Args:
        give: called for each frame, in a thread of the sound library; too little is filled up
            with silence. It must not block.
        device: its index, or a part of its name; None for the system's choice.
        rate_hz: the sample rate.
        frame_samples: samples per frame.

    Raises:
        DeviceError: the sound library is missing, or there is no such or no free loudspeaker.
    """

    def callback(said: Any, frames: int, time: Any, status: Any) -> None:
        frame = give()[: len(said)]
        said[: len(frame)] = frame
        said[len(frame) :] = bytes(len(said) - len(frame))

    return _open("RawOutputStream", "The loudspeaker", callback, device, rate_hz, frame_samples)


def _open(
    kind: str,
    what: str,
    callback: Callable[..., None],
    device: int | str | None,
    rate_hz: int,
    frame_samples: int,
) -> DeviceStream:
    with _device_errors(f"{what} could not be opened"), _no_chatter():
        import sounddevice

        stream = getattr(sounddevice, kind)(
            samplerate=rate_hz,
            blocksize=frame_samples,
            device=device,
            channels=1,
            dtype="int16",
            latency="low",
            callback=callback,
        )
        try:
            stream.start()
        except Exception:
            stream.close()
            raise
        return DeviceStream(stream, str(sounddevice.query_devices(stream.device)["name"]))


@contextmanager
def _device_errors(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise DeviceError(f"{what}: the Python package sounddevice is not installed.") from exc
    except OSError as exc:
        # sounddevice raises OSError when it is imported without PortAudio.
        raise DeviceError(NO_LIBRARY) from exc
    except Exception as exc:
        # Its own errors have a base class that cannot be named without importing it.
        reason = " ".join(str(exc).split())
        if "querying device -1" in reason:  # its words for a system that has nothing to choose
            reason = NO_DEVICE
        raise DeviceError(f"{what}: {reason}.") from exc


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Drop what C libraries write on standard error: where a card is missing, ALSA writes twenty
    lines of which the exception says all that matters.
    """
    kept_fd = os.dup(2)
    nowhere_fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere_fd, 2)
    os.close(nowhere_fd)
    try:
        yield
    finally:
        os.dup2(kept_fd, 2)
        os.close(kept_fd)
