"""REFER and Replaces: parsing both, reporting progress (RFC 3515, 3891, 3892, 4488)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encode
from urllib.parse import unquote as percent_decode

from ..errors import RemoteProtocolError
from .call_state import CallState
from .headers import parse_name_addr
from .sending import Draft
from .status import status_line
from .uri import check_uri, uri_scheme

if TYPE_CHECKING:
    from .dialog import Dialog
    from .invite import InviteCall
    from .message import SipRequest

__all__ = [
    "SIPFRAG",
    "SUBSCRIPTION_S",
    "ReferProgress",
    "ReferTo",
    "Replaces",
    "parse_refer_to",
    "parse_replaces",
    "parse_sipfrag",
    "refer_headers",
    "replaces_value",
    "sipfrag",
    "transfer_uri",
]

SIPFRAG = "message/sipfrag;version=2.0"
SUBSCRIPTION_S = 180  # How long a transfer may take before the other side stops waiting.
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])(?: ([^\r\n]*+))?+")
# What a Call-ID and tags may hold unescaped inside the headers of a URI (RFC 3261 §25.1, hnv).
_HVALUE_SAFE = "[]/?:+$-_.!~*'()"


@dataclass(frozen=True, slots=True)
class Replaces:
    """A Replaces value: which dialog a new call takes the place of."""

    call_id: str
    to_tag: str
    """The tag of whom it is sent to."""
    from_tag: str
    early_only: bool = False
    """True: only if that dialog is not answered yet."""

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def parse_replaces(value: str) -> Replaces:
    """Parse a Replaces value (RFC 3891 §6.1).

    Raises:
        RemoteProtocolError: 400, also for one without both tags.
    """
    call_id, *params = (part.strip() for part in value.split(";"))
    tags: dict[str, str] = {}
    for param in params:
        name, _, text = param.partition("=")
        if name.strip().lower() in tags:
            raise RemoteProtocolError("a parameter of Replaces is there twice")
        tags[name.strip().lower()] = text.strip()
    if not (call_id and tags.get("to-tag") and tags.get("from-tag")):
        raise RemoteProtocolError(f"bad Replaces {value[:80]!r}")
    return Replaces(call_id, tags["to-tag"], tags["from-tag"], "early-only" in tags)


def replaces_value(dialog: Dialog) -> Replaces:
    """The Replaces with which somebody else takes our place towards the other side of `dialog`."""
    return Replaces(dialog.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag)


def transfer_uri(uri: str, dialog: Dialog) -> str:
    """A Refer-To value that sends the referred one to `uri`, in place of us in `dialog` (attended
    transfer, RFC 5589 §7).
    """
    check_uri(uri)
    escaped = percent_encode(str(replaces_value(dialog)), safe=_HVALUE_SAFE)
    return f"<{uri}?Replaces={escaped}>"


def refer_headers(refer_to: str, referred_by: str = "") -> list[tuple[str, str]]:
    """The headers of a REFER of ours, for `call.request("REFER", …)`; its progress comes as NOTIFY.

    Args:
        refer_to: a Refer-To value, `<sip:…>` or what `transfer_uri` gives.
        referred_by: a Referred-By value (RFC 3892), or "".
    """
    by = [("Referred-By", referred_by)] if referred_by else []
    return [("Refer-To", refer_to), *by]


@dataclass(frozen=True, slots=True)
class ReferTo:
    """A Refer-To value: what we are asked to do."""

    uri: str
    """Whom to contact; its headers and method parameter are taken out."""
    method: str
    """INVITE unless the URI says otherwise."""
    replaces: Replaces | None
    """The dialog to take the place of, for an attended transfer."""
    headers: tuple[tuple[str, str], ...]
    """The other headers of the URI, decoded; RFC 3261 §19.1.5: do not send them unlooked at."""


def parse_refer_to(value: str) -> ReferTo:
    """Parse a Refer-To value (RFC 3515 §2.1).

    Raises:
        RemoteProtocolError: 400.
    """
    full = parse_name_addr(value).uri
    if not uri_scheme(full):
        raise RemoteProtocolError(f"bad Refer-To {value[:80]!r}")
    plain, _, header_text = full.partition("?")
    start, *params = plain.split(";")
    kept, method = [start], "INVITE"
    for param in params:
        name, _, text = param.partition("=")
        if name.lower() == "method":
            method = text
        else:
            kept.append(param)
    headers, replaces = [], None
    for each in header_text.split("&") if header_text else ():
        name, _, text = each.partition("=")
        decoded = percent_decode(text, errors="surrogateescape")
        if name.lower() == "replaces":
            replaces = parse_replaces(decoded)
        else:
            headers.append((percent_decode(name, errors="surrogateescape"), decoded))
    return ReferTo(";".join(kept), method, replaces, tuple(headers))


def sipfrag(code: int, reason: str = "") -> bytes:
    """The body that reports a status.

    Raises:
        LocalProtocolError: the code is none, or the reason would end its line.
    """
    return status_line(code, reason).encode("utf-8", "surrogateescape")


def parse_sipfrag(body: bytes) -> tuple[int, str] | None:
    """(code, reason) of the status line a NOTIFY reports, None if it holds none."""
    match = _STATUS_LINE.match(body)
    if match is None:
        return None
    return int(match[1]), (match[2] or b"").decode("utf-8", "replace")


class ReferProgress:
    """The subscription a REFER makes by itself: tells the one who asked how its request goes.

    Making it answers the REFER with 202 and sends the first NOTIFY; then call `report`.

    Args:
        call: the call the REFER came in.
        request: the REFER, not answered yet.
        now: the time.

    Raises:
        LocalProtocolError: it was answered before.

    Attributes:
        refer_to: what was asked.
        ended: True once the final status was reported.
    """

    __slots__ = ("_call", "_event", "_silent", "ended", "refer_to")

    def __init__(self, call: InviteCall, request: SipRequest, *, now: float) -> None:
        self.refer_to = parse_refer_to(request.header("refer-to"))
        self.ended = False
        self._call = call
        # RFC 3515 §2.4.6: the id tells several REFERs of one dialog apart.
        self._event = f"refer;id={request.cseq}"
        # RFC 4488: one that wants no progress gets none.
        self._silent = request.header("refer-sub").strip().lower() == "false"
        headers = (("Refer-Sub", "false"),) if self._silent else ()
        call.respond(request, 200 if self._silent else 202, "", headers, now=now)
        self.report(100, now=now)

    def report(self, code: int, reason: str = "", *, now: float) -> None:
        """Tell the status of what was asked; one of 200 and more is the last.

        Raises:
            LocalProtocolError: the status cannot be sent.
        """
        body = sipfrag(code, reason)
        if self.ended or self._call.state not in (CallState.EARLY, CallState.CONNECTED):
            return
        self.ended = code >= 200
        state = "terminated;reason=noresource" if self.ended else f"active;expires={SUBSCRIPTION_S}"
        extra = f"Event: {self._event}\r\nSubscription-State: {state}\r\n"
        if not self._silent:
            self._call.requests.send(Draft("NOTIFY", extra, body, SIPFRAG), now)
