"""The sound card of the engine's machine: which microphone and loudspeaker, and their test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ivrbench.observe.commands import ListSoundCards, PlaceTestCall
from ivrbench.tui.questions import choose

if TYPE_CHECKING:
    from ivrbench.tui.app import Workbench

__all__ = ["Cards"]

SYSTEM: Final = "default"
"""In place of a sound card's name: what the system chooses."""


class Cards:
    """What the test phone hears and speaks with.

    Args:
        app: whose phone.
    """

    def __init__(self, app: Workbench) -> None:
        self._app = app

    def ask(self) -> None:
        """Ask about the sound card."""
        used = self._app.model.sound.used
        other = (
            ("0", "off", "no sound card: from the next call on nothing is heard here")
            if used
            else ("1", "on", "the sound card again, from the next call on")
        )
        choices = [
            ("m", "microphone", "another microphone …"),
            ("l", "speaker", "another loudspeaker …"),
            ("t", "test", "level test: is the microphone heard, and the loudspeaker?"),
            other,
        ]
        choose(self._app, "Sound card of the engine's machine", choices, self._chosen)

    def _chosen(self, what: str) -> None:
        if what == "test":
            self.test_levels()
        elif what in ("on", "off"):
            self.use(what == "on")
        else:
            self.ask_card(what)

    def use(self, on: bool) -> None:
        """Use a sound card from the next call on, or none."""
        self._app.model.sound.used = on
        self._app.answering.again()
        self._app.draw_now()

    def test_levels(self) -> None:
        """Show the microphone's level on the Call screen, without a call."""
        app, sound = self._app, self._app.model.sound
        app.action_go("call")
        microphone, speaker = sound.microphone, sound.speaker
        app.ask(PlaceTestCall("", level_test=True, microphone=microphone, speaker=speaker))

    def ask_card(self, side: str) -> None:
        """Ask which card is to be the "microphone" or the "speaker"."""
        self._app.run_worker(self._ask_card(side), group="ask")

    async def _ask_card(self, side: str) -> None:
        answered = await self._app.link.ask(ListSoundCards())
        names = [
            card.name
            for card in answered.cards
            if (card.inputs if side == "microphone" else card.outputs) and card.name != SYSTEM
        ]
        if not answered.cards:
            self._app.say(answered.text or f"the engine's machine has no {side}", "warn")
            return
        choices = [("0", SYSTEM, "what the system chooses")]
        choices += [(str(n) if n < 10 else "", name, name) for n, name in enumerate(names, 1)]
        choose(self._app, f"Which {side}?", choices, partial(self._card_chosen, side))

    def _card_chosen(self, side: str, name: str) -> None:
        app, model = self._app, self._app.model
        setattr(model.sound, side, "" if name == SYSTEM else name)
        model.sound.used = True
        if model.phone_to_tell:
            app.calling.tell(side, name)
        app.answering.again()
        app.draw_now()
