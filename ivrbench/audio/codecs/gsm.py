"""GSM 06.10 full rate: 160 samples in 33 octets (RFC 3551 §4.5.8).

soundfile encodes, PyAV decodes: neither does both for single packets.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from ivrbench.audio.codecs.codec import CodecSpec, Pcm
from ivrbench.audio.codecs.pyav import PyAvDecoder
from ivrbench.errors import MediaError

__all__ = ["GSM", "GsmDecoder", "GsmEncoder"]

RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 160
FRAME_BYTES: Final = 33
MAX_FRAMES: Final = 6  # 120 ms; a packet that holds more is none


class GsmEncoder:
    """Encodes by writing to a headerless file in memory."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            MediaError: soundfile is not installed or lacks GSM.
        """
        self._buffer = io.BytesIO()
        try:
            import soundfile

            self._file = soundfile.SoundFile(
                self._buffer, "w", RATE_HZ, channels=1, format="RAW", subtype="GSM610"
            )
        except (ImportError, OSError, RuntimeError) as exc:
            raise MediaError(f"GSM needs the Python package soundfile: {exc}.") from exc

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload of one packet: 33 octets for each 160 samples."""
        self._file.write(pcm)
        payload = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return payload


class GsmDecoder(PyAvDecoder):
    """Decodes packets of one or more frames."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            MediaError: PyAV is not installed or lacks GSM.
        """
        super().__init__("gsm", RATE_HZ, FRAME_SAMPLES)

    def _decode(self, payload: bytes) -> Pcm:
        frames = len(payload) // FRAME_BYTES
        if not 1 <= frames <= MAX_FRAMES or len(payload) % FRAME_BYTES:
            raise MediaError(f"{len(payload)} octets are no GSM frames.")
        starts = range(0, len(payload), FRAME_BYTES)
        decode = super()._decode
        return np.concatenate([decode(payload[at : at + FRAME_BYTES]) for at in starts])


def _encoder(fmtp: str, ptime_ms: int) -> GsmEncoder:
    return GsmEncoder()


GSM: Final = CodecSpec(
    name="GSM",
    clock_rate_hz=RATE_HZ,
    sample_rate_hz=RATE_HZ,
    cost_weight=7,
    make_encoder=_encoder,
    make_decoder=GsmDecoder,
    static_pt=3,
    ptimes_ms=(20, 40, 60),
    needs="soundfile",
)
