"""Which headers go from one party to the other, as tables.

Headers of a message go along unless they speak to us alone: what one hop tells the next, what
belongs to one dialog, and the names our own applications are chosen by. What a script writes goes
in any case.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ivrbench.sip.grammar import MANAGED_HEADERS, header_key

from ..headers import header_pairs

if TYPE_CHECKING:
    from ivrbench.sip.message import SipMessage, SipRequest, SipResponse

    from ..leg import Headers
    from ..views import RequestFacts

__all__ = ["call_headers", "relayed_headers", "response_headers"]

INTERNAL: Final = ("p-app-", "p-iptel-")
"""Beginnings of the names that tell this server what to do."""
OURS: Final = frozenset(
    # What each side of us says of itself (RFC 3261 §20, RFC 3262, RFC 4028).
    "accept accept-encoding allow min-se proxy-require require server session-expires supported "
    "timestamp unsupported user-agent "
    # Proofs of who somebody is, made for one hop.
    "authentication-info authorization proxy-authenticate proxy-authorization www-authenticate "
    # The way of one message (RFC 3327, RFC 3608, RFC 5393).
    "max-breadth path service-route "
    # Names of dialogs, which are others on the far side (RFC 3891, RFC 3911, RFC 4538).
    "join replaces target-dialog "
    # Written with the body, or never of use behind us.
    "content-encoding mime-version contact rack rseq".split()
)
ABOUT_THE_REQUEST: Final = frozenset({"accept", "accept-encoding", "allow", "unsupported"})
"""In a refusal they say what the far side would have taken: 405, 415, 420."""
BODY: Final = frozenset({"content-encoding", "mime-version"})
"""They describe a body that goes along."""


def call_headers(invite: RequestFacts) -> Headers:
    """Headers of an INVITE to the callee.

    Args:
        invite: the caller's; what the script added to its `hdrs` goes along whatever its name.
    """
    received = Counter(header_pairs(invite.request.extra_headers_text()))
    kept = []
    for pair in header_pairs(invite.hdrs):
        if received[pair]:
            received[pair] -= 1
            if _goes(pair[0]):
                kept.append(pair)
        elif header_key(pair[0]) not in MANAGED_HEADERS:
            kept.append(pair)
    return tuple(kept)


def relayed_headers(request: SipRequest) -> Headers:
    """Headers of a request that goes to the other party."""
    return _kept(request, BODY if request.body else frozenset())


def response_headers(response: SipResponse) -> Headers:
    """Headers of a response that goes to the other party."""
    more = BODY if response.body else frozenset()
    headers = _kept(response, more | ABOUT_THE_REQUEST if response.code >= 300 else more)
    if 300 <= response.code < 400:
        # RFC 3261 §21.3: a redirection without its targets would be of no use.
        headers += tuple(("Contact", value) for value in response.headers("contact"))
    return headers


def _kept(message: SipMessage, more: frozenset[str]) -> Headers:
    return tuple(
        (name, value)
        for name, value in message.extra_headers()
        if _goes(name) or header_key(name) in more
    )


def _goes(name: str) -> bool:
    key = header_key(name)
    return key not in OURS and not key.startswith(INTERNAL)
