"""Generation: one version of a script that loaded, with everything that belongs to it."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.scriptapi.dialog import Capsule, IvrDialogBase

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ivrbench.engine.scripts.helpers import SourceModules
    from ivrbench.scriptapi.port import CallPort

    from .threads import ScriptThread

__all__ = ["Generation"]


@dataclass(slots=True, eq=False)
class Generation:
    """A version of a script; a call keeps the one it began with.

    Counting is done by the `Registry`; read `live_calls` and `calls`, never write them.
    """

    script: str
    number: int
    file: str
    """Real path of the source."""
    text: str
    dialog_class: type[IvrDialogBase]
    module: ModuleType
    config: dict[str, str]
    own: SourceModules
    """Its modules: the script and its copies of helpers."""
    converted: str = ""
    """What was changed because it is written for Python 2, as a diff; "" if nothing."""
    handlers: tuple[tuple[str, int], ...] = ()
    """Handlers the class defines, with the line of each."""
    thread_functions: list[Callable[[], object]] = field(default_factory=list)
    """Given to `ivr.createThread` while it was loaded; kept as long as the generation."""
    threads: list[ScriptThread] = field(default_factory=list)
    load_ms: float = 0.0
    live_calls: int = 0
    calls: int = 0

    @property
    def files(self) -> dict[str, str]:
        """Real path of each source of this generation by the name it was compiled under."""
        return self.own.files

    @property
    def threads_running(self) -> int:
        """Threads of `createThread` that have not ended."""
        return sum(thread.is_alive() for thread in self.threads)

    @property
    def flush_notifies(self) -> bool:
        """`flush_notifies = yes` in `NAME.conf`: `flush()` calls `onEmptyQueue`, as before 1.5."""
        return self.config.get("flush_notifies", "").lower() in ("yes", "true", "1")

    @property
    def plain_new(self) -> bool:
        """True if making a dialog runs no code of the script."""
        return self.dialog_class.__new__ is IvrDialogBase.__new__

    def new_dialog(self, port: CallPort) -> IvrDialogBase:
        """Make the dialog object of a call. `__init__` is not called (ivr-api §2.2).

        Raises:
            TypeError: the script's own `__new__` gave something else back.
            BaseException: whatever the script's own `__new__` raises.
        """
        dialog = self.dialog_class.__new__(self.dialog_class, Capsule(port))
        if not isinstance(dialog, IvrDialogBase):
            raise TypeError(f"IvrDialog.__new__ returned {dialog!r} instead of a dialog")
        return dialog

    def real_file(self, compiled_name: str) -> str:
        """The path behind the file name in a code object; other names come back as they are."""
        return self.files.get(compiled_name, compiled_name)

    def forget_sources(self) -> None:
        """Drop the texts that tracebacks quote; for a generation nothing runs any more."""
        for name in self.files:
            linecache.cache.pop(name, None)
