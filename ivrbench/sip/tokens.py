"""Tags, branches and Call-IDs: the random words of SIP, from a generator tests can replace."""

from __future__ import annotations

import random
import secrets
from typing import Protocol

__all__ = ["BRANCH_COOKIE", "CountingTokens", "RandomTokens", "Tokens"]

BRANCH_COOKIE = "z9hG4bK"  # RFC 3261 §8.1.1.7: marks a branch as unique across space and time.


class Tokens(Protocol):
    """Where the core takes unique words and chance from."""

    def tag(self) -> str:
        """A From or To tag; at least 32 random bits (RFC 3261 §19.3)."""

    def branch(self) -> str:
        """A Via branch with the magic cookie."""

    def call_id(self) -> str:
        """A Call-ID."""

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit` - 1, for Retry-After and glare waits."""


class RandomTokens:
    """The generator for real use: the system's randomness, so nobody can guess a dialog."""

    def tag(self) -> str:
        return secrets.token_hex(8)

    def branch(self) -> str:
        return BRANCH_COOKIE + secrets.token_hex(10)

    def call_id(self) -> str:
        return secrets.token_hex(16)

    def below(self, limit: int) -> int:
        return random.randrange(limit)


class CountingTokens:
    """Predictable words for tests: `PREFIX-tag-1`, `z9hG4bKPREFIX-2`, …

    Args:
        prefix: keeps two endpoints of one test apart.
    """

    def __init__(self, prefix: str = "t") -> None:
        self._prefix = prefix
        self._count = 0

    def tag(self) -> str:
        return self._next("tag")

    def branch(self) -> str:
        return BRANCH_COOKIE + self._next("branch")

    def call_id(self) -> str:
        return self._next("call")

    def below(self, limit: int) -> int:
        return limit - 1

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}-{kind}-{self._count}"
