"""Loader: one try to make a generation of a script, beside the ones that run."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ivrbench.config.syntax import as_dict, read_pairs
from ivrbench.engine.memory.brake import brake
from ivrbench.engine.outcome import drop_frames, let_go_of_locals
from ivrbench.engine.scripts import diagnose, lint
from ivrbench.engine.scripts.generation import Generation
from ivrbench.engine.scripts.helpers import SourceModules
from ivrbench.errors import ConfigError
from ivrbench.observe.events import ScriptFailed, ScriptLoaded, ScriptLoading
from ivrbench.scriptapi.dialog import IvrDialogBase
from ivrbench.scriptapi.handlers import HANDLERS
from ivrbench.scriptapi.running import Loading, Where, current

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from ivrbench.clock import Clock
    from ivrbench.engine.scripts.diagnose import Failure

__all__ = ["Load", "ScriptConfig", "read_config"]

log = logging.getLogger("ivrbench.load")

MOST_WAITS: Final = 15


@dataclass(frozen=True, slots=True)
class ScriptConfig:
    """`NAME.conf` as it was read for one load."""

    values: dict[str, str]
    source: str
    """For people: "menu.conf" or "no menu.conf was found"."""
    notes: tuple[str, ...] = ()
    """What is wrong with it."""


def read_config(name: str, folders: Sequence[Path]) -> ScriptConfig:
    """Read the settings of a script from the first folder that has `NAME.conf`.

    A file with a bad line counts as empty, as in the reference server, and a note says so.
    """
    for folder in folders:
        path = folder / f"{name}.conf"
        if not path.is_file():
            continue
        try:
            values, notes = as_dict(read_pairs(path, folder))
        except ConfigError as exc:
            note = f"{exc}; {path.name} is not used at all"
            return ScriptConfig({}, f"{path.name} is not used", (note,))
        return ScriptConfig(values, path.name, tuple(notes))
    return ScriptConfig({}, f"no {name}.conf was found")


@dataclass(slots=True, eq=False)
class Load:
    """One try to load a script. `run` it in a thread; read the rest when `done` is set.

    Args:
        script: its name.
        number: of the generation it will be; used up even if it fails.
        path: the source.
        config_folders: where its settings may lie.
        clock: for `load_ms`.
        because: why it is loaded again, for people.
        python2: convert sources that are written for Python 2.
    """

    script: str
    number: int
    path: Path
    config_folders: Sequence[Path]
    clock: Clock
    because: str = ""
    python2: bool = True
    own: SourceModules = field(init=False)
    """Its modules; `own.sources` are the files it depends on."""
    config: ScriptConfig = field(init=False)
    generation: Generation | None = None
    """What came of it, None if it failed."""
    warnings: tuple[str, ...] = ()
    """What `lint` found in it."""
    failure: Failure | None = None
    done: threading.Event = field(default_factory=threading.Event)
    started_s: float = 0.0
    load_ms: float = 0.0
    _thread: int = 0

    def __post_init__(self) -> None:
        self.config = read_config(self.script, self.config_folders)
        tag = str(self.number)
        self.own = SourceModules(
            self.path.parent,
            tag,
            f"{self.script}@{tag}",
            {"config": self.config.values},
            python2=self.python2,
        )

    @property
    def text(self) -> str:
        """The script's source, "" if it could not be read."""
        return self.own.sources[0].text if self.own.sources else ""

    @property
    def runs(self) -> str:
        """The script's source as it runs: converted, if it was written for Python 2."""
        return self.own.sources[0].runs if self.own.sources else ""

    @property
    def converted(self) -> str:
        """What the conversion changed in the script, as a diff; "" if nothing."""
        return self.own.sources[0].difference if self.own.sources else ""

    @property
    def digest(self) -> bytes:
        """Tells two texts of the script apart."""
        return self.own.sources[0].digest if self.own.sources else b""

    def uses(self, path: Path) -> bytes | None:
        """Digest of a file this load has read; None if it has not."""
        return next((s.digest for s in self.own.sources if s.path == path), None)

    def run(self) -> None:
        """Read, compile and execute. Raises nothing, not even `SystemExit`."""
        self._thread = threading.get_ident()
        self.started_s = self.clock.now()
        loading = Loading(self.config.values)
        token = current.set(Where(self.script, self.number, loading=loading))
        try:
            if "." in self.script:
                raise ImportError("a name with a dot in it cannot be imported; rename the file")
            brake.enter()
            try:
                module = self.own.run_script(self.path)
            finally:
                brake.leave()
            self._judge(module, loading)
        except BaseException as exc:  # whatever a script does at its module level stays there
            brake.leave()
            let_go_of_locals(exc)
            conf = self.config
            self.failure = diagnose.explain(exc, self.own, self.path, conf.values, conf.source)
            drop_frames(exc)  # they would keep the module, and all it had collected
        finally:
            current.reset(token)
            self.load_ms = (self.clock.now() - self.started_s) * 1000.0
            if self.generation is not None:
                self.generation.load_ms = self.load_ms
            else:
                self.own.withdraw()
            self.done.set()

    def is_quick(self, within_s: float) -> bool:
        """Wait until it is done or has taken so long.

        A busy machine is no slow script: it has as long by its own clock too, and a clock that
        stands still, as in tests, lets it take `MOST_WAITS` times as long.
        """
        for _ in range(MOST_WAITS):
            if self.done.wait(within_s):
                return True
            if self.started_s and self.clock.now() - self.started_s >= within_s:
                return False
        return False

    def executing(self) -> tuple[str, int]:
        """File and line the load has reached, in sources of the script; ("", 0) if unknown."""
        frame = sys._current_frames().get(self._thread)
        files = self.own.files
        for summary in reversed(traceback.extract_stack(frame) if frame else []):
            if summary.filename in files:
                return files[summary.filename], summary.lineno or 0
        return "", 0

    def loading_event(self) -> ScriptLoading:
        """For a load that takes long: where it is."""
        file, line = self.executing()
        return ScriptLoading(
            script=self.script,
            generation=self.number,
            file=file or str(self.path),
            line=line,
            elapsed_s=self.clock.now() - self.started_s,
        )

    def failed_event(self, failure: Failure, serving: int) -> ScriptFailed:
        """For a load that failed.

        Args:
            failure: why.
            serving: the generation that serves calls all the same, 0 for none.
        """
        return ScriptFailed(
            script=self.script,
            generation=self.number,
            file=str(self.path),
            line=failure.line,
            error_type=failure.error_type,
            message=failure.message,
            traceback=failure.traceback,
            hint=failure.hint,
            serving_generation=serving,
            source=self.text,
        )

    def helper_event(self, users: tuple[str, ...]) -> ScriptLoaded:
        """For a module without `IvrDialog` that these scripts import."""
        return ScriptLoaded(
            script=self.script,
            generation=self.number,
            file=str(self.path),
            load_ms=self.load_ms,
            is_helper=True,
            helper_of=users,
            because=self.because,
            source=self.text,
            converted=self.converted,
        )

    def _judge(self, module: ModuleType, loading: Loading) -> None:
        dialog = vars(module).get("IvrDialog")
        if dialog is None:
            self.failure = diagnose.no_dialog_class(module, self.path, self.runs)
        elif not (isinstance(dialog, type) and issubclass(dialog, IvrDialogBase)):
            self.failure = diagnose.wrong_base(self.path, self.runs)
        else:
            vars(module)["config"] = self.config.values
            self.generation = Generation(
                script=self.script,
                number=self.number,
                file=str(self.path),
                text=self.text,
                converted=self.converted,
                dialog_class=dialog,
                module=module,
                config=self.config.values,
                own=self.own,
                handlers=_handlers_of(dialog),
                thread_functions=loading.threads,
            )
            self.warnings = self._lint(module, dialog)

    def _lint(self, module: ModuleType, dialog: type) -> tuple[str, ...]:
        conf = self.config
        subject = lint.Subject(
            self.path,
            self.runs,
            dialog,
            vars(module),
            conf.values,
            conf.source,
            converted=bool(self.converted),
        )
        try:
            return tuple(lint.warnings_of(subject))
        except Exception:  # objects of the script may do anything when looked at
            log.exception("%s was not looked through", self.path.name)
            return ()


def _handlers_of(dialog: type) -> tuple[tuple[str, int], ...]:
    """The handlers a class defines, with the line of each, in the order they are written."""
    lines: dict[str, int] = {}
    for cls in dialog.__mro__:
        if cls is not IvrDialogBase and cls is not object:
            for name in HANDLERS:
                code = getattr(vars(cls).get(name), "__code__", None)
                if code is not None:
                    lines.setdefault(name, code.co_firstlineno)
    return tuple(sorted(lines.items(), key=lambda item: item[1]))
