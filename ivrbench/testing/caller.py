"""Caller: somebody who calls a script under test, and what a test expects of the script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.observe import events
from ivrbench.observe.feel import key_name
from ivrbench.testing.party import SETTLED_S, Party
from ivrbench.testing.timeline import short, title

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.message import SipRequest
    from ivrbench.testing.agent import UserAgent
    from ivrbench.testing.bench import BenchBase
    from ivrbench.testing.callee import Callee

__all__ = ["Caller", "Recording"]

__tracebackhide__ = True  # pytest shows the line of the test instead

LONGEST_S: Final = 3600.0
LAST_FRAME_S: Final = 0.04
"""A prompt is over for the script when its last frame is sent; we hear that one too."""


@dataclass(slots=True)
class Recording:
    """A recording the script has begun."""

    caller: Caller
    item: int
    file: Path
    """Where it is written."""

    @property
    def ended(self) -> events.RecordingEnded | None:
        """How it ended, None while it goes on."""
        return self.caller.recording_ended(self)


class Caller(Party):
    """A telephone that has called a script; made by `bench.dial`."""

    def __init__(self, bench: BenchBase, agent: UserAgent, script: str) -> None:
        super().__init__(bench, agent, "caller")
        self.script = script
        self._bench = bench
        self._items_seen = 0
        """Items that `plays` and `records` have asked for."""

    @property
    def keys(self) -> str:
        """The keys that have reached the script."""
        return "".join(key_name(event.key) for event in self.told(events.KeyReceived))

    # --- answer and end -----------------------------------------------------------------------

    def answered(self, *, within_s: float = 5.0) -> None:
        """Expect that the call is answered with 200."""
        if not self._stage.comes_true(self._final_code, within_s):
            self._fail(f"an answer within {within_s:g} s", self._codes_so_far())
        code = self._final_code()
        if code != 200:
            self._fail(f"an answer within {within_s:g} s", f"{code or ''}{self._ending()}".strip())

    def refused(self, code: int = 0, *, within_s: float = 5.0) -> None:
        """Expect that the call is refused.

        Args:
            code: with this; 0: with any.
            within_s: so soon.
        """
        expected = f"a refusal{f' with {code}' if code else ''} within {within_s:g} s"
        if not self._stage.comes_true(self._final_code, within_s):
            self._fail(expected, self._codes_so_far())
        got = self._final_code()
        if got < 300 or (code and got != code):
            self._fail(expected, "it was answered" if got < 300 else f"{got}{self._ending()}")

    def rings(self, code: int = 180, *, within_s: float = 5.0) -> None:
        """Expect a provisional response: 180 ringing, 183 with audio before the answer."""
        if not self._stage.comes_true(lambda: str(code) in self.codes, within_s):
            self._fail(f"{code} within {within_s:g} s", self._codes_so_far())

    def hangs_up(self, by: str = "caller", *, within_s: float = 5.0) -> None:
        """End the call, or expect its end.

        Args:
            by: "caller": we hang up now. Else who is expected to: "script", "engine", "callee";
                "": anybody.
            within_s: so soon; the time while a prompt is played does not count.
        """
        if by == "caller":
            self.hang_up()
            return
        expected = f"the call is ended{f' by {by}' if by else ''} within {within_s:g} s"
        if not self._after_prompts(lambda: self.over, within_s):
            self._fail(expected, f"it goes on{self._playing()}")
        over = self.over
        assert over is not None, "it is over"
        self._stage.wait(SETTLED_S)
        if by and over.by != by:
            self._fail(expected, f"ended by {over.by}: {over.code} {over.reason}")

    # --- prompts and recordings ---------------------------------------------------------------

    def plays(self, what: str | Path, *, within_s: float = 5.0, whole: bool = False) -> None:
        """Expect the script's next prompt. Returns as soon as it has begun.

        The next one is that after the last `plays`, or after the last keys or words of ours.

        Args:
            what: the file's name with or without folder and ending, the name of the dialog's
                attribute that holds it, "silence", or the text that text to speech says.
            within_s: so soon; the time while the prompt before it is played does not count.
            whole: wait for its end; it must not be cut off.
        """
        text = str(what)
        name = text if self._stage.find(text) or " " not in text else f'"{text}"'
        expected = f"the script plays {name} within {within_s:g} s"
        item = self._next_item(expected, within_s)
        if not item.play or not self._is(item, what):
            self._fail(expected, title(item) if item.play else f"it records {item.record}")
        if whole:
            self._plays_to_the_end(item, text)

    def records(self, file: str = "", *, within_s: float = 5.0) -> Recording:
        """Expect that the script begins to record, after whatever it plays before.

        Args:
            file: into this file's name; "": into any.
            within_s: so soon; the time while a prompt is played does not count.
        """
        expected = f"the script records{f' {file}' if file else ''} within {within_s:g} s"

        def begun() -> events.ItemEnqueued | None:
            return next((i for i in self._started()[self._items_seen :] if i.record), None)

        self._after_prompts(begun, within_s)
        item = begun()
        if item is None:
            self._fail(expected, f"nothing{self._playing()}{self._ending()}")
        self._items_seen = self._started().index(item) + 1
        if file and short(item.record) != short(file):
            self._fail(expected, f"it records {short(item.record)}")
        return Recording(self, item.item, Path(item.record))

    def plays_nothing_more(self, *, within_s: float = 5.0) -> None:
        """Expect that what is being played ends and nothing follows for a while."""
        self._barge_in()
        if self._after_prompts(lambda: len(self._started()) > self._items_seen, within_s):
            item = self._started()[self._items_seen]
            got = f"it plays {title(item)}" if item.play else f"it records {item.record}"
            self._fail(f"no other prompt within {within_s:g} s", got)
        self._since_s = self._stage.now()

    def recording_ended(self, recording: Recording) -> events.RecordingEnded | None:
        """How a recording ended; a file may be recorded into again and again."""
        begun = False
        for event in self._stage.of(object, self.leg):
            if isinstance(event, events.ItemStarted):
                begun |= event.item == recording.item
            elif begun and isinstance(event, events.RecordingEnded):
                if Path(event.file).name == recording.file.name:
                    return event
        return None

    # --- others -------------------------------------------------------------------------------

    def connects(self, uri: str = "", *, within_s: float = 5.0) -> Callee:
        """Expect that the script calls somebody.

        Args:
            uri: whom; "": anybody.
            within_s: so soon; the time while a prompt is played does not count.

        Returns:
            the one who is called: lets it ring, answers, refuses, hangs up.
        """
        if not self._after_prompts(lambda: self._bench.invited(uri), within_s):
            # A script may call somebody when this call is over.
            self._stage.comes_true(lambda: self._bench.invited(uri), within_s if self.over else 0)
        callee = self._bench.take_invited(uri)
        if callee is None:
            others = ", ".join(self._bench.invited_uris()) or "nobody"
            self._fail(f"the script calls {uri or 'somebody'} within {within_s:g} s", others)
        return callee

    def is_transferred(self, to: str = "", *, answer: int = 202, within_s: float = 5.0) -> None:
        """Expect that the script transfers us by REFER, and answer that.

        Args:
            to: the URI it sends us to; "": any.
            answer: our response; set it before with `agent.answers["REFER"]` if it is to differ
                from the first REFER on.
            within_s: so soon; the time while a prompt is played does not count.
        """
        self.agent.answers["REFER"] = answer
        expected = f"a transfer{f' to {to}' if to else ''} within {within_s:g} s"
        if not self._after_prompts(self._refers, within_s):
            self._fail(expected, f"none{self._playing()}{self._ending()}")
        target = self._refers()[-1].header("refer-to") or ""
        if to and to not in target:
            self._fail(expected, f"to {target}")

    def reports_transfer(self, code: int, reason: str = "") -> None:
        """Tell the script by NOTIFY how the transfer it asked for goes (RFC 3515 §2.4.5).

        Args:
            code: of the one we were sent to: 100, 180; from 200 on it is the last report.
            reason: beside it.
        """
        self._step(f"caller reports {code}")
        state = "terminated;reason=noresource" if code >= 200 else "active;expires=60"
        headers = [("Event", "refer"), ("Subscription-State", state)]
        body, kind = f"SIP/2.0 {code} {reason}\r\n".encode(), "message/sipfrag;version=2.0"
        self.agent.act(lambda call, now: call.request("NOTIFY", headers, body, kind, now=now))
        # No answer is waited for: the script may hang up at once.
        self._stage.wait(SETTLED_S)

    # --- inside -------------------------------------------------------------------------------

    def _barge_in(self) -> None:
        self._items_seen = len(self._started())

    def press(
        self, keys: str, *, duration_ms: int = 100, pause_ms: int = 80, by: str = "rfc4733"
    ) -> None:
        """Press keys, one after the other; see `Party.press`."""
        known = self.told(events.KeyReceived)
        super().press(keys, duration_ms=duration_ms, pause_ms=pause_ms, by=by)
        # What had begun when the script heard the first key is answered too.
        n_started = 0
        for event in self._stage.of(object, self.leg):
            n_started += isinstance(event, events.ItemStarted)
            if isinstance(event, events.KeyReceived):
                if event is not (known[0] if known else None):
                    self._items_seen = max(self._items_seen, n_started)
                    return
                known = known[1:]

    def _refers(self) -> list[SipRequest]:
        return [r for r in self.agent.requests if r.method == "REFER"]

    def _final_code(self) -> int:
        finals = [r.code for r in self.agent.replies if r.code >= 200 and r.cseq_method == "INVITE"]
        return finals[0] if finals else 0

    def _codes_so_far(self) -> str:
        return f"{', '.join(self.codes) or 'nothing'} and no more"

    def _started(self) -> list[events.ItemEnqueued]:
        """Items that have begun, in order."""
        queued = {e.item: e for e in self.told(events.ItemEnqueued)}
        return [queued[e.item] for e in self.told(events.ItemStarted)]

    def _next_item(self, expected: str, within_s: float) -> events.ItemEnqueued:
        if not self._after_prompts(lambda: len(self._started()) > self._items_seen, within_s):
            self._fail(expected, f"nothing{self._playing()}{self._ending()}")
        item = self._started()[self._items_seen]
        self._items_seen += 1
        self._since_s = self._began_s(item.item)
        return item

    def _began_s(self, item: int) -> float:
        leg = self.leg
        for at_s, event in reversed(self._stage.steps):
            if isinstance(event, events.ItemStarted) and (event.leg, event.item) == (leg, item):
                return at_s
        return self._stage.now()

    def _after_prompts(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until something is true; while a prompt plays the time does not count."""
        while not condition() and not self.over:
            busy = self._busy_item()
            self._stage.comes_true(
                partial(self._moved_on, condition, busy), within_s if busy is None else LONGEST_S
            )
            if busy is None and self._busy_item() is None:
                break
        if self.over:
            self._stage.wait(SETTLED_S)
        return bool(condition())

    def _moved_on(self, condition: Callable[[], object], busy: int | None) -> bool:
        return bool(condition() or self.over or self._busy_item() != busy)

    def _busy_item(self) -> int | None:
        """The prompt that is being played and comes to an end by itself."""
        started = self._started()
        if not started or started[-1].loop or not started[-1].play:
            return None
        item = started[-1].item
        ended = any(e.item == item for e in self.told(events.ItemEnded))
        return None if ended else item

    def _plays_to_the_end(self, item: events.ItemEnqueued, text: str) -> None:
        def ended() -> events.ItemEnded | None:
            return next((e for e in self.told(events.ItemEnded) if e.item == item.item), None)

        self._expect(ended, LONGEST_S)
        how = ended()
        if how is None or how.reason != "played":
            because = f" ({how.because})" if how and how.because else ""
            got = f"{how.reason} after {how.played_ms} ms{because}" if how else "it goes on"
            self._fail(f"{text} is played to its end", got)
        self._stage.wait(LAST_FRAME_S)

    @staticmethod
    def _is(item: events.ItemEnqueued, what: str | Path) -> bool:
        """Whether a prompt is the one meant."""
        text, path = str(what), Path(item.play)
        names = (item.play, path.name, path.stem, item.label, item.text)
        if text in names or (Path(text).name == path.name and isinstance(what, Path)):
            return True
        return Path(text).name in (path.name, path.stem)
