"""Transfer: sending the other side on to somebody else (RFC 3515, RFC 5589 §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError, RemoteProtocolError
from ivrbench.sip.refer import parse_sipfrag
from ivrbench.sip.status import reason_phrase
from ivrbench.sip.uri import SipUri, parse_uri, uri_scheme

if TYPE_CHECKING:
    from ivrbench.sip.message import SipRequest

__all__ = ["refer_target", "told_progress"]


def refer_target(text: str, called: str) -> str:
    """The URI to send the other side to.

    Args:
        text: a `sip:` URI, or a name: that user where the call itself went.
        called: the Request-URI of the call.

    Raises:
        ConfigError: it is neither.
    """
    try:
        if uri_scheme(text):
            return str(parse_uri(text))
        here = parse_uri(called)
        port = here.port
        return str(parse_uri(str(SipUri("sip", text, "", here.host, port, (), ""))))
    except RemoteProtocolError as exc:
        raise ConfigError(f"transfer to {text!r}? A script's name or a SIP URI: {exc}") from exc


def told_progress(request: SipRequest) -> tuple[str, bool]:
    """What a NOTIFY tells of the transfer, for people; True if the other side has arrived."""
    status = parse_sipfrag(request.body)
    if status is None:
        return "transfer: the other side tells nothing about it", False
    code, reason = status
    told = f"{code} {reason or reason_phrase(code)}".rstrip()
    if code < 200:
        return f"transfer: {told}", False
    if code < 300:
        return f"transferred: {told}", True
    return f"transfer failed: {told}; this call goes on", False
