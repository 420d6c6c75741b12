"""Which generation serves, and when one retires (architecture §6, tui §5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbench.engine.scripts.generation import Generation
from ivrbench.engine.scripts.helpers import SourceModules
from ivrbench.engine.scripts.registry import MAX_KEPT, Registry
from ivrbench.observe.events import ScriptLoaded, ScriptPinned, ScriptRetired
from ivrbench.scriptapi.dialog import IvrDialogBase
from tests.engine.scripts.bench import Events


def generation(number: int, name: str = "menu") -> Generation:
    own = SourceModules(Path("/nowhere"), str(number), f"{name}@{number}", {})
    return Generation(
        script=name,
        number=number,
        file=f"/nowhere/{name}.py",
        text="",
        dialog_class=IvrDialogBase,
        module=pytest,
        config={},
        own=own,
    )


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def registry(events: Events) -> Registry:
    return Registry(events)


def test_unknown_scripts_are_refused(registry: Registry) -> None:
    """Nothing serves, nothing is counted."""
    assert registry.serving("menu") is None
    assert registry.acquire("menu") is None
    assert registry.rollback("menu") is None
    assert registry.remove("menu") == 0
    assert registry.generations("menu") == []
    assert registry.names() == []


def test_running_calls_keep_their_generation(registry: Registry, events: Events) -> None:
    """New calls get the new one; the old one retires with its last call."""
    one, two = generation(1), generation(2)
    registry.swap(one)
    assert registry.acquire("menu") is one
    assert registry.acquire("menu") is one
    registry.swap(two, "util.py changed")
    assert registry.acquire("menu") is two
    assert registry.generations("menu") == [one, two]
    assert events.of(ScriptRetired) == []
    registry.release(one)
    registry.release(one)
    assert events.of(ScriptRetired) == [ScriptRetired(script="menu", generation=1, calls=2)]
    assert [e.because for e in events.of(ScriptLoaded)] == ["", "util.py changed"]
    registry.release(two)
    assert registry.serving("menu") is two
    assert len(events.of(ScriptRetired)) == 1


def test_an_idle_generation_retires_at_once(registry: Registry, events: Events) -> None:
    """It is told after the one that took its place."""
    registry.swap(generation(1))
    registry.swap(generation(2))
    assert [type(event) for event in events.all] == [ScriptLoaded, ScriptLoaded, ScriptRetired]


def test_rollback_brings_the_one_before_back(registry: Registry, events: Events) -> None:
    """And rolling back again undoes it."""
    one, two = generation(1), generation(2)
    registry.swap(one)
    assert registry.rollback("menu") is None
    assert registry.acquire("menu") is one
    registry.swap(two)
    assert registry.rollback("menu") is one
    assert registry.serving("menu") is one
    assert events.of(ScriptLoaded)[-1].because == "rolled back"
    assert registry.generations("menu") == [one]
    assert registry.rollback("menu") is two
    registry.release(one)
    assert events.of(ScriptRetired)[-1].generation == 1


def test_a_removed_script_serves_its_calls_only(registry: Registry, events: Events) -> None:
    """The file is gone: no new calls, live ones keep it."""
    one = generation(1)
    registry.swap(one)
    registry.acquire("menu")
    assert registry.remove("menu") == 1
    assert registry.acquire("menu") is None
    assert registry.names() == []
    registry.release(one)
    assert events.of(ScriptRetired)[0].calls == 1


def test_names_are_sorted(registry: Registry) -> None:
    """Those that can be called."""
    for name in ("menu", "hello"):
        registry.swap(generation(1, name))
    assert registry.names() == ["hello", "menu"]


def test_any_kept_version_can_serve_again(registry: Registry, events: Events) -> None:
    """Not only the one before; the oldest are not kept for ever."""
    versions = [generation(number) for number in range(1, MAX_KEPT + 4)]
    for version in versions:
        registry.swap(version)
    assert registry.rollback("menu", 2) is None
    assert registry.rollback("menu", 5) is versions[4]
    assert registry.serving("menu") is versions[4]
    assert registry.rollback("menu") is versions[-1]


def test_a_pinned_version_serves_whatever_is_loaded(registry: Registry, events: Events) -> None:
    """What loads meanwhile is held; unpinned, the newest serves."""
    one, two, three = generation(1), generation(2), generation(3)
    assert registry.pin("menu", 1) is None
    registry.swap(one)
    registry.swap(two)
    assert registry.pin("menu", 7) is None
    assert registry.pin("menu", 1) is one
    registry.swap(three)
    assert registry.acquire("menu") is one
    assert events.of(ScriptLoaded)[-1].is_held
    assert registry.pin("menu", 0) is three
    assert registry.serving("menu") is three
    assert registry.generations("menu") == [one, three]
    assert [e.generation for e in events.of(ScriptPinned)] == [1, 0]
