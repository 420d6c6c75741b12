"""Which codecs there are."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ivrbench.audio.codecs.g711_calls import G711
from ivrbench.audio.codecs.g722 import G722
from ivrbench.audio.codecs.gsm import GSM
from ivrbench.audio.codecs.l16 import L16
from ivrbench.audio.codecs.opus import OPUS

if TYPE_CHECKING:
    from ivrbench.audio.codecs.codec import CodecSpec

__all__ = ["CODECS", "find_codec", "installed_codecs"]

CODECS: Final[tuple[CodecSpec, ...]] = (OPUS, G722, *G711, GSM, *L16)
"""All codecs, best first."""


def find_codec(name: str, clock_rate_hz: int, channels: int = 1) -> CodecSpec | None:
    """Return the codec an rtpmap names, None if there is none.

    Args:
        name: encoding name, in any case.
        clock_rate_hz: the rate in the rtpmap.
        channels: as in the rtpmap.
    """
    wanted = (name.lower(), clock_rate_hz, channels)
    for spec in CODECS:
        if (spec.name.lower(), spec.clock_rate_hz, spec.channels) == wanted:
            return spec
    return None


@functools.cache
def installed_codecs() -> tuple[CodecSpec, ...]:
    """Return the codecs whose libraries are installed, best first; looked up once."""
    return tuple(spec for spec in CODECS if not spec.needs or find_spec(spec.needs))
