"""Registry: which generation of each script new calls get, and which ones still have calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.observe.events import Event, ScriptLoaded, ScriptRetired

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.engine.generation import Generation

__all__ = ["Registry"]


@dataclass(slots=True)
class _Script:
    serving: Generation | None = None
    previous: Generation | None = None
    """Served before `serving`; `rollback` brings it back."""
    older: list[Generation] = field(default_factory=list)
    """Not serving any more, but with calls."""


class Registry:
    """The scripts that calls can be given to. Every method may be called from any thread.

    Args:
        publish: takes the events; called from the thread that caused them.
    """

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._scripts: dict[str, _Script] = {}
        self._lock = threading.Lock()

    def serving(self, name: str) -> Generation | None:
        """The generation new calls of this script get; None: unknown, failed or removed."""
        script = self._scripts.get(name)
        return script.serving if script else None

    def acquire(self, name: str) -> Generation | None:
        """Give a new call its generation and count the call; None: refuse it.

        Pair each generation with one `release`.
        """
        with self._lock:
            script = self._scripts.get(name)
            generation = script.serving if script else None
            if generation is not None:
                generation.live_calls += 1
                generation.calls += 1
            return generation

    def release(self, generation: Generation) -> None:
        """A call of this generation is over."""
        with self._lock:
            generation.live_calls -= 1
            retired = self._retire_idle(generation.script)
        self._tell(retired)

    def swap(self, generation: Generation, because: str = "") -> None:
        """Let new calls get this generation; running calls keep theirs.

        Args:
            generation: the one that has just loaded.
            because: why it was loaded again, for people.
        """
        with self._lock:
            script = self._scripts.setdefault(generation.script, _Script())
            dropped = script.previous
            if script.serving is not None:
                script.older.append(script.serving)
                script.previous = script.serving
            script.serving = generation
            retired = self._retire_idle(generation.script)
            if dropped is not None and not dropped.live_calls and not dropped.threads_running:
                dropped.forget_sources()
        self._publish(_loaded_event(generation, because))
        self._tell(retired)

    def rollback(self, name: str) -> Generation | None:
        """Let the generation that served before serve again.

        Returns:
            it, or None if there is none to go back to.
        """
        with self._lock:
            script = self._scripts.get(name)
            if script is None or script.previous is None:
                return None
            back, left = script.previous, script.serving
            script.serving, script.previous = back, left
            if back in script.older:
                script.older.remove(back)
            if left is not None:
                script.older.append(left)
            retired = self._retire_idle(name)
        self._publish(_loaded_event(back, because="rolled back"))
        self._tell(retired)
        return back

    def remove(self, name: str) -> int:
        """Refuse new calls of a script whose file is gone.

        Returns:
            how many calls still run on it.
        """
        with self._lock:
            script = self._scripts.get(name)
            if script is None:
                return 0
            if script.serving is not None:
                script.older.append(script.serving)
            script.serving = script.previous = None
            live = sum(generation.live_calls for generation in script.older)
            retired = self._retire_idle(name)
        self._tell(retired)
        return live

    def names(self) -> list[str]:
        """Scripts that can be called, sorted."""
        return sorted(name for name, script in self._scripts.items() if script.serving)

    def generations(self, name: str) -> list[Generation]:
        """All generations of a script that serve or still have calls, newest last."""
        with self._lock:
            script = self._scripts.get(name)
            if script is None:
                return []
            return [*script.older, *([script.serving] if script.serving else [])]

    def _retire_idle(self, name: str) -> list[Generation]:
        """Take out the generations that neither serve nor have calls."""
        script = self._scripts[name]
        retired = [generation for generation in script.older if not generation.live_calls]
        script.older = [generation for generation in script.older if generation.live_calls]
        for generation in retired:
            if generation is not script.previous and not generation.threads_running:
                generation.forget_sources()
        return retired

    def _tell(self, retired: list[Generation]) -> None:
        for generation in retired:
            self._publish(
                ScriptRetired(
                    script=generation.script,
                    generation=generation.number,
                    calls=generation.calls,
                    threads=generation.threads_running,
                )
            )


def _loaded_event(generation: Generation, because: str = "") -> ScriptLoaded:
    """The event that tells of a generation that new calls get from now on."""
    return ScriptLoaded(
        script=generation.script,
        generation=generation.number,
        file=generation.file,
        load_ms=generation.load_ms,
        because=because,
        handlers=generation.handlers,
        source=generation.text,
        converted=generation.converted,
    )
