"""The ladder: SIP, RTP, keys and script calls of the legs of one call as rows of one picture.

No text layout here: `tui.views.ladder` draws it, the line console prints it, and files are made
of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    ApiCalled,
    HandlerCalled,
    HandlerRaised,
    KeyReceived,
    MediaAgreed,
    SipTraced,
    Stamped,
)
from ivrbench.observe.history import KEY_NAMES
from ivrbench.observe.ladder_folds import fold
from ivrbench.observe.sipmessage import MessageText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ivrbench.observe.history import History
    from ivrbench.observe.snapshot import LegView

__all__ = ["US", "Column", "Ladder", "Row", "added_by_script", "build_ladder", "copies", "legs_of"]

US = "ivrbench"
"""Name of our own column."""
MAX_ARGUMENTS = 40
"""Characters of a script call's arguments."""
ANSWERED_WITHIN_S = 0.05
AUDIO_CALLS = ("enqueue", "flush", "setTimer", "removeTimer", "removeTimers")
"""Script calls that send no message: they stand in what the script does, not in the ladder."""
MAX_COLUMNS_PER_LEG = 2
"""Further addresses of one leg are drawn in its last column: a picture has a width."""


@dataclass(frozen=True, slots=True)
class Column:
    """One vertical line: a party, by its address."""

    name: str
    address: str
    legs: tuple[str, ...]
    """Whose other side it is; none for us."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened, between two columns or beside ours."""

    key: str
    """Unique in the picture, and the same in the next one."""
    at_s: float
    kind: str
    """"sip", "rtp", "key", "call" (the script calls us) or "error" (a handler raised)."""
    start: int
    """Column the arrow comes from."""
    end: int
    """Column it goes to; the same for what happens inside ours."""
    label: str
    note: str
    """At the right edge: the leg, a loss, a retransmission, the source line."""
    leg: str
    beside: str = ""
    """Text beside our column: the handler that got the key."""
    sip: SipTraced | None = None
    under: str = ""
    """Key of the script's call that made this message, "" for none."""
    below: int = 0
    """Messages that this call of the script made."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The picture."""

    legs: tuple[str, ...]
    calls: int
    """How many calls these legs are."""
    columns: tuple[Column, ...]
    us: int
    """Index of our column."""
    rows: tuple[Row, ...]
    dropped: int
    """Messages of these legs that are not kept any more."""


def legs_of(history: History, name: str, *, joined: bool = True) -> list[LegView]:
    """The legs that belong together: a call's own, and those its script connected.

    Args:
        history: where they are.
        name: any of them.
        joined: False gives this one alone.
    """
    chosen = history.leg(name)
    if chosen is None:
        return []
    if not joined:
        return [chosen]
    first = chosen.started.pair or name
    every = (*history.done.values(), *history.live.values())
    found = [leg for leg in every if first in (leg.name, leg.started.pair)]
    return sorted(found, key=lambda leg: (leg.name != first, leg.at_s))


def build_ladder(legs: Sequence[LegView]) -> Ladder:
    """Make the picture of these legs, of one call or of several.

    The first one's party and callers stand left of us, the others right. Parties of several calls
    that have one address share its column.
    """
    call_of = {leg.name: leg.started.pair or leg.name for leg in legs}
    is_several = len(set(call_of.values())) > 1
    left: list[Column] = []
    right: list[Column] = []
    for leg in legs:
        is_caller = is_several and leg.started.direction == "in" and not leg.started.pair
        _place(left if is_caller or leg is legs[0] else right, _columns(leg), is_shared=is_several)
    columns = [*reversed(left), _our_column(legs), *right]
    rows: list[Row] = []
    for leg in legs:
        rows += _LegRows(leg, columns, len(left)).rows()
    rows.sort(key=lambda row: (int(row.key.rstrip("ab")), row.key))
    if is_several:
        rows = [replace(row, note=row.note or row.leg) for row in rows]
    return Ladder(
        tuple(call_of),
        len(set(call_of.values())),
        tuple(columns),
        len(left),
        tuple(fold(rows, call_of)),
        sum(leg.sip_dropped for leg in legs),
    )


def copies(ladder: Ladder, row: Row) -> list[Row]:
    """The same message each time it was on the wire, `row` among them."""
    sip = row.sip
    if sip is None:
        return []
    return [r for r in ladder.rows if r.sip and (r.sip.sent, r.sip.raw) == (sip.sent, sip.raw)]


def added_by_script(legs: Sequence[LegView], sip: SipTraced) -> dict[str, ApiCalled]:
    """Header lines of a message we sent that a script gave, with the call that gave them."""
    if not sip.sent:
        return {}
    calls = [
        stamped.event
        for leg in legs
        for stamped in leg.timeline
        if isinstance(stamped.event, ApiCalled) and ":" in stamped.event.arguments
    ]
    found: dict[str, ApiCalled] = {}
    for text in MessageText(sip.raw).head[1:]:
        # The arguments are the `repr` of what the script wrote.
        written = repr(text)[1:-1]
        giver = next((call for call in reversed(calls) if written in call.arguments), None)
        if giver is not None:
            found[text] = giver
    return found


def _columns(leg: LegView) -> list[Column]:
    """A column for each address the leg's other side used, as far as there is room."""
    name = leg.started.peer.removeprefix("sip:").partition(";")[0] or leg.name
    remotes = dict.fromkeys(s.event.remote for s in leg.sip if isinstance(s.event, SipTraced))
    kept = list(remotes)[:MAX_COLUMNS_PER_LEG] or [""]
    return [Column(name if n == 0 else "", at, (leg.name,)) for n, at in enumerate(kept)]


def _place(side: list[Column], columns: Sequence[Column], *, is_shared: bool) -> None:
    """Add the columns of a leg to a side; where they are shared, one for each address."""
    for column in columns:
        same = (n for n, known in enumerate(side) if known.address == column.address)
        at = next(same, None) if is_shared and column.address else None
        if at is None:
            side.append(column)
            continue
        known = side[at]
        names = dict.fromkeys(filter(None, (*known.name.split(", "), column.name)))
        side[at] = replace(known, name=", ".join(names), legs=(*known.legs, *column.legs))


def _our_column(legs: Sequence[LegView]) -> Column:
    for leg in legs:
        for stamped in leg.sip:
            if isinstance(stamped.event, SipTraced):
                return Column(US, stamped.event.local, ())
    return Column(US, "", ())


@dataclass(slots=True)
class _LegRows:
    """Makes the rows of one leg."""

    leg: LegView
    columns: list[Column]
    us: int
    _seen: dict[tuple[bool, bytes], int] = field(default_factory=dict)
    _has_media: bool = False

    def rows(self) -> list[Row]:
        made: list[Row] = []
        for stamped in sorted((*self.leg.sip, *self.leg.timeline), key=lambda s: s.seq):
            if isinstance(stamped.event, HandlerCalled | HandlerRaised):
                _tell_handler(made, stamped.event)
            if not isinstance(stamped.event, HandlerCalled):
                made += self._rows_of(stamped)
        return made

    def _rows_of(self, stamped: Stamped) -> Iterator[Row]:
        match stamped.event:
            case SipTraced() as sip:
                yield self._message(stamped, sip)
            case MediaAgreed() as agreed:
                yield from self._media(self._after_its_answer(stamped), agreed)
            case KeyReceived() as key:
                yield self._arrow(stamped, "key", False, f"key {_key_name(key.key)}", key.source)
            case ApiCalled() as call if call.name not in AUDIO_CALLS:
                text = f"{call.name}({_short(call.arguments)})"
                yield self._inside(stamped, "call", text, _where(call.file, call.line))
            case HandlerRaised() as raised:
                text = f"{raised.handler}({raised.arguments}) raised {raised.error_type}"
                text += f": {raised.message}" if raised.message else ""
                yield self._inside(stamped, "error", text, _where(raised.file, raised.line))

    def _message(self, stamped: Stamped, sip: SipTraced) -> Row:
        label = MessageText(sip.raw).summary
        copy = self._seen.get((sip.sent, sip.raw), 0)
        note = "" if self._seen else self.leg.name
        self._seen[sip.sent, sip.raw] = copy + 1
        if copy or sip.retransmission:
            note = f"RETRANS {copy}" if copy else "RETRANS"
        elif sip.summary and not _agrees(sip.summary, label):
            note = sip.summary
        row = self._arrow(stamped, "sip", sip.sent, label, note, sip.remote)
        return replace(row, sip=sip)

    def _after_its_answer(self, stamped: Stamped) -> Stamped:
        """An agreement is known before its answer is on the wire: draw it after that."""
        for later in self.leg.sip:
            is_later = stamped.seq < later.seq and later.at_s - stamped.at_s < ANSWERED_WITHIN_S
            if is_later and isinstance(later.event, SipTraced):
                text = MessageText(later.event.raw)
                if text.is_response and text.has_sdp:
                    return Stamped(later.seq, later.at_s, stamped.event)
        return stamped

    def _media(self, stamped: Stamped, agreed: MediaAgreed) -> Iterator[Row]:
        counts = self.leg.measured
        if self._has_media:
            label = f"RTP {agreed.codec} {agreed.direction}"
            yield self._arrow(stamped, "rtp", True, label, "changed", part="a")
            return
        self._has_media = True
        sent = received = lost = jitter = ""
        if counts is not None:
            total = counts.received + counts.lost
            sent, received = f" {counts.sent}", f" {counts.received}"
            lost = f"lost {counts.lost / total if total > 0 else 0:.1%}"
            jitter = f"jit {counts.jitter_ms:.1f} ms"
        if agreed.direction in ("sendrecv", "sendonly"):
            yield self._arrow(stamped, "rtp", True, f"RTP {agreed.codec}{sent}", jitter, part="a")
        if agreed.direction in ("sendrecv", "recvonly"):
            yield self._arrow(
                stamped, "rtp", False, f"RTP {agreed.codec}{received}", lost, part="b"
            )

    def _arrow(
        self,
        stamped: Stamped,
        kind: str,
        is_sent: bool,
        label: str,
        note: str,
        remote: str = "",
        part: str = "",
    ) -> Row:
        theirs = self._column(remote)
        start, end = (self.us, theirs) if is_sent else (theirs, self.us)
        key = f"{stamped.seq}{part}"
        return Row(key, stamped.at_s, kind, start, end, label, note, self.leg.name)

    def _inside(self, stamped: Stamped, kind: str, label: str, note: str) -> Row:
        us = self.us
        return Row(str(stamped.seq), stamped.at_s, kind, us, us, label, note, self.leg.name)

    def _column(self, remote: str) -> int:
        mine = [n for n, column in enumerate(self.columns) if self.leg.name in column.legs]
        same = [n for n in mine if self.columns[n].address == remote]
        nearest = min(mine, key=lambda n: abs(n - self.us))
        return same[0] if same else nearest


def _tell_handler(rows: list[Row], handler: HandlerCalled | HandlerRaised) -> None:
    """Write the handler that got a key beside the key."""
    if handler.handler != "onDtmf":
        return
    number = handler.arguments.partition(",")[0]
    label = f"key {_key_name(int(number))}" if number.isdecimal() else ""
    for n, row in enumerate(rows):
        if row.kind == "key" and not row.beside and row.label == label:
            rows[n] = replace(row, beside=f"onDtmf({handler.arguments})")
            return


def _key_name(key: int) -> str:
    return KEY_NAMES[key] if 0 <= key < len(KEY_NAMES) else "?"


def _agrees(summary: str, label: str) -> bool:
    return label.removeprefix("re-").startswith(summary.partition(" (")[0])


def _short(arguments: str) -> str:
    """Arguments as they fit into a picture: the message beside it has the headers."""
    if ": " in arguments:
        arguments = arguments[: arguments.index(": ")].rpartition(",")[0]
    text = arguments.replace("'sip:", "'").replace("'", "").removesuffix(",")
    return text if len(text) <= MAX_ARGUMENTS else text[: MAX_ARGUMENTS - 1] + "…"


def _where(file: str, line: int) -> str:
    return f":{line} {file.rpartition('/')[2]}" if line else file.rpartition("/")[2]
