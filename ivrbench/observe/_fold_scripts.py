"""How events about scripts change a `History`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.observe.events import (
    ScriptFailed,
    ScriptLoaded,
    ScriptLoading,
    ScriptPinned,
    ScriptRemoved,
    ScriptRetired,
    ScriptUnchanged,
    Stamped,
)
from ivrbench.observe.snapshot import GenerationView, ScriptView

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.history import History

__all__ = ["FOLDS", "call_ended", "call_started", "generation_of"]

MAX_GENERATIONS = 20
"""Kept per script, each with its source: 20 × 10 kB. Those with live calls or serving stay."""


def generation_of(history: History, script: str, generation: int) -> GenerationView | None:
    """One generation of a script, None if it is not known (any more)."""
    view = history.scripts.get(script)
    if view is None:
        return None
    return next((g for g in reversed(view.generations) if g.generation == generation), None)


def call_started(history: History, script: str, generation: int) -> None:
    """Count a call to its generation."""
    view = generation_of(history, script, generation)
    if view is not None:
        view.live_calls += 1
        view.calls += 1


def call_ended(history: History, script: str, generation: int) -> None:
    """Take a call off its generation; an older one retires with its last call."""
    view = generation_of(history, script, generation)
    if view is None or view.live_calls == 0:
        return
    view.live_calls -= 1
    if view.live_calls == 0 and view.state == "older":
        view.state = "retired"
    _forget_removed(history, script)


def _forget_removed(history: History, name: str) -> None:
    script = history.scripts[name]
    if script.removed and script.live_calls == 0:
        del history.scripts[name]


def _script(history: History, name: str) -> ScriptView:
    return history.scripts.setdefault(name, ScriptView(name))


def _add(script: ScriptView, generation: GenerationView) -> None:
    script.loading = None
    script.removed = False
    script.unchanged_at_s = 0.0
    script.generations.append(generation)
    if len(script.generations) > MAX_GENERATIONS:
        for index, old in enumerate(script.generations[:-1]):
            if old.live_calls == 0 and old.state != "serving":
                del script.generations[index]
                return


def _loading(history: History, _: Stamped, event: ScriptLoading) -> None:
    _script(history, event.script).loading = event


def _loaded(history: History, stamped: Stamped, event: ScriptLoaded) -> None:
    script = _script(history, event.script)
    script.file = event.file
    script.is_helper, script.helper_of = event.is_helper, event.helper_of
    if event.is_held:
        _add(script, GenerationView(event.generation, stamped.at_s, "held", loaded=event))
        return
    for old in script.generations:
        if old.state == "serving":
            old.state = "older" if old.live_calls else "retired"
    back = generation_of(history, event.script, event.generation)
    if back is None or back.loaded is None:
        _add(script, GenerationView(event.generation, stamped.at_s, "serving", loaded=event))
    else:
        back.state = "serving"  # gone back to: it keeps its place among the versions


def _failed(history: History, stamped: Stamped, event: ScriptFailed) -> None:
    script = _script(history, event.script)
    script.file = event.file
    _add(script, GenerationView(event.generation, stamped.at_s, "failed", failed=event))


def _unchanged(history: History, stamped: Stamped, event: ScriptUnchanged) -> None:
    script = _script(history, event.script)
    script.loading = None
    script.unchanged_at_s = stamped.at_s


def _removed(history: History, _: Stamped, event: ScriptRemoved) -> None:
    if event.script in history.scripts:
        history.scripts[event.script].removed = True
        history.scripts[event.script].pinned = 0
        _forget_removed(history, event.script)


def _pinned(history: History, _: Stamped, event: ScriptPinned) -> None:
    if event.script in history.scripts:
        history.scripts[event.script].pinned = event.generation


def _retired(history: History, _: Stamped, event: ScriptRetired) -> None:
    view = generation_of(history, event.script, event.generation)
    if view is not None and view.state != "serving":
        view.state = "retired"
        view.threads = event.threads


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    ScriptLoading: _loading,
    ScriptLoaded: _loaded,
    ScriptFailed: _failed,
    ScriptUnchanged: _unchanged,
    ScriptRemoved: _removed,
    ScriptRetired: _retired,
    ScriptPinned: _pinned,
}
"""By event class, hence `Any`."""
