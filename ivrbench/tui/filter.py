"""The filter language of logs and legs: `leg:c12 level>=warn -rtp "exact words" /regex/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FOLLOWS_LEG", "LEVELS", "WORDS", "Filter", "Subject"]

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG")
"""Names of the levels 0 to 3."""

WORDS = 'words: leg: script: level>= src: since: -not "exact" /regex/'
"""The help line."""

FOLLOWS_LEG = "leg:."
"""The term for the call that is selected, whichever that is."""

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}

# A term is a quoted text, a regular expression or a run without blanks; `-` or `!` inverts it.
_TERM = re.compile(r'([-!]?)(?:"([^"]*)"?|/((?:[^/\\]|\\.)+)/|(\S+))')


@dataclass(frozen=True, slots=True)
class Subject:
    """What a filter looks at."""

    text: str
    leg: str = ""
    selected: str = ""
    """The leg the person chose: what `leg:.` stands for."""
    script: str = ""
    source: str = ""
    level: int = 2
    age_s: float = 0.0


class Filter:
    """A parsed filter. All its terms must hold; the empty one lets everything through.

    Attributes:
        text: as typed.
        error: why a part of it is ignored, for people; "" if none is.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self.error = ""
        self._terms: list[tuple[bool, Callable[[Subject], bool]]] = []
        for minus, exact, regex, word in _TERM.findall(self.text):
            term = self._term(exact, regex, word)
            if term is not None:
                self._terms.append((not minus, term))

    def __bool__(self) -> bool:
        return bool(self._terms)

    def matches(self, subject: Subject) -> bool:
        """True if every term holds."""
        return all(term(subject) is wanted for wanted, term in self._terms)

    def _term(self, exact: str, regex: str, word: str) -> Callable[[Subject], bool] | None:
        if exact:
            return lambda subject: exact in subject.text
        if regex:
            return self._regex(regex)
        if not word:
            return None
        name, colon, value = word.partition(":")
        if colon and name in ("leg", "script", "src", "since"):
            return self._field(name, value)
        if match := re.fullmatch(r"level(>=|<=|=|:)(\w*)", word):
            return self._level(match[1], match[2])
        lowered = word.lower()
        return lambda subject: lowered in subject.text.lower()

    def _regex(self, regex: str) -> Callable[[Subject], bool] | None:
        try:
            pattern = re.compile(regex, re.IGNORECASE)
        except re.error as error:
            self.error = f"/{regex}/: {error}"
            return None
        return lambda subject: pattern.search(subject.text) is not None

    def _field(self, name: str, value: str) -> Callable[[Subject], bool] | None:
        if not value:
            return None
        if name == "leg":
            return lambda subject: _is_of(subject.leg, subject.selected if value == "." else value)
        if name == "script":
            return lambda subject: subject.script.partition("@")[0] == value.partition("@")[0]
        if name == "src":
            return lambda subject: subject.source == value
        return self._since(value)

    def _since(self, value: str) -> Callable[[Subject], bool] | None:
        number, unit = value[:-1], value[-1]
        if not number.isdecimal() or unit not in _UNITS_S:
            self.error = f"since:{value}: say 30s, 2m or 1h"
            return None
        limit_s = int(number) * _UNITS_S[unit]
        return lambda subject: subject.age_s <= limit_s

    def _level(self, sign: str, name: str) -> Callable[[Subject], bool] | None:
        level = next((n for n, known in enumerate(LEVELS) if known == name.upper()), None)
        if level is None:
            level = 1 if name.lower() == "warning" else None
        if level is None:
            self.error = f"level {name or '?'}: say error, warn, info or debug"
            return None
        if sign == ">=":
            return lambda subject: subject.level <= level
        if sign == "<=":
            return lambda subject: subject.level >= level
        return lambda subject: subject.level == level


def _is_of(leg: str, wanted: str) -> bool:
    """True for a leg and for the other one of its call: "c12" also means "c12b"."""
    return bool(wanted) and leg in (wanted, f"{wanted}b")
