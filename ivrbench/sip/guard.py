"""SourceGuard: keeps scanners and floods from the endpoint: a rate for each source, and a ban list.

Pure: addresses and `now` in, yes or no out; O(1) a message and bounded whatever comes. UDP sources
can be forged, so a ban is for minutes, and peers that matter belong in `trusted`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GuardLimits", "GuardStats", "Notice", "Offence", "SourceGuard", "source_key"]

MAX_SOURCES = 16_384  # Sources whose rate is known; the first seen is forgotten for a new one.
MAX_BANS = 16_384
MAX_NOTICES = 256  # Not taken by anybody, older ones are lost: the numbers are in the statistics.


class Offence(StrEnum):
    """What counts against a source; the text is for the log."""

    MALFORMED = "sends what is no SIP"
    BAD_PASSWORD = "gives wrong passwords"
    UNKNOWN_TARGET = "calls what is not here"
    FLOOD = "sends too much"


_WEIGHTS = {Offence.MALFORMED: 1, Offence.BAD_PASSWORD: 4, Offence.UNKNOWN_TARGET: 2}


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How much a guard bears."""

    rate_per_s: float = 200.0
    """Messages a second from one source in the long run: some 20 calls set up and ended."""
    burst: float = 1000.0
    """Messages a source may send at once before the rate counts."""
    offence_points: int = 40
    """Points within `window_s` that get a source banned: 10 wrong passwords, 20 unknown targets,
    40 malformed messages.
    """
    window_s: float = 60.0
    """After this time the points start at 0 again."""
    ban_s: float = 600.0
    """How long a ban lasts."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Worth one line in the log: a source was banned, or is limited for the first time."""

    source: str
    """Address, or the network of an IPv6 one."""
    offence: Offence
    """The last one."""
    banned_s: float
    """How long; 0: not banned, only limited."""


@dataclass(frozen=True, slots=True)
class GuardStats:
    """What is kept now, and counts since the start."""

    sources: int
    banned: int
    refused_banned: int
    """Messages of banned sources."""
    refused_rate: int
    """Messages over the rate."""
    offences: int
    bans: int


class _Source:
    """What is known of one source."""

    __slots__ = ("limited", "points", "seen_s", "tokens", "window_s")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.seen_s = now
        self.points = 0
        self.window_s = now
        self.limited = False


@lru_cache(maxsize=4096)
def _ipv6_network(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    # One customer has 2**64 addresses, so the network is the source.
    return str(mapped) if mapped else str(IPv6Network((int(address) >> 64 << 64, 64)))


def source_key(host: str) -> str:
    """What stands for a source address: itself, or the /64 network of an IPv6 address."""
    return _ipv6_network(host) if ":" in host else host


class SourceGuard:
    """Says whose messages are taken.

    Give it to `Endpoint`, which asks it first for every message and tells it of malformed ones and
    wrong passwords; tell it yourself of what only you know (`offend`), ask `is_banned` before
    taking a connection, and log what `next_notice` gives.

    Args:
        limits: how much it bears.
        trusted: address -> True for peers it never refuses; None: nobody.
    """

    def __init__(
        self,
        limits: GuardLimits | None = None,
        trusted: Callable[[str], bool] | None = None,
    ) -> None:
        self.limits = limits or GuardLimits()
        self._trusted = trusted
        self._sources: dict[str, _Source] = {}
        self._bans: dict[str, float] = {}
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._refused_banned = 0
        self._refused_rate = 0
        self._offences = 0
        self._banned = 0

    def admit(self, host: str, now: float) -> bool:
        """True if a message of `host` is to be looked at."""
        key = source_key(host)
        if self._bans and self._is_banned(key, now):
            self._refused_banned += 1
            return False
        source = self._sources.get(key)
        if source is None:
            if self._trusted is not None and self._trusted(host):
                return True
            source = self._add(key, now)
        limits = self.limits
        tokens = source.tokens + (now - source.seen_s) * limits.rate_per_s
        source.seen_s = now
        if tokens < 1.0:
            source.tokens = tokens
            self._refused_rate += 1
            self._notice_limit(key, source)
            return False
        source.tokens = min(tokens, limits.burst) - 1.0
        return True

    def _add(self, key: str, now: float) -> _Source:
        if len(self._sources) >= MAX_SOURCES:
            # Whoever is forgotten starts with a full bucket: nobody loses by it.
            del self._sources[next(iter(self._sources))]
        source = self._sources[key] = _Source(self.limits.burst, now)
        return source

    def _notice_limit(self, key: str, source: _Source) -> None:
        if not source.limited:
            source.limited = True
            self._notices.append(Notice(key, Offence.FLOOD, 0.0))

    def offend(self, host: str, offence: Offence, now: float) -> None:
        """Count something against a source; enough of it within the window is a ban."""
        if self._trusted is not None and self._trusted(host):
            return
        self._offences += 1
        key = source_key(host)
        source = self._sources.get(key) or self._add(key, now)
        if now - source.window_s > self.limits.window_s:
            source.window_s, source.points = now, 0
        source.points += _WEIGHTS.get(offence, 1)
        if source.points >= self.limits.offence_points and not self._is_banned(key, now):
            self._ban(key, offence, now)

    def _ban(self, key: str, offence: Offence, now: float) -> None:
        if len(self._bans) >= MAX_BANS:
            # All bans are equally long, so the first is the next to end.
            del self._bans[next(iter(self._bans))]
        self._bans[key] = now + self.limits.ban_s
        self._banned += 1
        self._sources.pop(key, None)
        self._notices.append(Notice(key, offence, self.limits.ban_s))

    def is_banned(self, host: str, now: float) -> bool:
        """True while a source is banned."""
        return self._is_banned(source_key(host), now)

    def _is_banned(self, key: str, now: float) -> bool:
        until = self._bans.get(key)
        if until is None:
            return False
        if now >= until:
            del self._bans[key]
            return False
        return True

    def pardon(self, host: str) -> None:
        """End a ban."""
        self._bans.pop(source_key(host), None)

    def bans(self, now: float) -> list[tuple[str, float]]:
        """Who is banned, with the seconds left."""
        left = [(key, until - now) for key, until in self._bans.items() if until > now]
        self._bans = {key: self._bans[key] for key, _ in left}
        return left

    def next_notice(self) -> Notice | None:
        """The oldest thing worth a line in the log that was not taken yet."""
        return self._notices.popleft() if self._notices else None

    def stats(self) -> GuardStats:
        """What is kept, and what was counted."""
        return GuardStats(
            sources=len(self._sources),
            banned=len(self._bans),
            refused_banned=self._refused_banned,
            refused_rate=self._refused_rate,
            offences=self._offences,
            bans=self._banned,
        )
