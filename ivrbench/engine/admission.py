"""Admission: which new calls get in, before anything is spent on them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ivrbench.config.settings import Settings
    from ivrbench.config.values import Network

__all__ = ["Admission", "MemoryUse", "Refusal", "is_within"]

RETRY_AFTER_S: Final = 2
"""Told to a caller that came at a bad moment; long enough for a burst of calls to be over."""
DRAINING_RETRY_AFTER_S: Final = 30
"""Told while the engine is on its way out: about as long as a restart with live calls takes."""
MEMORY_RETRY_AFTER_S: Final = 10
"""Told while memory is short: some calls have to end first."""
RATE_WINDOW_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call does not get in."""

    code: int
    reason: str
    """Reason phrase of the answer."""
    sentence: str
    """For the log and the workbench."""
    retry_after_s: int = 0

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """More headers for the answer."""
        if not self.retry_after_s:
            return ()
        return (("Retry-After", str(self.retry_after_s)),)


@dataclass(slots=True)
class MemoryUse:
    """The engine's memory, as it was last looked at."""

    used_bytes: int = 0
    limit_bytes: int = 0
    """0: there is none."""
    is_full: bool = False
    """New calls are refused."""
    refused: int = 0
    """Calls that were."""


class Admission:
    """Counts calls and decides.

    Args:
        settings: limits and networks; assign `settings` when they change.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.draining = False
        self.memory = MemoryUse()
        self.refused = 0
        self._begun: deque[float] = deque()

    def check(
        self, source_ip: str, live_calls: int, now: float, media_room: float = float("inf")
    ) -> Refusal | None:
        """Decide on one new call; a call that gets in counts towards the rate.

        Args:
            source_ip: where its INVITE came from.
            live_calls: calls up or being set up.
            now: seconds, monotonic.
            media_room: what the media workers can still carry, in G.711 calls.

        Returns:
            None to let it in, else how to refuse it.
        """
        refusal = self._refusal(source_ip, live_calls, now)
        if refusal is None and media_room < 1:
            n_calls = self.settings.media_capacity
            text = f"at limit: each media worker carries {n_calls} G.711 calls (media_capacity)"
            refusal = Refusal(503, "Service Unavailable", text, RETRY_AFTER_S)
        if refusal is None:
            self._begun.append(now)
        else:
            self.refused += 1
        return refusal

    def _refusal(self, source_ip: str, live_calls: int, now: float) -> Refusal | None:
        settings = self.settings
        if settings.allow_from and not is_within(source_ip, settings.allow_from):
            return Refusal(403, "Forbidden", f"{source_ip} is in no network of allow_from")
        if self.draining:
            return Refusal(
                503, "Service Unavailable", "the engine is draining", DRAINING_RETRY_AFTER_S
            )
        if self.memory.is_full:
            self.memory.refused += 1
            text = "the engine's memory is used up (max_memory_mb); see the log"
            return Refusal(503, "Service Unavailable", text, MEMORY_RETRY_AFTER_S)
        limit = settings.session_limit
        if limit.at_most and live_calls >= limit.at_most:
            text = f"at limit: {limit.at_most} calls are up (session_limit)"
            return Refusal(limit.code, limit.reason, text, RETRY_AFTER_S)
        while self._begun and self._begun[0] <= now - RATE_WINDOW_S:
            self._begun.popleft()
        limit = settings.cps_limit
        if limit.at_most and len(self._begun) >= limit.at_most:
            text = f"at limit: {limit.at_most} new calls in one second (cps_limit)"
            return Refusal(limit.code, limit.reason, text, RETRY_AFTER_S)
        return None


@lru_cache(maxsize=4096)
def is_within(ip: str, networks: tuple[Network, ...]) -> bool:
    """True if an address is in one of the networks."""
    address = ip_address(ip.partition("%")[0])
    return any(address.version == net.version and address in net for net in networks)
