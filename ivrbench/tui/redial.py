"""Redial: the last call's keys again, each at the same moment of the script, not of the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import ItemStarted, KeyReceived
from ivrbench.observe.feel import key_name

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import LegView, PhoneView

__all__ = ["ANY_PROMPT", "Moment", "Redial", "moments_of"]

ANY_PROMPT: Final = -1
"""In place of a number of prompts: counted from the answer, whatever is played."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a key was pressed: so long after the n-th prompt began."""

    key: str
    n_prompts: int
    """Prompts that had begun; 0: none, counted from the answer; or `ANY_PROMPT`."""
    prompt: str
    """The last of them, with or without ending; "" for any."""
    after_s: float


def moments_of(leg: LegView, phone: PhoneView | None) -> list[Moment]:
    """What was pressed in a call, and when."""
    prompts = _prompts(leg)
    if phone is not None and phone.keys:
        pressed = [(key.name, key.at_s) for key in phone.keys]
    else:
        pressed = [
            (key_name(s.event.key), s.at_s - s.event.duration_ms / 1000)
            for s in leg.timeline
            if isinstance(s.event, KeyReceived)
        ]
    moments: list[Moment] = []
    for name, at_s in pressed:
        begun = [prompt for prompt in prompts if prompt[1] <= at_s]
        file, since_s = begun[-1] if begun else ("", leg.answered_at_s or leg.at_s)
        moments.append(Moment(name, len(begun), file, max(0.0, at_s - since_s)))
    return moments


def _prompts(leg: LegView) -> list[tuple[str, float]]:
    """File and time of each prompt that began."""
    items = {item.enqueued.item: item.enqueued for item in leg.items}
    found: list[tuple[str, float]] = []
    for stamped in leg.timeline:
        if isinstance(stamped.event, ItemStarted) and stamped.event.item in items:
            item = items[stamped.event.item]
            found.append(((item.play or item.record).rpartition("/")[2], stamped.at_s))
    return found


def _stem(prompt: str) -> str:
    return prompt.rpartition("/")[2].rpartition(".")[0] or prompt


class Redial:
    """Presses the keys of an earlier call in a new one. Ask `due` whenever something happened.

    Args:
        moments: of the earlier call.
    """

    def __init__(self, moments: list[Moment]) -> None:
        self._moments = list(moments)
        self.problem = ""
        """The first difference; the rest is not pressed."""

    @property
    def is_over(self) -> bool:
        """True when nothing is left to press."""
        return not self._moments or bool(self.problem)

    def due(self, leg: LegView, now_s: float) -> tuple[str, float | None]:
        """What to press now.

        Returns:
            keys ("" for none), and the seconds until to ask again (None: when something happens).
        """
        prompts = _prompts(leg)
        keys = ""
        while not self.is_over:
            moment = self._moments[0]
            if moment.n_prompts > len(prompts) or not leg.answered_at_s:
                return keys, None
            since_s = leg.answered_at_s
            if moment.n_prompts > 0:
                prompt, since_s = prompts[moment.n_prompts - 1]
                if moment.prompt and _stem(prompt) != _stem(moment.prompt):
                    self.problem = f"key {moment.key} came after {moment.prompt}, now {prompt}"
                    return keys, None
            wait_s = since_s + moment.after_s - now_s
            if wait_s > 0 and len(prompts) > moment.n_prompts > ANY_PROMPT:
                later = prompts[moment.n_prompts][0]
                self.problem = f"{later} began before key {moment.key} was pressed"
                return keys, None
            if wait_s > 0:
                return keys, wait_s
            keys += moment.key
            del self._moments[0]
        return keys, None
