"""What the workbench knows: the engine's state, and what the person at the keyboard chose.

A plain reducer: messages of the control socket and the person's choices go in, the `views` make
lines of text from it. Nothing here knows Textual.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    ConfigChanged,
    HandlerRaised,
    LegEnded,
    LegStarted,
    LogWritten,
    ScriptFailed,
    ScriptLoaded,
    Stamped,
)
from ivrbench.observe.history import History
from ivrbench.observe.ladder import legs_of
from ivrbench.observe.phones import PhoneMeasured, PhoneProgressed, PhoneRang
from ivrbench.tui.cases import Cases
from ivrbench.tui.filter import Filter
from ivrbench.tui.news import NEWS_S, News, config_text, failed_text, loaded_text, raised_text
from ivrbench.tui.phone_choice import TEST_PHONE, SoundChoice, is_test_leg, show_phone
from ivrbench.tui.theme import UNICODE, Glyphs
from ivrbench.tui.views.inspect import InspectChoice
from ivrbench.tui.views.ladder import LadderChoice
from ivrbench.tui.views.leg_columns import USUAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from ivrbench.observe.snapshot import (
        GenerationView,
        LegView,
        PhoneView,
        ScriptView,
        Snapshot,
    )

__all__ = ["DTMF_KEYS", "TEST_PHONE", "Model"]

DTMF_KEYS = "0123456789*#ABCD"
MAX_SENT_KEYS = 40
MAX_RAISED_PLACES = 1_000
MAX_LEVELS = 120  # 24 s × 5 a second
QUIET_DBFS = -70.0
"""Below that nobody is talking, and nothing is playing."""


@dataclass
class Model:
    """Everything the screens are made from."""

    glyphs: Glyphs = UNICODE
    zone: tzinfo | None = None
    """Time zone of shown times, None for the machine's."""
    history: History = field(default_factory=History)
    link: str = "connecting"
    """"connecting", "up" or "down"."""
    down_reason: str = ""
    down_since_s: float = 0.0
    engine_lines: list[str] = field(default_factory=list)
    """Last lines of a dead engine's standard error."""
    engine_exit: int | None = None
    can_restart: bool = False
    on_event: Callable[[Stamped], None] | None = None
    """Called with each event after it was taken."""
    news: News | None = None
    events_taken: int = 0
    skipped: int = 0
    """Events that were replaced by a newer one of their kind on the way: never facts."""

    leg: str = ""
    """The selected leg, "" until one is chosen: then it is the newest."""
    marked_legs: tuple[str, ...] = ()
    """Legs whose calls the ladder shows in one picture."""
    big_meters: bool = False
    """Two rows for each level of the test call."""
    leg_columns: tuple[str, ...] = USUAL
    """Columns of the list of legs."""
    script: str = ""
    """The selected script, "" for the first."""
    generation: int = 0
    """The generation whose source is shown, 0 for the latest."""
    marked_generation: int = 0
    """The generation that others are compared with, 0 for the one before."""
    all_frames: bool = False
    """Show the whole traceback, not only the script's own frames."""

    test_leg: str = ""
    """The leg our test phone is on."""
    test_phone: str = ""
    """The test phone started last."""
    dial_to: str = ""
    """Whom the person wants to call, "" for the selected script."""
    phone_voice: str = ""
    """What the next test phone says, as the phone's `say` takes it; "" for the microphone."""
    sound: SoundChoice = field(default_factory=SoundChoice)
    phone_keys_by: str = ""
    """How it sends keys, "" for auto."""
    redial_on_reload: bool = False
    reloaded: str = ""
    """A script that was loaded again and whose test call was not made again yet."""
    levels: deque[tuple[float, float, float]] = field(
        default_factory=lambda: deque(maxlen=MAX_LEVELS)
    )
    """Time, what the phone said, what it heard; dBFS, oldest first."""
    dialling: bool = False
    """We asked for a test call and its leg has not shown yet."""
    keys_to_call: bool = False
    """The person's keys go to the test call, as long as it is up and no input has the focus."""
    filter_owner: str = ""
    """The filter being typed, "legs" or "log"; it has the keyboard."""
    sent_keys: str = ""

    legs_filter: Filter = field(default_factory=Filter)
    log_filter: Filter = field(default_factory=Filter)
    log_level: int = 2
    log_details: bool = False
    noise_lines: int = 0
    """Lines in the log that are not the engine's."""
    ladder: LadderChoice = field(default_factory=LadderChoice)
    inspect: InspectChoice = field(default_factory=InspectChoice)
    cases: Cases = field(default_factory=Cases)

    _raised_at: set[tuple[str, int]] = field(default_factory=set)
    _phone_note: str = ""
    """The last thing a test phone noted: said once, not with every call."""

    # --- what the engine says -----------------------------------------------------------

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """The engine is there, and this is its state."""
        self.history = History.resume(snapshot)
        self.link = "up"
        self.engine_lines, self.engine_exit = [], None
        if self.test_leg not in self.history.live:
            self.test_leg, self.keys_to_call = "", False

    def take_events(self, events: list[Stamped]) -> None:
        """Something happened."""
        for stamped in events:
            self.skipped += max(0, stamped.seq - self.history.seq - 1)
            self.events_taken += 1
            self.history.apply(stamped)
            self._notice(stamped)
            if self.on_event is not None:
                self.on_event(stamped)

    def lose_engine(self, reason: str, at_s: float) -> None:
        """The engine is not there any more. What is known stays to be read."""
        if self.link != "down":
            self.down_since_s, self.down_reason = at_s, reason
        self.link = "down"
        self.test_leg, self.keys_to_call, self.dialling = "", False, False

    def _notice(self, stamped: Stamped) -> None:
        event, at_s = stamped.event, stamped.at_s
        match event:
            case ScriptFailed():
                self.news = News(at_s, failed_text(self.glyphs, event), "bad")
                self.generation = 0
            case ScriptLoaded(generation=generation) if generation > 1:
                script = self.history.scripts[event.script]
                self.news = News(at_s, loaded_text(self.glyphs, event, script), "ok")
                self.generation, self.reloaded = 0, event.script
                self.cases.due.add(event.script)
            case ConfigChanged():
                self.news = News(at_s, *config_text(self.glyphs, event))
            case HandlerRaised():
                self._notice_raised(event, at_s)
            case LegStarted(peer=peer, leg=leg) if self.dialling and peer == TEST_PHONE:
                self.follow_test_call(leg)
            case PhoneMeasured(phone=name) if self.phone and self.phone.name == name:
                self.levels.append((at_s, event.out_dbfs, event.in_dbfs))
            case PhoneRang(phone=name) if not self.phone_to_tell and name in self.history.phones:
                show_phone(self, self.history.phones[name])
            case PhoneProgressed(phone=name, step="note", text=text) if name == self.test_phone:
                if text != self._phone_note:
                    self.news = News(at_s, f"{self.glyphs.warn} test phone: {text}", "warn")
                self._phone_note = text
            case LegEnded(leg=leg) if leg == self.test_leg:
                self.test_leg, self.keys_to_call = "", False

    def _notice_raised(self, event: HandlerRaised, at_s: float) -> None:
        place = (event.file, event.line)
        if place in self._raised_at:
            return
        if len(self._raised_at) >= MAX_RAISED_PLACES:
            self._raised_at.clear()
        self._raised_at.add(place)
        self.news = News(at_s, raised_text(self.glyphs, event), "bad")

    def log_noise(self, text: str, at_s: float) -> None:
        """A line that was written on the terminal goes into the log."""
        written = LogWritten(1, "stderr", text)
        self.history.logs.add(Stamped(self.history.seq, at_s, written))
        self.noise_lines += 1

    # --- what the person does -----------------------------------------------------------

    def follow_test_call(self, leg: str) -> None:
        """Our test phone is on this leg: it gets the keyboard and the panes."""
        self.dialling = False
        if leg and leg not in self.history.done:
            self.test_leg, self.leg = leg, leg
            self.keys_to_call = True

    def give_keys(self) -> bool:
        """Give the keyboard to a test call that is up.

        Returns:
            False if there is none.
        """
        if self.test_call is None and not self.phone_is_up:
            tests = [v for v in self.history.live.values() if is_test_leg(self, v)]
            if not tests:
                return False
            self.test_leg = tests[-1].name
        self.keys_to_call = True
        return True

    def begin_test_call(self, phone: str) -> None:
        """Our test phone was started."""
        self.test_phone = phone
        self.levels.clear()
        self.sent_keys, self.keys_to_call = "", True

    def send_key(self, key: str) -> None:
        """A key of the keyboard went to the test call."""
        self.sent_keys = (self.sent_keys + key)[-MAX_SENT_KEYS:]

    def select_script(self, name: str) -> None:
        """Choose a script; its latest generation is shown."""
        if name != self.script:
            self.script, self.generation, self.marked_generation = name, 0, 0

    def step_script(self, step: int, *, failed: bool = False) -> bool:
        """Choose the next (1) or previous (-1) script, going round.

        Args:
            step: 1 or -1.
            failed: only scripts whose latest generation did not load.

        Returns:
            False if there is none.
        """
        names = sorted(self.history.scripts)
        current = self.selected_script
        at = names.index(current.name) if current else 0
        for offset in range(1, len(names) + 1):
            name = names[(at + step * offset) % len(names)]
            latest = self.history.scripts[name].latest
            if not failed or (latest is not None and latest.state == "failed"):
                self.select_script(name)
                return True
        return False

    # --- what follows from both ---------------------------------------------------------

    @property
    def selected_leg(self) -> LegView | None:
        """The leg the panes show: the chosen one, else the newest live, else the last done."""
        history = self.history
        chosen = history.leg(self.leg)
        if chosen is not None:
            return chosen
        legs = history.live or history.done
        return next(reversed(legs.values())) if legs else None

    @property
    def inspected_leg(self) -> LegView | None:
        """The leg whose dialog object is shown: the selected one, or the first of its call."""
        leg = self.selected_leg
        return self.history.leg(leg.started.pair) or leg if leg is not None else None

    @property
    def ladder_legs(self) -> tuple[str, ...]:
        """Legs whose calls the ladder shows: the marked ones, else the selected one."""
        marked = tuple(name for name in self.marked_legs if self.history.leg(name) is not None)
        selected = self.selected_leg
        return marked or ((selected.name,) if selected is not None else ())

    def mark_leg(self, name: str) -> None:
        """Mark a leg, or take its mark away."""
        if name in self.marked_legs:
            self.marked_legs = tuple(leg for leg in self.marked_legs if leg != name)
        else:
            self.marked_legs = (*self.marked_legs, name)

    @property
    def watched_legs(self) -> tuple[str, ...]:
        """Legs whose levels are shown, and those shown of which the engine has told too little."""
        selected, test = self.selected_leg, self.test_call
        legs = [leg for leg in (selected, test) if leg is not None and leg.ended is None]
        names = {*self.ladder_legs, *((selected.name,) if selected is not None else ())}
        for name in sorted(names):
            legs += (leg for leg in legs_of(self.history, name) if leg.brief)
        return tuple(dict.fromkeys(leg.name for leg in legs))

    @property
    def selected_script(self) -> ScriptView | None:
        """The script the panes show: the chosen one, else the first by name."""
        scripts = self.history.scripts
        name = self.script if self.script in scripts else min(scripts, default="")
        return scripts.get(name)

    @property
    def selected_generation(self) -> GenerationView | None:
        """The generation the script screen shows: the chosen one, else the latest."""
        script = self.selected_script
        if script is None:
            return None
        chosen = [g for g in script.generations if g.generation == self.generation]
        return chosen[0] if chosen else script.latest

    @property
    def test_call(self) -> LegView | None:
        """The leg of our test phone, while it lives."""
        return self.history.live.get(self.test_leg)

    @property
    def keys_owner(self) -> str:
        """Who has the keyboard: "filter", "call", or "" for the workbench itself."""
        if self.filter_owner:
            return "filter"
        return "call" if self.keys_to_call and self.phone_is_up else ""

    @property
    def phone(self) -> PhoneView | None:
        """The test phone that the Call screen shows: ours, else the one started last."""
        phones = self.history.phones
        others = (phone for phone in reversed(phones.values()) if not phone.is_idle)
        return phones.get(self.test_phone) or next(others, None)

    @property
    def phone_leg(self) -> LegView | None:
        """The leg that phone is, live or done."""
        phone = self.phone
        return self.history.leg(phone.leg) if phone is not None else None

    @property
    def script_leg(self) -> LegView | None:
        """The leg whose script has that phone's call: that leg, or the first of its call."""
        leg = self.phone_leg
        return self.history.leg(leg.started.pair) or leg if leg is not None else None

    @property
    def phone_is_up(self) -> bool:
        """True while the test call is answered, also if it is to somebody else's address."""
        call = self.test_call
        if call is not None:
            return call.state in ("up", "held")
        phone = self.history.phones.get(self.test_phone)
        if phone is None or phone.leg or phone.ended is not None:
            return False
        return phone.after_ms("200") is not None

    @property
    def phone_to_tell(self) -> str:
        """Name of the phone that gets keys and switches, "" if there is none."""
        if self.test_leg:
            return self.test_leg
        phone = self.history.phones.get(self.test_phone)
        return phone.name if phone is not None and phone.ended is None else ""

    @property
    def dial_target(self) -> str:
        """Whom `c` calls on the Call screen: what was typed, else the selected script."""
        script = self.selected_script
        return self.dial_to or (script.name if script is not None and not script.is_helper else "")

    def quiet_s(self, *, is_ours: bool) -> float:
        """How long the phone has said (or heard) nothing."""
        which, newest_s = 1 if is_ours else 2, 0.0
        quiet_s = 0.0
        for sample in reversed(self.levels):
            if sample[which] > QUIET_DBFS:
                break
            newest_s = newest_s or sample[0]
            quiet_s = newest_s - sample[0]
        return quiet_s

    @property
    def foreign_calls(self) -> int:
        """Live legs that are not the test phone's."""
        return sum(1 for leg in self.history.live.values() if not is_test_leg(self, leg))

    def fresh_news(self, now_s: float) -> News | None:
        """News not older than `NEWS_S`."""
        news = self.news
        return news if news is not None and now_s - news.at_s < NEWS_S else None
