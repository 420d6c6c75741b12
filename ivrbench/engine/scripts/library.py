"""Library: the scripts of one directory, loaded, watched and loaded again.

*New calls get the newest version that loaded. Running calls keep the one they started with. A
version that does not load never replaces one that does.*

One thread decides what to load; each load runs in a thread of its own, so a script that takes for
ever to import holds up nothing but itself.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import queue
import threading
from typing import TYPE_CHECKING, Final

import ivrbench
from ivrbench.audio import tts
from ivrbench.engine.scripts.helpers import hook_imports
from ivrbench.engine.scripts.loader import Load, read_config
from ivrbench.engine.scripts.remarks import tell_remarks
from ivrbench.engine.scripts.threads import LOOK_S, ThreadWatch, start_threads
from ivrbench.engine.scripts.watcher import Watcher
from ivrbench.errors import ConfigError
from ivrbench.observe.events import ScriptRemoved, ScriptUnchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ivrbench.clock import Clock
    from ivrbench.engine.scripts.diagnose import Failure
    from ivrbench.engine.scripts.generation import Generation
    from ivrbench.engine.scripts.registry import Registry
    from ivrbench.observe.events import Event

__all__ = ["ScriptLibrary"]

log = logging.getLogger("ivrbench.load")

SLOW_S: Final = 2.0
"""A load that takes longer is reported, and no longer waited for."""
AGAIN_S: Final = 1.0
"""And reported again this often."""


class ScriptLibrary:
    """Loads scripts into a registry.

    `scriptapi.install` comes before it. All methods may be called from any thread; what happens is
    told by events and by the log.

    Args:
        script_path: the directory; every `*.py` in it becomes an application or a helper.
        config_folders: where `NAME.conf` is looked for, in this order.
        registry: gets each generation that loads, and publishes `ScriptLoaded`.
        publish: takes the other events; called from the library's threads.
        clock: for load times.
        config_file: `ivr.conf`, to be watched; None: there is none.
        on_config_changed: called from the library's thread when `config_file` changed.
        python2: convert sources that are written for Python 2; assign it anew at any time.

    Raises:
        ConfigError: `script_path` is no directory.
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
        python2: bool = True,
    ) -> None:
        if not script_path.is_dir():
            raise ConfigError(f"{script_path} is not a directory", key="script_path")
        self.folder = script_path.absolute()
        self.python2 = python2
        self._config_folders = [folder.absolute() for folder in config_folders]
        self._registry = registry
        self._publish = publish
        self._clock = clock
        self._config_file = config_file.absolute() if config_file else None
        self._on_config_changed = on_config_changed
        self._numbers: dict[str, int] = {}
        self._last: dict[str, Load] = {}
        """The last try of each script that is over."""
        self._pending: list[Load] = []
        self._helper_of: dict[str, tuple[str, ...]] = {}
        """What was last told of each script without `IvrDialog`; (): that it failed."""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads_may_start = False
        self._computing = ThreadWatch(clock)
        self._watcher: Watcher | None = None
        self._unhook = hook_imports()
        self._thread = threading.Thread(target=self._work, name="script-library", daemon=True)
        self._thread.start()

    # --- from any thread ----------------------------------------------------------------------

    def load_all(self, *, wait: bool = False) -> bool:
        """Load every script, in byte order; blocks, so not for the loop's thread.

        Args:
            wait: wait for scripts that take longer than 2 s; otherwise go on without them, they
                are swapped in when they have loaded.

        Returns:
            True if all have loaded.
        """
        self._ask(self._load_all)
        for load in list(self._pending) if wait else ():
            load.done.wait()
        self._ask(lambda: None)  # what has loaded meanwhile is judged before this job
        helpers = [name for name, users in self._helper_of.items() if users]
        return not self._pending and all(
            load.failure is None or name in helpers for name, load in self._last.items()
        )

    def start_threads(self) -> None:
        """Start the functions given to `ivr.createThread`; once, after `load_all`.

        Those of scripts that load later start with their script.
        """
        self._ask(self._start_threads)

    def start_watching(self) -> None:
        """Reload on changes from now on."""
        folders = [*self._config_folders]
        if self._config_file is not None:
            folders.append(self._config_file.parent)
        watcher = Watcher(self.folder, folders, self._files_changed, self._clock)
        try:
            watcher.start()
        except OSError as exc:
            log.warning(
                "changes of %s are not seen (%s); reload by hand", self.folder, exc.strerror or exc
            )
            return
        self._watcher = watcher

    def reload(self, name: str = "") -> None:
        """Load a script again by hand, changed or not; all scripts if no name is given."""
        names = [name] if name else self._names()
        because = dict.fromkeys(names, "reloaded by hand")
        self._jobs.put(lambda: self._load_these(because))

    def close(self) -> None:
        """Stop watching and loading. Threads of scripts end with the process."""
        if self._watcher is not None:
            self._watcher.close()
        self._jobs.put(None)
        self._thread.join()
        self._unhook()

    def _files_changed(self, paths: list[Path]) -> None:
        self._jobs.put(lambda: self._changed(paths))

    def _ask(self, job: Callable[[], None]) -> None:
        """Have a job done in the library's thread and wait for it."""
        over = threading.Event()

        def do() -> None:
            try:
                job()
            finally:
                over.set()

        self._jobs.put(do)
        over.wait()

    # --- in the library's thread ----------------------------------------------------------------

    def _work(self) -> None:
        while True:
            watches = self._computing.is_needed
            try:
                job = self._jobs.get(
                    timeout=min(AGAIN_S, LOOK_S) if self._pending or watches else None
                )
            except queue.Empty:
                self._report_slow()
                self._computing.look()
                continue
            if job is None:
                return
            try:
                job()
            except Exception:
                log.exception("the scripts could not be looked after; this is a fault of ivrbench")

    def _load_all(self) -> None:
        log.info("ivrbench %s, Python %s", ivrbench.__version__, platform.python_version())
        log.info("Text-To-Speech: %s", "yes" if tts.is_installed() else "no")
        log.info("script path: '%s'", self.folder)
        self._load_these(dict.fromkeys(self._names(), ""))

    def _names(self) -> list[str]:
        """The scripts there are, in byte order."""
        try:
            entries = os.listdir(self.folder)
        except OSError as exc:
            log.error("directory '%s' cannot be opened: %s", self.folder, exc.strerror or exc)
            return []
        log.info("directory '%s' opened", self.folder)
        found = sorted((e for e in entries if self._is_script(self.folder / e)), key=os.fsencode)
        return list(dict.fromkeys(os.path.splitext(name)[0] for name in found))

    def _is_script(self, path: Path) -> bool:
        return (
            path.parent == self.folder
            and (path.suffix == ".py" or _is_alone(path))
            and not path.name.startswith(".")
            and path.stem != "__init__"
            and path.is_file()
        )

    def _path_of(self, name: str) -> Path:
        path = self.folder / f"{name}.py"
        code = path.with_suffix(".pyc")
        return code if _is_alone(code) else path

    def _load_these(self, because: dict[str, str]) -> None:
        """Load scripts, each with the reason for it."""
        for name, reason in because.items():
            self._load(name, reason)
        self._judge_helpers()

    def _load(self, name: str, because: str) -> None:
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        path = self._path_of(name)
        load = Load(name, number, path, self._config_folders, self._clock, because, self.python2)
        for note in load.config.notes:
            log.warning("%s", note, extra={"script": name})
        self._pending.append(load)
        threading.Thread(
            target=self._run, args=(load,), name=f"load-{name}@{number}", daemon=True
        ).start()
        if load.is_quick(SLOW_S):
            self._finish(load)
        else:
            self._publish(load.loading_event())

    def _run(self, load: Load) -> None:
        load.run()
        self._jobs.put(lambda: self._finish_late(load))

    def _finish_late(self, load: Load) -> None:
        if load in self._pending:
            self._finish(load)
            self._judge_helpers()

    def _finish(self, load: Load) -> None:
        """A load is over: swap its generation in, or say why there is none."""
        self._pending.remove(load)
        name, last = load.script, self._last.get(load.script)
        if last is not None and last.number > load.number:
            return  # a newer text has overtaken it
        self._last[name] = load
        self._helper_of.pop(name, None)
        tell_remarks(load)
        generation = load.generation
        if generation is not None:
            self._registry.swap(generation, load.because)
            extra = {"script": name}
            if load.because:
                log.info("%s@%s: %s", name, load.number, load.because, extra=extra)
            version = f" (@{load.number})" if load.number > 1 else ""
            log.info("Application script registered: %s%s.", name, version, extra=extra)
            if self._threads_may_start:
                self._begin_threads(generation)
        elif load.failure is not None and not load.failure.lacks_dialog:
            self._tell_failed(load, load.failure)

    def _tell_failed(self, load: Load, failure: Failure) -> None:
        serving = self._registry.serving(load.script)
        self._publish(load.failed_event(failure, serving.number if serving else 0))
        then = f"@{serving.number} keeps serving" if serving else "calls to it are refused"
        extra = {"script": load.script}
        log.warning(
            "Failed to load %s (@%s): %s; %s",
            load.script,
            load.number,
            failure.sentence,
            then,
            extra=extra,
        )

    def _judge_helpers(self) -> None:
        """Tell of scripts without `IvrDialog`: helpers if another script imports them."""
        for name, load in self._last.items():
            if load.failure is None or not load.failure.lacks_dialog:
                continue
            users = self._users(name)
            if self._helper_of.get(name) == users:
                continue
            self._helper_of[name] = users
            if not users:
                self._tell_failed(load, load.failure)
                continue
            self._publish(load.helper_event(users))
            extra = {"script": name}
            log.info("%s is a helper of %s", name, ", ".join(users), extra=extra)

    def _users(self, helper: str) -> tuple[str, ...]:
        """The applications whose last try imported a helper."""
        path = self._path_of(helper)
        return tuple(
            name
            for name, load in sorted(self._last.items())
            if name != helper
            and load.uses(path) is not None
            and not (load.failure is not None and load.failure.lacks_dialog)
        )

    def _start_threads(self) -> None:
        self._threads_may_start = True
        for name in self._registry.names():
            generation = self._registry.serving(name)
            if generation is not None:
                self._begin_threads(generation)

    def _begin_threads(self, generation: Generation) -> None:
        start_threads(generation)
        self._computing.add(generation)

    # --- changes --------------------------------------------------------------------------------

    def _changed(self, paths: list[Path]) -> None:
        """Files were saved, created or deleted."""
        because: dict[str, str] = {}
        for path in paths:
            if path == self._config_file:
                self._on_config_changed()
            elif path.suffix == ".conf":
                self._config_changed(path.stem, because)
            elif self.folder in path.parents:
                self._source_changed(path, because)
        self._load_these(because)

    def _config_changed(self, name: str, because: dict[str, str]) -> None:
        last = self._last.get(name)
        if last is None:
            return
        new = read_config(name, self._config_folders)
        if (new.values, new.notes) == (last.config.values, last.config.notes):
            self._publish(ScriptUnchanged(script=name, generation=last.number))
        else:
            because.setdefault(name, f"{name}.conf changed")

    def _source_changed(self, path: Path, because: dict[str, str]) -> None:
        try:
            digest = hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            if path.parent == self.folder and not self._path_of(path.stem).exists():
                self._gone(path.stem)
            return
        if self._is_script(path):
            last = self._last.get(path.stem)
            loaded = last is not None and (last.failure is None or last.failure.lacks_dialog)
            if last is not None and loaded and last.digest == digest:
                self._publish(ScriptUnchanged(script=path.stem, generation=last.number))
            else:
                because[path.stem] = ""
        top = path.relative_to(self.folder).parts[0].partition(".")[0]
        for name, load in sorted(self._last.items()):
            used = load.uses(path)
            if name != path.stem and used is not None and used != digest:
                because.setdefault(name, f"{path.name} changed")
            elif used is None and top in load.own.missing:
                because.setdefault(name, f"{path.name} appeared")

    def _gone(self, name: str) -> None:
        if self._last.pop(name, None) is None:
            return
        self._helper_of.pop(name, None)
        live = self._registry.remove(name)
        self._publish(ScriptRemoved(script=name, live_calls=live))
        calls = f"{live} calls keep it" if live else "no call uses it"
        log.info("%s.py is gone; %s", name, calls, extra={"script": name})

    def _report_slow(self) -> None:
        for load in self._pending:
            self._publish(load.loading_event())


def _is_alone(path: Path) -> bool:
    """A `.pyc` whose source is not there."""
    return path.suffix == ".pyc" and path.is_file() and not path.with_suffix(".py").exists()
