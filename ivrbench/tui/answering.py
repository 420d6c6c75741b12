"""Calls that come to the test phone: who gets what scripts call, answering it, refusing it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ivrbench.observe.commands import TellPhone
from ivrbench.tui.outside import heard_file
from ivrbench.tui.phone_choice import idle_phone, phone_for, ringing_phone, show_phone
from ivrbench.tui.questions import choose, prompt
from ivrbench.tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.commands import PlaceTestCall
    from ivrbench.tui.app import Workbench

__all__ = ["ANSWERS", "REFUSALS", "Answering"]

REFUSALS: Final = {
    "486": "Busy Here",
    "603": "Decline",
    "480": "Temporarily Unavailable",
    "404": "Not Found",
    "503": "Service Unavailable",
}
"""Codes that are offered; any other can be typed."""
ANSWERS: Final = (
    ("r", "ring", "they ring here: a answers, f refuses"),
    ("a", "answer", "they are answered here at once"),
    ("t", "never", "they ring and are never answered: a timeout"),
)
"""Key, what the phone does when it is called, and what that means for calls of scripts."""
_SILENT: Final = "nothing rings here: w on F4 lets what scripts call ring here"
_OFF: Final = "off"
_REGISTER: Final = "register"
_OTHER: Final = "other"


class Answering:
    """What is done about calls that scripts make.

    Args:
        app: whose.
    """

    def __init__(self, app: Workbench) -> None:
        self._app = app
        self._password = ""
        """Of the address that the phone that waits is registered as."""

    # --- the call that rings ------------------------------------------------------------

    def answer(self) -> None:
        """Answer the call that rings; the keyboard and the Call screen are about it then."""
        app, phone = self._app, ringing_phone(self._app.model)
        if phone is None:
            app.say(_SILENT, "warn")
            return
        show_phone(app.model, phone)
        app.ask(TellPhone(phone.name, "answer"))
        app.draw_now()

    def ask_refusal(self) -> None:
        """Ask how to refuse the call that rings."""
        if ringing_phone(self._app.model) is None:
            self._app.say(_SILENT, "warn")
        else:
            refused = partial(self._chosen, self.refuse)
            choose(self._app, "Refuse the call", _refusals(), refused)

    def refuse(self, code: str) -> None:
        """Refuse the call that rings."""
        phone = ringing_phone(self._app.model)
        if phone is None:
            self._app.say(_SILENT, "warn")
        else:
            self._app.ask(TellPhone(phone.name, "refuse", code))

    # --- calls to come ------------------------------------------------------------------

    def ask_takes(self) -> None:
        """Ask what becomes of calls that scripts make."""
        choices = [*ANSWERS, *_refusals("refused here with")]
        choices.append(("0", _OFF, "not here: they go where they lead"))
        choices.append(("n", _REGISTER, "not here; ring by an address of our own: register to …"))
        taken = partial(self._chosen, self.take)
        choose(self._app, "Calls that scripts make", choices, taken)

    def ask_register(self) -> None:
        """Ask for an address, and its password, and be called by it."""
        hint = "sip:USER@HOST, registered at HOST; calls to it ring here"
        prompt(self._app, PromptScreen("Register to", hint, ""), self._ask_password)

    def _ask_password(self, uri: str) -> None:
        hint = "nothing: that of our own users file, or none"
        question = PromptScreen("Password", hint, "", is_secret=True)
        self._app.push_screen(question, partial(self._register, uri))

    def _register(self, uri: str, password: str | None) -> None:
        if password is None:
            return
        address = uri if uri.startswith(("sip:", "sips:")) else f"sip:{uri}"
        self._password = password
        self._app.ask(self._order("ring", address))

    def take(self, answers: str) -> None:
        """Let the test phone take them from now on, or no more.

        Args:
            answers: what it does when it is called, as `PlaceTestCall` has it; "off": nothing.
        """
        app, idle = self._app, idle_phone(self._app.model)
        if answers != _OFF:
            app.change(self._order(answers), "take what scripts call")
        elif idle is not None:
            app.ask(TellPhone(idle.name, "hangup"))

    def again(self) -> None:
        """What the next calls are made with was changed: the phone that waits has it too."""
        idle = idle_phone(self._app.model)
        if idle is not None:
            self._app.ask(self._order(idle.started.answers, idle.started.target))

    def _order(self, answers: str, register: str = "") -> PlaceTestCall:
        record = str(heard_file(os.environ, os.getpid(), 0))
        order = phone_for(self._app.model, "", record, answers)
        return replace(order, register=register, password=self._password if register else "")

    def _chosen(self, then: Callable[[str], None], choice: str) -> None:
        if choice == _REGISTER:
            self.ask_register()
        elif choice != _OTHER:
            then(choice)
        else:
            question = PromptScreen("Refuse with", "a SIP code from 400 to 699", "")
            prompt(self._app, question, then)


def _refusals(how: str = "") -> list[tuple[str, str, str]]:
    """The codes as choices."""
    coded = [
        (str(n), code, f"{how} {code} {reason}".strip())
        for n, (code, reason) in enumerate(REFUSALS.items(), 1)
    ]
    return [*coded, ("o", _OTHER, f"{how} another code …".strip())]
