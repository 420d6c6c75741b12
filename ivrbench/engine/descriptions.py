"""Session descriptions that are refused before anything comes of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.errors import SdpError
from ivrbench.sdp.description import parse_sdp

if TYPE_CHECKING:
    from ivrbench.sip.message import SipRequest

__all__ = ["unreadable_code"]

log = logging.getLogger("ivrbench.call")


def unreadable_code(request: SipRequest, leg: str) -> int:
    """Whether the description of a request cannot be parsed; then the log says why.

    Args:
        request: with or without one.
        leg: the leg's name.

    Returns:
        The status code to refuse it with, 0 if there is no need to.
    """
    if request.description:
        try:
            parse_sdp(request.description)
        except SdpError as exc:
            log.warning("%s: %s", request.method, exc, extra={"leg": leg})
            return exc.status_hint
    return 0
