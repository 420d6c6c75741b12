"""Report: what `ivrbench call` prints: lines for people, one JSON object for programs."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from .facts import Answered, Ended, Fact, Heard, KeyPressed, Progressed, RtpStarted, SoundStarted

__all__ = ["Report"]


class Report:
    """Collects the facts of one call.

    Args:
        uri: whom it called.
    """

    def __init__(self, uri: str) -> None:
        # Any: the values of a JSON object.
        self.uri = uri
        self._values: dict[str, Any] = {"uri": uri, "keys": ""}

    def lines(self, fact: Fact) -> list[str]:
        """What people read about a fact."""
        self._note(fact)
        if isinstance(fact, Heard):
            return []  # too many for people; the first sound is a fact of its own
        if isinstance(fact, Ended):
            shown = [str(fact)]
            return [*shown, str(fact.figures)] if fact.answered else shown
        return [str(fact)]

    def to_json(self, exit_code: int) -> str:
        """The call's figures on one line."""
        return json.dumps({**self._values, "exit_code": exit_code})

    def _note(self, fact: Fact) -> None:
        values = self._values
        match fact:
            case Progressed():
                values.setdefault("first_response_ms", _ms(fact.after_s))
            case Answered():
                values["answered_ms"] = _ms(fact.after_s)
                values["codec"] = fact.agreement.codec.name
            case RtpStarted():
                values["first_packet_ms"] = _ms(fact.after_s)
            case SoundStarted():
                values["first_sound_ms"] = _ms(fact.after_s)
            case KeyPressed():
                values["keys"] += fact.name
            case Ended():
                values.update(
                    code=fact.code,
                    reason=fact.reason,
                    ended_because=str(fact),
                    duration_s=round(fact.duration_s, 3),
                    **_rounded(dataclasses.asdict(fact.figures)),
                )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:  # Any: the values of a JSON object
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in values.items()
    }
