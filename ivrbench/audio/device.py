"""The sound card, for the test phone; the one module that touches the sound library.

The library is loaded when a function is called, never by import, so a machine without PortAudio
runs everything else. Whatever goes wrong is a `DeviceError` that says what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ivrbench.audio.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ
from ivrbench.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Duplex", "SoundDevice", "list_devices", "open_duplex"]

NO_LIBRARY: Final = (
    "The sound library PortAudio is not installed. Install it with `apt install libportaudio2`, "
    "or make the call without sound."
)


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A sound card, or one of its sides."""

    index: int
    """What `open_duplex` takes."""
    name: str
    """What people call it."""
    inputs: int
    """Microphone channels."""
    outputs: int
    """Speaker channels."""


class Duplex:
    """An open microphone and speaker. `close` it when done; closing twice does no harm."""

    def __init__(self, stream: Any) -> None:  # Any: the sound library has no types
        """Wrap a started stream of the sound library."""
        self._stream = stream

    @property
    def active(self) -> bool:
        """False once the sound card went away or the stream was closed."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Stop at once and give the sound card back."""
        with _device_errors("The sound card could not be closed"):
            self._stream.close()


def list_devices() -> list[SoundDevice]:
    """Return the sound cards of this machine.

    Raises:
        DeviceError: the sound library is missing or does not work.
    """
    with _device_errors("The sound cards could not be listed"):
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


def open_duplex(
    exchange: Callable[[bytes], bytes],
    *,
    input_device: int | str | None = None,
    output_device: int | str | None = None,
    rate_hz: int = SAMPLE_RATE_HZ,
    frame_samples: int = FRAME_SAMPLES,
) -> Duplex:
    """Open microphone and speaker and start them.

    Args:
        exchange: called for each frame, in a thread of the sound library, with what the
            microphone heard; returns what the speaker is to say. Both are 16-bit mono in the
            machine's byte order; too little is filled up with silence. It must not block.
        input_device: index or name of the microphone, None for the system's choice.
        output_device: index or name of the speaker, None for the system's choice.
        rate_hz: the sample rate.
        frame_samples: samples per frame.

    Returns:
        The open device.

    Raises:
        DeviceError: the sound library is missing, or there is no such or no free sound card.
    """

    def callback(heard: Any, said: Any, frames: int, time: Any, status: Any) -> None:
        frame = exchange(bytes(heard))[: len(said)]
        said[: len(frame)] = frame
        said[len(frame) :] = bytes(len(said) - len(frame))

    with _device_errors("The sound card could not be opened"):
        import sounddevice

        stream = sounddevice.RawStream(
            samplerate=rate_hz,
            blocksize=frame_samples,
            device=(input_device, output_device),
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
    return Duplex(stream)


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
        raise DeviceError(f"{what}: {exc}.") from exc
