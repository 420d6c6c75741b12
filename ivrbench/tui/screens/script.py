"""Script (F5): the source, why it did not load, its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, Vertical

from ivrbench.observe.commands import PinScript, RollBack
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.script_keys import SCRIPT
from ivrbench.tui.text import count, line
from ivrbench.tui.views import script as views
from ivrbench.tui.views.log import LOAD_SOURCES, latest_log_lines
from ivrbench.tui.views.script_diff import diff_title, version_before, version_diff_lines
from ivrbench.tui.views.scripts import failed_count
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.observe.snapshot import GenerationView, ScriptView
    from ivrbench.tui.model import Model

__all__ = ["ScriptScreen"]


class ScriptScreen(FrameScreen):
    """One script, in whatever state it is."""

    MODE = "script"
    HALVES = ("#source", "#generations")
    BINDINGS = [*SCRIPT]
    AUTO_FOCUS = "#generations"

    _is_diff = False
    """The source pane shows what changed since the version before."""
    _shown: tuple[str, int, int] = ("", 0, 0)
    """Script, generation and marked line that the source was last scrolled to."""

    def body(self) -> ComposeResult:
        """Banner, source beside traceback and versions, reload log."""
        yield Pane(id="banner")
        with Horizontal(id="script-top"):
            yield Pane(id="source", hints="e edit in $EDITOR")
            with Vertical(id="side"):
                yield Pane(id="why")
                yield Rows(id="generations", hints="b roll back")
        yield Pane(id="load-log")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the selected script."""
        banner = self.query_one("#banner", Pane)
        script, generation = model.selected_script, model.selected_generation
        if script is None:
            path = model.history.engine.script_path or "the script folder"
            banner.show(
                [line(f" No script yet in {path}. Save a NAME.py there: it loads by itself.")]
            )
        else:
            banner.show(views.banner_lines(model, script, banner.room.width))
            self._draw_source(model, script, generation)
            self._draw_side(model, script, generation)
        log = self.query_one("#load-log", Pane)
        total, failed = len(model.history.scripts), failed_count(model)
        dot = model.glyphs.dot
        log.titles(
            "Reload log", f"{count(total, 'file')} {dot} {total - failed} ok {dot} {failed} failed"
        )
        log.show(latest_log_lines(model, log.room.width, log.room.height, sources=LOAD_SOURCES))

    def _draw_source(
        self, model: Model, script: ScriptView, generation: GenerationView | None
    ) -> None:
        source = self.query_one("#source", Pane)
        if not source.display:
            return
        before = self._compared(model) if self._is_diff else None
        if before is not None and generation is not None:
            source.titles(views.source_title(model, script)[0], diff_title(before, generation))
            source.show(version_diff_lines(before, generation, source.room.width))
            source.hints("d source again")
            return
        source.titles(*views.source_title(model, script))
        source.show(views.source_lines(model, generation, source.room.width))
        marked = views.marked_line(generation)
        shown = (script.name, generation.generation if generation else 0, marked)
        if shown != self._shown and source.room.height:
            self._shown = shown
            middle = max(0, marked - source.room.height // 2)
            source.scroll_to(y=middle, animate=False, immediate=True, force=True)
        where = f" at line {marked}" if marked else ""
        source.hints(f"e edit in $EDITOR{where}  d diff")

    def _draw_side(
        self, model: Model, script: ScriptView, generation: GenerationView | None
    ) -> None:
        why = self.query_one("#why", Pane)
        failed = generation.failed if generation else None
        if failed is not None:
            why.titles("Traceback")
            why.hints("y copy  t all frames")
            why.show(views.traceback_lines(model, script, failed, why.room.width))
        elif generation is not None:
            why.titles("Handlers", f"@{generation.generation} {model.glyphs.dot} times in ms")
            why.hints("y copy")
            why.show(views.handler_lines(model, generation, why.room.width))
        generations = self.query_one("#generations", Rows)
        generations.titles("Generations")
        target = views.rollback_target(model)
        back = f"b roll back to @{target}" if target else "no older one"
        pin = "p unpin" if script.pinned else "p pin"
        generations.hints(f"{back}  {pin}  space mark")
        generations.show(views.generation_lines(model, script, generations.room.width))

    # --- choices ------------------------------------------------------------------------

    @on(Rows.Moved, "#generations")
    def choose_generation(self, message: Rows.Moved) -> None:
        """Show another version."""
        self.bench.model.generation = int(message.key)
        self.bench.draw_now()

    @on(Rows.Opened, "#generations")
    def open_generation(self) -> None:
        """Read the version in the source pane."""
        self.query_one("#source").focus()

    def action_step_script(self, step: int) -> None:
        """Another script."""
        self.bench.model.step_script(step)
        self.bench.draw_now()

    def action_step_failed(self, step: int) -> None:
        """Another script that did not load."""
        if not self.bench.model.step_script(step, failed=True):
            self.bench.say("every script loaded", "ok")
        self.bench.draw_now()

    def action_diff(self) -> None:
        """What changed in the chosen version, or its source again."""
        model = self.bench.model
        if self._compared(model) is None:
            self.bench.say("there is no version before to compare with", "warn")
            return
        self._is_diff = not self._is_diff
        self._shown = ("", 0, 0)
        self.query_one("#source", Pane).scroll_to(y=0, animate=False, immediate=True)
        self.bench.draw_now()

    def show_diff(self) -> None:
        """What changed, whatever was shown before."""
        self._is_diff, self._shown = True, ("", 0, 0)

    def _compared(self, model: Model) -> GenerationView | None:
        """What the chosen version is compared with."""
        script, shown = model.selected_script, model.selected_generation
        if script is None or shown is None:
            return None
        return version_before(script, shown, model.marked_generation)

    def action_mark(self) -> None:
        """Compare with this version from now on, or not any more."""
        model = self.bench.model
        shown = model.selected_generation
        number = shown.generation if shown is not None else 0
        model.marked_generation = 0 if model.marked_generation == number else number
        self.bench.draw_now()

    def action_pin(self) -> None:
        """Let the chosen version serve whatever is loaded, or the newest again."""
        model = self.bench.model
        script, shown = model.selected_script, model.selected_generation
        if script is None:
            return
        if script.pinned:
            self.bench.change(PinScript(script.name, 0), f"unpin {script.name}")
        elif shown is None or shown.loaded is None:
            self.bench.say("a version that did not load cannot serve", "warn")
        else:
            what = f"pin {script.name} to @{shown.generation}"
            self.bench.change(PinScript(script.name, shown.generation), what)

    def action_all_frames(self) -> None:
        """The whole traceback, or only the script's frames."""
        model = self.bench.model
        model.all_frames = not model.all_frames
        self.bench.draw_now()

    def action_edit(self) -> None:
        """Open the file where it failed."""
        model = self.bench.model
        script = model.selected_script
        if script is not None and script.file:
            self.bench.edit(script.file, self._line_in_view(views.marked_line(script.latest)))

    def _line_in_view(self, marked: int) -> int:
        """The marked line, else the first that is shown of the source."""
        source = self.query_one("#source", Pane)
        return marked or (1 + source.scroll_offset.y if not self._is_diff else 0)

    def action_roll_back(self) -> None:
        """Let an older version serve."""
        model = self.bench.model
        target, script = views.rollback_target(model), model.selected_script
        if not target or script is None:
            self.bench.say("there is no older version that loaded", "warn")
        else:
            what = f"roll {script.name} back to @{target}"
            self.bench.change(RollBack(script.name, target), what)

    def action_copy(self) -> None:
        """The traceback if there is one, else the source."""
        generation = self.bench.model.selected_generation
        if generation is not None:
            failed = generation.failed
            self.bench.copy(failed.traceback if failed else generation.source)

    def step_back(self) -> bool:
        """Undo one thing: the side panes."""
        if self.has_class("-side"):
            self.action_toggle_side()
            return True
        if self._is_diff:
            self.action_diff()
            return True
        return False
