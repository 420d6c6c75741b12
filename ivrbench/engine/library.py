"""Library: the scripts of one directory, loaded, watched and loaded again.

Skeleton of the public methods; everything that blocks is for other threads than the loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ivrbench.clock import Clock
    from ivrbench.engine.registry import Registry
    from ivrbench.observe.events import Event

__all__ = ["ScriptLibrary"]


class ScriptLibrary:
    """Loads scripts into a registry.

    `scriptapi.install` comes before it. All methods may be called from any thread.

    Args:
        script_path: the directory; every `*.py` in it becomes an application or a helper.
        config_folders: where `NAME.conf` is looked for, in this order.
        registry: gets each generation that loads.
        publish: takes the events, `LogWritten` lines of the preload log among them; called from
            the library's threads.
        clock: for load times.
        config_file: `ivr.conf`, to be watched; None: there is none.
        on_config_changed: called from the library's thread when `config_file` changed.
    """

    def __init__(
        self,
        script_path: Path,
        config_folders: Sequence[Path],
        registry: Registry,
        publish: Callable[[Event], None],
        clock: Clock,
        *,
        config_file: Path | None = None,
        on_config_changed: Callable[[], None] = lambda: None,
    ) -> None:
        raise NotImplementedError

    def load_all(self, patience_s: float | None = 10.0) -> bool:
        """Load every script, in byte order; blocks.

        Args:
            patience_s: go on after this long with a script that has not finished loading (it is
                swapped in when it has); None: wait for all.

        Returns:
            True if none failed.
        """
        raise NotImplementedError

    def start_threads(self) -> None:
        """Start the functions given to `ivr.createThread`; once, after `load_all`."""

    def start_watching(self) -> None:
        """Begin to reload on changes."""

    def reload(self, name: str = "") -> None:
        """Load a script again by hand, all scripts if no name is given; does not wait."""

    def close(self) -> None:
        """Stop watching. Threads of scripts end with the process."""
