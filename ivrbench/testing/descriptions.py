"""What a user agent of a test offers and understands in a session description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.audio.codecs.registry import CODECS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.audio.codecs.codec import CodecSpec
    from ivrbench.sip.flow import Address

__all__ = ["EVENTS_PT", "Described", "codecs_named", "describe", "understand"]

EVENTS_PT: Final = 101
FIRST_DYNAMIC_PT: Final = 102


@dataclass(frozen=True, slots=True)
class Described:
    """What the other side's description says of its audio."""

    remote: Address
    payload_types: tuple[int, ...]
    direction: str


def codecs_named(names: Sequence[str]) -> dict[int, CodecSpec]:
    """Payload types for codecs.

    Args:
        names: as in SDP, in any case: "PCMU", "PCMA", "G722", "opus", "GSM".

    Raises:
        ValueError: there is no such codec.
    """
    found: dict[int, CodecSpec] = {}
    for name in names:
        spec = next((s for s in CODECS if s.name.lower() == name.lower()), None)
        if spec is None:
            raise ValueError(f"no codec {name!r}; there are {', '.join(s.name for s in CODECS)}")
        pt = spec.static_pt if spec.static_pt is not None else FIRST_DYNAMIC_PT + len(found)
        found[pt] = spec
    return found


def describe(
    address: Address, codecs: dict[int, CodecSpec], *, keys: bool = True, direction: str = ""
) -> bytes:
    """An offer or answer of one audio stream.

    Args:
        address: of our RTP.
        codecs: by payload type, best first.
        keys: offer telephone-event.
        direction: "sendonly", …; "": not said.
    """
    ip, port = address
    formats = [*map(str, codecs), *([str(EVENTS_PT)] if keys else [])]
    lines = ["v=0", f"o=- 1 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0"]
    lines.append(f"m=audio {port} RTP/AVP {' '.join(formats)}")
    lines += [f"a=rtpmap:{pt} {spec.rtpmap}" for pt, spec in codecs.items()]
    if keys:
        lines += [f"a=rtpmap:{EVENTS_PT} telephone-event/8000", f"a=fmtp:{EVENTS_PT} 0-15"]
    if direction:
        lines.append(f"a={direction}")
    return "\r\n".join([*lines, ""]).encode()


def understand(body: str) -> Described | None:
    """What a description says; None if it has no audio."""
    media = re.search(r"^m=audio (\d+)(?:/\d+)? \S+((?: \d+)+)", body, re.M)
    at = re.search(r"^c=IN IP[46] (\S+)", body[media.start() :] if media else "", re.M)
    at = at or re.search(r"^c=IN IP[46] (\S+)", body, re.M)
    if media is None or at is None:
        return None
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", body, re.M)
    return Described(
        (at[1], int(media[1])),
        tuple(map(int, media[2].split())),
        direction[1] if direction else "sendrecv",
    )
