"""Test calls: placing them, making them again with the same keys, and steering the phone."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.observe.commands import DialOut, HangUp, TellPhone
from ivrbench.observe.phones import CODECS, KEYS_BY
from ivrbench.tui.outside import heard_file
from ivrbench.tui.phone_choice import is_test_leg, next_phone, phone_for, placed_phone
from ivrbench.tui.questions import choose, prompt
from ivrbench.tui.redial import Redial, moments_of
from ivrbench.tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.app import Workbench
    from ivrbench.tui.redial import Moment

__all__ = ["NETWORKS", "RTCP_BROKEN", "Calling"]

RTCP_BROKEN = "break RTCP: no reports go out, none are read"
REPEATS_WITHIN_S = 0.045
"""Keyboards repeat 25 to 40 times a second; nobody presses a key twice so quickly."""
NETWORKS = (
    ("0", "0 0 0", "good: nothing is lost"),
    ("1", "1 0 0", "lose 1 % of the packets"),
    ("2", "5 0 0", "lose 5 %"),
    ("3", "20 0 0", "lose 20 %"),
    ("4", "0 0 20", "jitter of 20 ms"),
    ("5", "0 0 60", "jitter of 60 ms"),
    ("6", "0 200 0", "200 ms late, both ways"),
)
"""Key, what the phone's `network` takes, and what it means."""


class Calling:
    """What the Call screen's keys do, and the redialling that goes on behind it.

    Args:
        app: whose calls.
    """

    def __init__(self, app: Workbench) -> None:
        self._app = app
        self._n_calls = 0
        self._last: tuple[str, list[Moment]] = ("", [])
        """Whom the last call went to, and what was pressed in it."""
        self._redial: Redial | None = None
        self._again = False
        """Call again as soon as the call that is up is over."""
        self._ended = ""
        """The leg whose phone was told to hang up."""
        self._key, self._pressed_s = "", -1.0
        self._asked_at_s = -1.0
        """When to look for the next key of a redial, so that one timer is enough."""

    # --- calls --------------------------------------------------------------------------

    def dial(self, target: str, moments: list[Moment] | None = None) -> None:
        """Call somebody; with `moments`, press those keys at those moments."""
        model = self._app.model
        model.dialling = model.link == "up"
        self._redial = Redial(moments) if moments else None
        self._n_calls += 1
        self._app.draw_now()
        record = str(heard_file(os.environ, os.getpid(), self._n_calls))
        self._app.ask(phone_for(model, target, record))

    def redial(self) -> None:
        """The last call again, with its keys; one that is up is hung up first."""
        app = self._app
        self._remember()
        if not self._last[0]:
            app.say("there was no test call yet: c makes one", "warn")
        else:
            self._call_again()

    def again(self) -> None:
        """The last call again, without its keys; one that is up is hung up first."""
        self._remember()
        if self._last[0]:
            self.call_as(self._last[0], [])
        else:
            self._app.say("there was no test call yet: c makes one", "warn")

    def call_as(self, target: str, moments: list[Moment]) -> None:
        """Call somebody with the keys of another call; one that is up is hung up first."""
        self._last = (target, moments)
        self._call_again()

    def _call_again(self) -> None:
        leg = self._app.model.test_call
        if leg is not None:
            self._again = True
            self.end(leg)
        else:
            self.dial(*self._last)

    def end(self, leg: LegView) -> None:
        """End a test call as its caller does; the second time, and without a phone, the engine
        ends it.
        """
        phone = self._app.model.history.phone_of(leg.name)
        is_there = phone is not None and phone.ended is None
        if is_there and leg.state != "ending" and leg.name != self._ended:
            self._ended = leg.name
            self._app.ask(TellPhone(leg.name, "hangup"))
        else:
            self._app.ask(HangUp(leg.name))

    def end_all(self) -> None:
        """End every test call."""
        legs = self._app.model.history.live.values()
        for leg in [leg for leg in legs if is_test_leg(self._app.model, leg)]:
            self.end(leg)

    def toggle_redial_on_reload(self) -> None:
        """Call again after each reload that succeeds, or not."""
        model = self._app.model
        model.redial_on_reload = not model.redial_on_reload
        on = "on: the last test call is made again after each good reload"
        self._app.say(f"redial {on if model.redial_on_reload else 'on reload: off'}")

    def tick(self) -> None:
        """Something happened, or time passed: press what is due, call again if that is due."""
        app, model = self._app, self._app.model
        reloaded, model.reloaded = model.reloaded, ""
        if reloaded and model.redial_on_reload:
            self._remember()
            if self._last[0] == reloaded:
                self.redial()
        if self._again and model.test_call is None and not model.dialling:
            self._again = False
            self.dial(*self._last)
        leg = model.test_call
        if self._redial is None or leg is None:
            return
        redial = self._redial
        keys, wait_s = redial.due(leg, app.clock.wall())
        if redial.is_over:
            self._redial = None  # first: what follows draws, and that ticks
        if keys:
            model.send_key(keys)
            self.tell("press", keys)
        if redial.problem:
            app.say(f"redial stopped: {redial.problem}", "warn")
        elif wait_s is not None and app.clock.wall() >= self._asked_at_s:
            self._asked_at_s = app.clock.wall() + wait_s
            app.set_timer(max(0.001, wait_s), self.tick)

    def _remember(self) -> None:
        """Keep what the last call was, before its leg is forgotten."""
        model = self._app.model
        phone = placed_phone(model)
        leg = model.history.leg(phone.leg) if phone is not None else None
        if phone is not None and leg is not None:
            self._last = (phone.started.target, moments_of(leg, phone))
        elif phone is not None:
            self._last = (phone.started.target, [])

    # --- the phone ----------------------------------------------------------------------

    def press(self, key: str) -> None:
        """A key of the keyboard: one that repeats by itself is one long key, not many."""
        app, now = self._app, self._app.clock.now()
        repeats = key == self._key and now - self._pressed_s < REPEATS_WITHIN_S
        self._key, self._pressed_s = key, now
        if repeats:
            self.tell("hold-on", key)
        else:
            app.model.send_key(key)
            app.draw_now()
            self.tell("press", key)

    def tell(self, verb: str, argument: str = "") -> None:
        """Steer the phone of the test call."""
        phone = self._app.model.phone_to_tell
        if phone:
            self._app.ask(TellPhone(phone, verb, argument))
        else:
            self._app.say("no test call is up: c makes one", "warn")

    def toggle(self, verb: str) -> None:
        """Turn `mute` or `hold` on or off."""
        phone = self._app.model.phone
        switches = phone.switches if phone is not None else None
        is_on = switches is not None and (switches.muted if verb == "mute" else switches.held)
        self.tell(verb, "off" if is_on else "on")

    def next_way(self) -> None:
        """The next way of sending keys; also for the calls after this one."""
        model = self._app.model
        at = KEYS_BY.index(model.phone_keys_by or KEYS_BY[0])
        model.phone_keys_by = KEYS_BY[(at + 1) % len(KEYS_BY)]
        if model.phone_to_tell:
            self.tell("keys-by", model.phone_keys_by)
        self._app.answering.again()
        self._app.draw_now()

    def next_codec(self) -> None:
        """Another codec for the calls after this one."""
        sound = self._app.model.sound
        self.use_codec(CODECS[(CODECS.index(sound.codec) + 1) % len(CODECS)])

    def use_codec(self, codec: str) -> None:
        """Offer and accept this codec alone from the next call on; "" for both laws of G.711."""
        self._app.model.sound.codec = codec
        self._app.answering.again()
        self._app.draw_now()

    def ask_target(self) -> None:
        """Ask whom to call, and call."""
        self._prompt(
            "Call", "a script's name, or a SIP URI", self._app.model.dial_target, self._dial_typed
        )

    def _dial_typed(self, target: str) -> None:
        self._app.model.dial_to = target
        self.dial(target)

    def ask_call_out(self, script: str) -> None:
        """Ask whom a script is to call; its answer goes on the strip."""

        def call_out(uri: str) -> None:
            self._app.change(DialOut(script=script, uri=uri), f"let {script} call {uri}")

        self._prompt(f"{script} calls", "a SIP URI, such as sip:ann@192.0.2.7", "", call_out)

    def ask_keys(self) -> None:
        """Ask for a string of keys, and press them."""
        if not self._app.model.phone_to_tell:
            self._app.say("no test call is up: c makes one", "warn")
            return
        self._prompt(
            "Type keys",
            "0-9 * # A-D; , pauses 0.5 s; 5(400) is held for 400 ms",
            "",
            self._press_typed,
        )

    def _press_typed(self, keys: str) -> None:
        self._app.model.send_key(keys)
        self.tell("press", keys)

    def ask_voice(self) -> None:
        """Ask what the phone says."""
        choose(
            self._app,
            "What does the caller say?",
            [
                ("m", "microphone", "what the microphone hears (o chooses which)"),
                ("0", "silence", "nothing: silence is sent, packet by packet"),
                ("t", "tone 440", "a tone of 440 Hz"),
                ("w", "wav", "a sound file …"),
                ("x", "text", "a text, spoken by text to speech …"),
            ],
            self._voice_chosen,
        )

    def _voice_chosen(self, voice: str) -> None:
        if voice == "wav":
            self.ask_file()
        elif voice == "text":
            self._prompt("Say a text", "in English", "", lambda text: self._say(f"text {text}"))
        else:
            self._say(voice)

    def ask_file(self) -> None:
        """Ask for the sound file that the phone says."""
        self._prompt("Say a file", "path of a sound file", "", self._say_file)

    def _say_file(self, path: str) -> None:
        self._say(f"wav {Path(path).expanduser().absolute()}")

    def _say(self, voice: str) -> None:
        self._app.model.phone_voice = voice
        if self._app.model.phone_to_tell:
            self.tell("say", voice)
        self._app.answering.again()
        self._app.draw_now()

    def ask_network(self) -> None:
        """Ask what the packets of this phone have to go through."""
        switches = self._app.model.phone.switches if self._app.model.phone is not None else None
        broken = switches is not None and switches.rtcp_broken
        rtcp = ("r", "on", "RTCP again") if broken else ("r", "off", RTCP_BROKEN)
        choose(self._app, "The phone's network", [*NETWORKS, rtcp], self._network_chosen)

    def _network_chosen(self, what: str) -> None:
        self.tell("rtcp" if what in ("on", "off") else "network", what)

    def ask_transfer(self) -> None:
        """Ask whom to send the other side to."""
        if not self._app.model.phone_to_tell:
            self._app.say("no test call is up: c makes one", "warn")
            return
        hint = "a script's name, or a SIP URI: the other side calls it, then this call ends"
        self._prompt("Transfer to", hint, "", partial(self.tell, "transfer"))

    def next_phone(self) -> None:
        """Another of several test calls."""
        target = next_phone(self._app.model)
        if target:
            self._redial = None
            self._app.say(f"the test call to {target}")
        else:
            self._app.say("there is no other test call: c makes one more", "warn")

    def hang_up(self) -> None:
        """End the test call, also one that is no leg of ours."""
        self.tell("hangup")

    def save_heard(self) -> None:
        """Copy what the phone heard to the current folder."""
        phone = self._app.model.phone
        if phone is None or not phone.started.recording:
            self._app.say("there was no test call to save", "warn")
            return
        source = Path(phone.started.recording)
        target = Path.cwd() / f"{phone.leg or phone.name}-heard.wav"
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            self._app.say(f"not saved: {error.strerror} ({source})", "bad")
        else:
            self._app.say(f"saved {target}", "ok")

    def forget(self) -> None:
        """Remove the recordings nobody saved."""
        folder = heard_file(os.environ, os.getpid(), 0).parent
        with suppress(OSError):
            for path in folder.glob(f"heard-{os.getpid()}-*"):
                path.unlink()

    def _prompt(self, title: str, hint: str, value: str, done: Callable[[str], None]) -> None:
        prompt(self._app, PromptScreen(title, hint, value), done)
