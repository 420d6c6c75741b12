"""Party: one end of a call of a test, with what a person at a telephone does and hears."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from ivrbench.audio.files import load_as
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.levels import level_dbfs
from ivrbench.audio.tones import dtmf_tone, silence
from ivrbench.audio.tts import synthesise
from ivrbench.errors import ExpectationFailed
from ivrbench.observe import events
from ivrbench.observe.history import KEY_NAMES
from ivrbench.testing.fingerprint import ALIKE, SILENT_DBFS, find, has_tone
from ivrbench.testing.timeline import script_line, timeline, title

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from ivrbench.audio.codecs.codec import Pcm
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipResponse
    from ivrbench.testing.agent import UserAgent
    from ivrbench.testing.stage import Stage

__all__ = ["Party"]

__tracebackhide__ = True  # pytest shows the line of the test instead

LISTEN_EVERY_S: Final = 0.25
ENOUGH_S: Final = 3.0
"""So much of a sound tells it from others."""

HUNG_UP_WITHIN_S: Final = 10.0
SETTLED_S: Final = 0.1
"""After its end a call's last messages arrive and its recordings are closed."""

_Event = TypeVar("_Event")


class Party:
    """One end of a call. Every method returns when it is done; time passes only within them.

    Attributes:
        agent: the user agent: SIP messages, packets, everything raw.
    """

    def __init__(self, stage: Stage, agent: UserAgent, name: str) -> None:
        self.agent = agent
        self._stage = stage
        self._name = name
        self._since_s = stage.now()
        """From here on sounds count as heard after the last step of the test."""
        self._call_id = ""
        agent.on_change = stage.changed
        agent.mouth.breathes = True

    def is_of(self, call: InviteCall) -> None:
        """This end's call; its telephone may have another one later."""
        self._call_id = call.dialog.call_id

    # --- what happened ------------------------------------------------------------------------

    @property
    def leg(self) -> str:
        """The engine's name for this end of the call, "" while there is none."""
        call_id = self._call_id or (self.agent.call.dialog.call_id if self.agent.call else "")
        started = [e for e in self._stage.told if isinstance(e, events.LegStarted)]
        return next((e.leg for e in started if call_id and e.call_id == call_id), "")

    def told(self, kind: type[_Event]) -> list[_Event]:
        """What the engine told about this end, of one kind, in order."""
        leg = self.leg
        return self._stage.of(kind, leg) if leg else []

    @property
    def handlers(self) -> list[str]:
        """Handlers that ran for this call: "onDtmf(1, 100)"; "!" behind one that raised."""
        return self._stage.handlers(self.leg)

    @property
    def over(self) -> events.LegEnded | None:
        """How it ended, None while it has not."""
        return next(iter(self.told(events.LegEnded)), None)

    # --- SIP ----------------------------------------------------------------------------------

    @property
    def codes(self) -> list[str]:
        """Responses and requests that came, in short: "100", "200", "BYE"."""
        return self.agent.got

    def request(
        self,
        method: str,
        body: bytes | str = b"",
        content_type: str = "",
        headers: Sequence[tuple[str, str]] = (),
        *,
        within_s: float = 5.0,
    ) -> SipResponse:
        """Send any request within the call.

        Returns:
            the final response.
        """
        self._step(f"{self._name} sends {method}")
        data = body.encode() if isinstance(body, str) else body
        before = len(self.agent.replies)
        self.agent.act(lambda call, now: call.request(method, headers, data, content_type, now=now))
        return self._response(f"an answer to {method}", before, within_s)

    def hold(self) -> None:
        """Put the other side on hold by a re-INVITE: it is not heard any more."""
        self._offer("sendonly", "holds")

    def resume(self) -> None:
        """End the hold."""
        self._offer("sendrecv", "resumes")

    def transfer(self, to: str, *, within_s: float = 5.0) -> SipResponse:
        """Ask the other side by REFER to call somebody else.

        Args:
            to: a SIP URI.
            within_s: for the answer.

        Returns:
            the response, whatever it is.
        """
        return self.request("REFER", headers=[("Refer-To", f"<{to}>")], within_s=within_s)

    def hang_up(self) -> None:
        """Hang up, and wait until the engine is done with it."""
        self._step(f"{self._name} hangs up")
        self.agent.act(lambda call, now: call.bye(now=now))
        if not self._stage.comes_true(lambda: self.over, HUNG_UP_WITHIN_S) and self.leg:
            self._fail("the call is over after we hung up", "the script keeps the session")
        self._stage.wait(SETTLED_S)

    def _offer(self, direction: str, verb: str) -> None:
        self._step(f"{self._name} {verb}")
        before = len(self.agent.replies)
        self.agent.act(lambda call, now: call.reinvite(self.agent.sdp(direction), now=now))
        self._response(f"an answer to the re-INVITE ({direction})", before, 5.0)

    def _response(self, expected: str, before: int, within_s: float) -> SipResponse:
        def final() -> SipResponse | None:
            return next((r for r in self.agent.replies[before:] if r.code >= 200), None)

        if not self._stage.comes_true(final, within_s):
            self._fail(f"{expected} within {within_s:g} s", "none")
        response = final()
        assert response is not None, "it came"
        return response

    # --- keys and voice -----------------------------------------------------------------------

    def press(
        self, keys: str, *, duration_ms: int = 100, pause_ms: int = 80, by: str = "rfc4733"
    ) -> None:
        """Press keys, one after the other.

        Args:
            keys: "0" to "9", "*", "#", "A" to "D".
            duration_ms: how long each is held.
            pause_ms: after each.
            by: "rfc4733" (telephone-event), "info" (SIP INFO), "tones" (in the audio).

        Raises:
            ValueError: there is no such key, or no such way.
        """
        unknown = [key for key in keys if key not in "0123456789*#ABCD"]
        if unknown or by not in ("rfc4733", "info", "tones"):
            raise ValueError(f"cannot press {keys!r} by {by!r}")
        self._step(f"{self._name} presses {keys}")
        self._barge_in()
        for key in keys:
            number = KEY_NAMES.index(key)
            if by == "info":
                self._send_info(f"Signal={key}\r\nDuration={duration_ms}\r\n".encode())
                self._stage.wait(duration_ms / 1000)
            elif by == "tones":
                self._stage.run(self.agent.mouth.say(dtmf_tone(number, duration_ms)))
            else:
                self._stage.run(self.agent.mouth.press(number, duration_ms))
            self._stage.wait(pause_ms / 1000)

    def _send_info(self, body: bytes) -> None:
        kind = "application/dtmf-relay"
        self.agent.act(lambda call, now: call.request("INFO", (), body, kind, now=now))

    def say(self, what: str | Path | Pcm, *, for_s: float | None = None, wait: bool = True) -> None:
        """Say something, at its own pace.

        Args:
            what: an audio file, a text (spoken by text to speech), or 8 kHz samples.
            for_s: only so many seconds of it.
            wait: return when it is said; False: at once, and it goes on during the next verbs,
                broken off by keys only while they are pressed.
        """
        pcm, name = self._sound(what)
        self._step(f"{self._name} says {name}")
        if for_s is not None:
            pcm = pcm[: round(for_s * SAMPLE_RATE_HZ)]
        if not wait:
            self.agent.mouth.say_meanwhile(pcm)
            return
        self._barge_in()
        self._stage.run(self.agent.mouth.say(pcm))

    def says_nothing(self, for_s: float) -> None:
        """Let time pass, sending silence packet by packet."""
        self._step(f"{self._name} says nothing for {for_s:g} s")
        self._stage.run(self.agent.mouth.say(silence(for_s * 1000)))

    def waits(self, seconds: float) -> None:
        """Let time pass."""
        self._step(f"{self._name} waits {seconds:g} s")
        self._stage.wait(seconds)

    # --- what is heard ------------------------------------------------------------------------

    def hears(
        self,
        sound: str | Path | Pcm | float | tuple[float, ...],
        *,
        within_s: float = 5.0,
        at_least_s: float = ENOUGH_S,
    ) -> None:
        """Expect a sound in the audio that arrives.

        What was heard since the last step of the test counts. It is compared by fingerprint, so
        codecs and a few lost packets do not matter.

        Args:
            sound: an audio file, a text (as text to speech says it), samples, or a tone in Hz, or
                several at once.
            within_s: it must begin within this time.
            at_least_s: so much of it must be heard, or all of it if it is shorter.
        """
        since_s = self._since_s
        if isinstance(sound, (int, float, tuple)):
            self._hears_tone((sound,) if isinstance(sound, (int, float)) else sound, within_s)
            return
        pcm, name = self._sound(sound)
        if not self._is_heard(pcm, within_s, at_least_s):
            self._fail(f"{name} is heard within {within_s:g} s", self._heard_instead(since_s))
        self._since_s = self._stage.now()

    def _is_heard(self, pcm: Pcm, within_s: float, at_least_s: float) -> bool:
        """Let time pass until the beginning of a sound was heard, or it cannot be any more."""
        pcm = np.trim_zeros(pcm)[: round(at_least_s * SAMPLE_RATE_HZ)]
        end_s = self._stage.now() + within_s + len(pcm) / SAMPLE_RATE_HZ + LISTEN_EVERY_S
        while find(pcm, self.agent.ear.pcm(self._since_s)).likeness < ALIKE:
            if self._stage.now() >= end_s or self.over:
                return False
            self._stage.wait(LISTEN_EVERY_S)
        return True

    def _hears_tone(self, tone: tuple[float, ...], within_s: float) -> None:
        since_s, end_s = self._since_s, self._stage.now() + within_s
        while True:
            if has_tone(self.agent.ear.pcm(since_s), tone):
                self._since_s = self._stage.now()
                return
            if self._stage.now() >= end_s or self.over:
                break
            self._stage.wait(LISTEN_EVERY_S)
        names = " and ".join(f"{hz:g} Hz" for hz in tone)
        self._fail(
            f"a tone of {names} is heard within {within_s:g} s", self._heard_instead(since_s)
        )

    def silence(self, for_s: float = 1.0) -> None:
        """Expect that nothing is heard for a while, which passes meanwhile."""
        began_s = self._stage.now()
        self._step(f"{self._name} listens to the silence for {for_s:g} s")
        self._stage.wait(for_s)
        for at_s, dbfs in self._levels(began_s):
            if dbfs > SILENT_DBFS:
                self._fail(
                    f"silence for {for_s:g} s",
                    f"a sound of {dbfs:.0f} dBFS after {at_s - began_s:.2f} s{self._playing()}",
                )

    def assert_level(
        self, at_least_dbfs: float = -40.0, at_most_dbfs: float = -3.0, *, last_s: float = 1.0
    ) -> None:
        """Expect that what was heard lately is neither too quiet nor too loud (RMS)."""
        pcm = self.agent.ear.pcm(self._stage.now() - last_s)
        dbfs = float(level_dbfs(pcm)) if len(pcm) else -100.0
        if not at_least_dbfs <= dbfs <= at_most_dbfs:
            expected = f"{at_least_dbfs:g} to {at_most_dbfs:g} dBFS in the last {last_s:g} s"
            self._fail(expected, f"{dbfs:.0f} dBFS{self._playing()}")

    def assert_no_gap(self, longest_ms: float = 40.0, *, last_s: float | None = None) -> None:
        """Expect that audio came without a hole.

        Args:
            longest_ms: between the beginnings of two packets.
            last_s: look at so much of the past; None: at the whole call.
        """
        since_s = 0.0 if last_s is None else self._stage.now() - last_s
        came = [h.at_s for h in self.agent.ear.packets if h.at_s >= since_s]
        if len(came) < 2:
            self._fail(f"audio without a gap of more than {longest_ms:g} ms", "no audio at all")
        gaps_s = np.diff(came)
        worst = int(np.argmax(gaps_s))
        if gaps_s[worst] * 1000 > longest_ms + 0.5:
            at_s = came[worst] - self._stage.began_s
            self._fail(
                f"audio without a gap of more than {longest_ms:g} ms",
                f"a gap of {gaps_s[worst] * 1000:.0f} ms at {at_s:.3f}",
            )

    def heard(self, last_s: float | None = None) -> Pcm:
        """What was heard, as 8 kHz samples.

        Args:
            last_s: so much of the past; None: the whole call.
        """
        return self.agent.ear.pcm(0.0 if last_s is None else self._stage.now() - last_s)

    # --- inside -------------------------------------------------------------------------------

    def _levels(self, since_s: float) -> list[tuple[float, float]]:
        """Level of each 20 ms, with its moment."""
        pcm = self.agent.ear.pcm(since_s)
        size = SAMPLE_RATE_HZ // 50
        frames = pcm[: len(pcm) // size * size].reshape(-1, size)
        if not len(frames):
            return []
        levels = level_dbfs(frames).tolist()
        return [(since_s + n * 0.02, dbfs) for n, dbfs in enumerate(levels)]

    def _heard_instead(self, since_s: float) -> str:
        if not any(dbfs > SILENT_DBFS for _, dbfs in self._levels(since_s)):
            return f"silence{self._ending()}"
        return f"something else{self._playing() or self._ending()}"

    def _playing(self) -> str:
        items = {e.item: e for e in self.told(events.ItemEnqueued)}
        ended = {e.item for e in self.told(events.ItemEnded)}
        now = [e.item for e in self.told(events.ItemStarted) if e.item not in ended]
        return f"; {title(items[now[-1]])} is being played" if now and items[now[-1]].play else ""

    def _ending(self) -> str:
        over = self.over
        return f"; the call was ended by {over.by}: {over.code} {over.reason}" if over else ""

    def _sound(self, what: str | Path | Pcm) -> tuple[Pcm, str]:
        """Samples, and a name for people."""
        if isinstance(what, np.ndarray):
            return what, "samples"
        path = self._stage.find(str(what))
        if path is not None:
            return load_as(path, SAMPLE_RATE_HZ), path.name
        if isinstance(what, Path) or Path(what).suffix in (".wav", ".mp3", ".ogg", ".raw"):
            folders = ", ".join(map(str, self._stage.folders))
            raise FileNotFoundError(f"there is no {what} in {folders}")
        return synthesise(what, rate_hz=SAMPLE_RATE_HZ), f'"{what}"'

    def _barge_in(self) -> None:
        """What was played up to now is answered."""

    def _step(self, text: str) -> None:
        self._since_s = self._stage.now()
        self._stage.note_step(self, text)

    def _expect(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until something is true or the call is over."""
        self._stage.comes_true(lambda: condition() or self.over, within_s)
        return bool(condition())

    def _fail(self, expected: str, got: str) -> NoReturn:
        stage, leg = self._stage, self.leg
        began_s = stage.began_s
        steps = [(at_s - began_s, event) for at_s, event in stage.steps]
        raised = self.told(events.HandlerRaised)
        if raised:
            got += f"; {raised[-1].handler} raised {raised[-1].error_type}: {raised[-1].message}"
        raise ExpectationFailed(
            expected,
            got,
            script_line=script_line(stage.told, leg),
            timeline=timeline(steps, leg, self),
        )
