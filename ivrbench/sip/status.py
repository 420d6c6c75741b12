"""Status codes: the reason phrases of RFC 3261 §21 and its extensions."""

from __future__ import annotations

from ..errors import LocalProtocolError
from .grammar import check_text

__all__ = ["REASONS", "reason_phrase", "status_line"]

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


def reason_phrase(code: int) -> str:
    """The usual phrase of a status code, that of its class if it has none."""
    return REASONS.get(code) or REASONS.get(code // 100 * 100, "Unknown")


_LINES = {code: f"SIP/2.0 {code} {reason}\r\n" for code, reason in REASONS.items()}


def status_line(code: int, reason: str = "") -> str:
    """`SIP/2.0 CODE REASON` with its line end.

    Raises:
        LocalProtocolError: the code is outside 100 to 699, or the reason would end its line.
    """
    if not reason and code in _LINES:
        return _LINES[code]
    if not 100 <= code <= 699:
        raise LocalProtocolError(f"{code} is no SIP status code")
    check_text(reason, "reason phrase")
    return f"SIP/2.0 {code} {reason or reason_phrase(code)}\r\n"
