"""Registry: which generation of each script new calls get, and which ones still have calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import Event, ScriptLoaded, ScriptPinned, ScriptRetired

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.engine.scripts.generation import Generation

__all__ = ["MAX_KEPT", "Registry"]

MAX_KEPT: Final = 10
"""Generations of one script that can be gone back to, beside the one that serves."""


@dataclass(slots=True)
class _Script:
    serving: Generation | None = None
    kept: list[Generation] = field(default_factory=list)
    """Loaded, not serving: the one that served last, or loaded last, at the end."""
    older: list[Generation] = field(default_factory=list)
    """Not serving any more, but with calls."""
    is_pinned: bool = False
    """What is loaded does not take the place of `serving`."""

    def leave(self) -> None:
        """What serves now does so no more; it can be gone back to."""
        if self.serving is not None:
            self.older.append(self.serving)
            self.kept.append(self.serving)
            self.serving = None

    def serve(self, generation: Generation) -> None:
        """Let it serve."""
        self.leave()
        self.serving = generation
        if generation in self.older:
            self.older.remove(generation)
        if generation in self.kept:
            self.kept.remove(generation)


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
            is_held = script.is_pinned and script.serving is not None
            if is_held:
                script.kept.append(generation)
            else:
                script.serve(generation)
            retired = self._retire_idle(generation.script)
        self._publish(_loaded_event(generation, because, is_held=is_held))
        self._tell(retired)

    def rollback(self, name: str, number: int = 0) -> Generation | None:
        """Let a generation that loaded serve again.

        Args:
            name: the script.
            number: which; 0: the one that served before.

        Returns:
            it, or None if it is not kept (any more).
        """
        with self._lock:
            script = self._scripts.get(name)
            kept = script.kept if script is not None else []
            back = next((g for g in reversed(kept) if number in (0, g.number)), None)
            if script is None or back is None:
                return None
            script.serve(back)
            retired = self._retire_idle(name)
        self._publish(_loaded_event(back, because="rolled back"))
        self._tell(retired)
        return back

    def pin(self, name: str, number: int) -> Generation | None:
        """Let new calls get one generation, whatever loads after it.

        Args:
            name: the script.
            number: which; 0: the newest again, as if nothing had been pinned.

        Returns:
            the one that serves now, or None if it is not kept (any more).
        """
        with self._lock:
            script = self._scripts.get(name)
            if script is None or script.serving is None:
                return None
            every = {g.number: g for g in (*script.kept, script.serving)}
            wanted = every.get(number or max(every))
            if wanted is None:
                return None
            script.is_pinned = number > 0
            serves_already = wanted is script.serving
        if not serves_already:
            self.rollback(name, wanted.number)
        self._publish(ScriptPinned(script=name, generation=number))
        return wanted

    def remove(self, name: str) -> int:
        """Refuse new calls of a script whose file is gone.

        Returns:
            how many calls still run on it.
        """
        with self._lock:
            script = self._scripts.get(name)
            if script is None:
                return 0
            script.leave()
            script.kept, script.is_pinned = [], False
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
        dropped = script.kept[:-MAX_KEPT]
        del script.kept[:-MAX_KEPT]
        for generation in (*retired, *dropped):
            if generation not in (*script.kept, *script.older) and not generation.threads_running:
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


def _loaded_event(
    generation: Generation, because: str = "", *, is_held: bool = False
) -> ScriptLoaded:
    """The event that tells of a generation that new calls get from now on, unless it is held."""
    return ScriptLoaded(
        script=generation.script,
        generation=generation.number,
        file=generation.file,
        load_ms=generation.load_ms,
        because=because,
        is_held=is_held,
        handlers=generation.handlers,
        source=generation.text,
        converted=generation.converted,
    )
