"""Hunt: the places an INVITE of ours goes to only if others fail: phones of a lower `q`, and
further ways to a phone (RFC 3261 §16.6, RFC 5626 §7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .compose import make_contact
from .fsm import State
from .grammar import check_text
from .uri import check_uri, uri_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .branch import Branch
    from .core import Core
    from .flow import Flow
    from .message import SipResponse
    from .outgoing import OutgoingInvite
    from .timers import Timer

__all__ = ["Hunt", "Place", "check_places", "way_failed"]

SILENT_S = 5.0
"""A way on which nothing comes back is left for the phone's next one; the answer still counts."""
RING_S = 20.0
"""How long the phones of one turn ring if there are others whose turn comes later. RFC 3261 §16.6
leaves it to us; a caller hears it ring for two or three turns before giving up."""


class Place(NamedTuple):
    """Where an INVITE can go."""

    uri: str
    """Request-URI."""
    flow: Flow
    route: tuple[str, ...] = ()
    """Route values."""


def check_places(places: Sequence[Place]) -> None:
    """Refuse to send what would break its line.

    Raises:
        LocalProtocolError: a URI or a route cannot be sent.
    """
    for place in places:
        check_uri(place.uri)
        for value in place.route:
            check_text(value, "route")


def way_failed(response: SipResponse, timed_out: bool) -> bool:
    """True if it was the way that failed, not the phone that refused."""
    # RFC 5626 §7: 430 Flow Failed comes from a proxy whose connection to the phone is gone.
    return timed_out or response.code == 430


class Hunt:
    """What one INVITE has not tried yet.

    Args:
        invite: goes there.
        core: the endpoint's shared state.
    """

    __slots__ = ("_core", "_invite", "_later", "_ringing", "_spares", "_turn")

    def __init__(self, invite: OutgoingInvite, core: Core) -> None:
        self._invite = invite
        self._core = core
        self._turn = 0
        self._later: dict[int, list[Sequence[Place]]] = {}
        """Turn -> the ways to each of its phones."""
        self._spares: dict[Branch, tuple[list[Place], Timer]] = {}
        """Place in use -> what to try when it fails, and when it counts as failed."""
        self._ringing: Timer | None = None

    def add(self, ways: Sequence[Place], turn: int, now: float) -> None:
        """Call one more phone, now or when its turn has come.

        Args:
            ways: to the phone, the best one first.
            turn: 0: at once; else after all of lower turns have failed.
            now: the time.
        """
        if turn <= self._turn:
            self._call(ways, now)
            return
        self._later.setdefault(turn, []).append(ways)
        self._watch_ringing(now)

    def keep(self, branch: Branch, spares: Sequence[Place], now: float) -> None:
        """Remember further ways to a phone that is being called."""
        if spares:
            timer = self._core.timers.start(SILENT_S, self._silent, branch, now)
            self._spares[branch] = (list(spares), timer)

    def go_around(self, branch: Branch, now: float) -> None:
        """A way failed: take the phone's next one, if it has one."""
        spares, timer = self._spares.pop(branch, ([], None))
        self._core.timers.stop(timer)
        if spares:
            self._call(spares, now)

    def go_on(self, now: float) -> bool:
        """All that were called have failed: call those whose turn is next.

        Returns:
            False if there are none.
        """
        self._core.timers.stop(self._ringing)
        self._ringing = None
        if not self._later:
            return False
        self._turn = min(self._later)
        for ways in self._later.pop(self._turn):
            self._call(ways, now)
        self._watch_ringing(now)
        return True

    def close(self) -> None:
        """Nobody else is called."""
        self._core.timers.stop(self._ringing)
        for _, timer in self._spares.values():
            self._core.timers.stop(timer)
        self._later.clear()
        self._spares.clear()

    def _call(self, ways: Sequence[Place], now: float) -> None:
        first = self._invite.branches[0].seed
        place = ways[0]
        contact = make_contact(place.flow, uri_user(first.local_uri), self._core.settings)
        seed = replace(
            first,
            _target=place.uri,
            route_set=place.route,
            flow=place.flow,
            contact=contact,
            next_cseq=self._invite.request.cseq,
            flow_lost=False,
        )
        self.keep(self._invite.send_to(seed, now), ways[1:], now)

    def _watch_ringing(self, now: float) -> None:
        if self._later and self._ringing is None:
            self._ringing = self._core.timers.start(RING_S, self._rang, None, now)

    def _rang(self, _: None, now: float) -> None:
        """Nobody of this turn picked up."""
        self._ringing = None
        for branch in self._invite.branches:
            self._core.timers.stop(self._spares.pop(branch, ([], None))[1])
            branch.stop("", now)
        self.go_on(now)

    def _silent(self, branch: Branch, now: float) -> None:
        if branch.transaction.state is State.CALLING:
            self.go_around(branch, now)
