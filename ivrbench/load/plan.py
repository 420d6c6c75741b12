"""Plan: how many calls, how fast, how long, and what the callers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LoadPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run of `ivrbench load`.

    Raises:
        ConfigError: a number makes no sense.
    """

    uri: str
    """Whom to call."""
    at_once: int = 10
    """Calls at the same time, at most."""
    rate_per_s: float = 1.0
    """New calls each second, at most."""
    for_s: float = 10.0
    """How long new calls are placed."""
    call_s: float = 0.0
    """How long each lasts once answered; 0: as long as keeps `at_once` of them up."""
    keys: str = ""
    """What each caller presses, `12#`; `,` pauses."""
    wav: Path | None = None
    """What each caller says, again and again; None: nothing."""
    login: tuple[str, str] | None = None
    """Name and password, where they are asked for."""

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise ConfigError("--calls: at least one")
        if not self.rate_per_s > 0:
            raise ConfigError("--rate: calls a second, more than 0")
        if not self.for_s > 0:
            raise ConfigError("--for: seconds, more than 0")
        if self.call_s < 0:
            raise ConfigError("--call-s: seconds, not less than 0")

    @property
    def lasts_s(self) -> float:
        """How long a call lasts."""
        return self.call_s or self.at_once / self.rate_per_s

    def due(self, after_s: float) -> int:
        """Calls that should have been placed by now, `after_s` seconds after the start."""
        return int(min(after_s, self.for_s) * self.rate_per_s) + (after_s < self.for_s)
