"""Describe: what a message is and who it is from, in a few words for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError

if TYPE_CHECKING:
    from ivrbench.sip.message import SipRequest

__all__ = ["TEST_PHONE", "peer_name", "summary_of", "without_keys"]

TEST_PHONE: Final = "test phone"
"""What the workbench shows as the peer of a call from our own phone."""
_CRYPTO: Final = re.compile(rb"a=crypto:[^\r\n]*")
_KEY: Final = re.compile(rb"(?<=inline:)[A-Za-z0-9+/=]+")
PHONE_AGENT: Final = "ivrbench test phone"
"""Beginning of the test phone's User-Agent."""


def summary_of(data: bytes) -> str:
    """The first line of a message in short: "INVITE (SDP)", "200 OK"."""
    first = data[: data.find(b"\r\n")].decode("utf-8", "replace")
    if first.startswith("SIP/2.0 "):
        text = first[8:]
    else:
        text = first.partition(" ")[0]
    return f"{text} (SDP)" if data.find(b"\r\n\r\nv=0") > 0 else text


def without_keys(data: bytes) -> bytes:
    """A message as people may see it: keys of encrypted audio are struck out, its length stays."""
    if b"a=crypto:" not in data:
        return data
    return _CRYPTO.sub(lambda m: _KEY.sub(lambda key: b"*" * len(key[0]), m[0]), data)


def peer_name(request: SipRequest) -> str:
    """Who calls."""
    if request.header("user-agent").startswith(PHONE_AGENT):
        return TEST_PHONE
    try:
        return request.from_.uri
    except RemoteProtocolError:
        return "?"
