"""Helpers: modules and packages of the script directory, a copy of its own for each generation.

`import util` in a script finds `util.py` beside it, compiled for this generation alone, so a
changed helper never reaches calls that run. That holds for imports inside functions too, which run
later: `__import__` is hooked for the whole process and looks at who is importing. Names of the
standard library always mean the standard library.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from ivrbench.engine.scripts.source import Source
from ivrbench.scriptapi import python2_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SourceModules", "hook_imports"]

_OWNER: Final = "__ivrbench_modules__"
"""Global of every module of a script: the `SourceModules` it belongs to."""
_OLD: Final = "__ivrbench_python2__"
"""Global of a module that was written for Python 2."""
_NEVER_OURS: Final = sys.stdlib_module_names | {"ivr", "log"}


class SourceModules:
    """The modules of one generation.

    Args:
        folder: the script directory.
        tag: what compiled names end in: `7` gives `menu.py@7`.
        helper_tag: the same for helpers: `menu@7` gives `util.py@menu@7`, since each user of a
            helper has a copy of its own.
        names: globals every module starts with.
        python2: convert sources that are written for Python 2.
    """

    def __init__(
        self,
        folder: Path,
        tag: str,
        helper_tag: str,
        names: Mapping[str, object],
        *,
        python2: bool = True,
    ) -> None:
        self.folder = folder
        self.sources: list[Source] = []
        """Every source read, in order, the script itself first."""
        self.files: dict[str, str] = {}
        """Real path of each source by its compiled name."""
        self.missing: set[str] = set()
        """Top-level names that were looked for in the script directory and not found."""
        self._tag = tag
        self._helper_tag = helper_tag
        self._names = names
        self._python2 = python2
        self._modules: dict[str, ModuleType] = {}
        self._displaced: dict[str, ModuleType | None] = {}
        self._lock = threading.RLock()  # handlers of several calls may import at the same time

    def run_script(self, path: Path) -> ModuleType:
        """Execute the script itself.

        Raises:
            BaseException: whatever its source or its module level raises.
        """
        return self._execute(path.stem, path, None, self._tag)

    def import_module(
        self, name: str, importer: Mapping[str, Any], fromlist: Sequence[str], level: int
    ) -> ModuleType | None:
        """Carry out an `import` of one of our modules.

        Returns:
            what `__import__` has to return, None if it is not ours to import.
        """
        if level:
            name = importlib.util.resolve_name(
                "." * level + name, importer.get("__package__") or ""
            )
        names = self._names_of(name, importer)
        if names is None:
            return self._old_module(name) if _OLD in importer else None
        top, name = names
        with self._lock:
            leaf = self._load(name)
            if not fromlist:
                return self._modules[top]
            if hasattr(leaf, "__path__"):
                self._load_members(leaf, name, fromlist)
            return leaf

    def _old_module(self, name: str) -> ModuleType | None:
        """A module for a source of Python 2, as it was then; None if it is there as ever."""
        if name in python2_modules.NAMES and self._elsewhere(name):
            return None
        return python2_modules.find(name)

    def import_by_name(self, name: str) -> ModuleType | None:
        """Carry out `importlib.import_module` of one of our modules; None if it is not ours."""
        names = self._names_of(name, {})
        if names is None:
            return None
        with self._lock:
            return self._load(name)

    def _names_of(self, name: str, importer: Mapping[str, Any]) -> tuple[str, str] | None:
        """Top-level and whole name of one of our modules, None if it is not ours to import."""
        top = name.partition(".")[0]
        if top not in self._modules and (top in _NEVER_OURS or self._find(None, top) is None):
            package = self._modules.get(importer.get("__package__") or "")
            if not self._is_beside(package, top):
                if top not in _NEVER_OURS:
                    self.missing.add(top)
                return None
            # Python 2 looked into the importer's own package first.
            assert package is not None, "only a package has modules"
            name, top = f"{package.__name__}.{name}", f"{package.__name__}.{top}"
        return top, name

    def loaded(self, name: str) -> ModuleType | None:
        """One of our modules, if it has been imported."""
        return self._modules.get(name)

    def withdraw(self) -> None:
        """The load failed: give the names in `sys.modules` back."""
        for name in list(self._displaced):
            self._withdraw(name)

    def _is_beside(self, package: ModuleType | None, top: str) -> bool:
        """Whether an importing package has a module of this name, and nobody else has."""
        if package is None or self._find(package, top) is None:
            return False
        return not self._elsewhere(top)

    def _load_members(self, package: ModuleType, name: str, members: Sequence[str]) -> None:
        wanted = getattr(package, "__all__", ()) if "*" in members else members
        for member in wanted:
            if not hasattr(package, member) and self._find(package, member) is not None:
                self._load(f"{name}.{member}")

    def _load(self, name: str) -> ModuleType:
        """The module of this name, its packages loaded before it."""
        parent: ModuleType | None = None
        full = ""
        for part in name.split("."):
            full = f"{full}.{part}" if full else part
            module = self._modules.get(full)
            if module is None:
                found = self._find(parent, part)
                if found is None:
                    raise ModuleNotFoundError(f"No module named {full!r}", name=full)
                module = self._execute(full, *found, self._helper_tag)
                if parent is not None:
                    setattr(parent, part, module)
            parent = module
        assert parent is not None, "a module name is not empty"
        return parent

    def _find(self, parent: ModuleType | None, part: str) -> tuple[Path, Path | None] | None:
        """Source and, for a package, its folder."""
        places = [self.folder] if parent is None else map(Path, getattr(parent, "__path__", ()))
        for place in places:
            inside = place / part
            if (inside / "__init__.py").is_file():
                return inside / "__init__.py", inside
            for source in (place / f"{part}.py", place / f"{part}.pyc"):
                if source.is_file():
                    return source, None
            # PEP 420: a folder without __init__.py is a package if nothing else has the name.
            if inside.is_dir() and any(inside.glob("*.py")) and not self._elsewhere(part):
                return inside, inside
        return None

    def _execute(self, name: str, path: Path, folder: Path | None, tag: str) -> ModuleType:
        module = ModuleType(name)
        module.__file__ = str(path)
        module.__spec__ = ModuleSpec(name, None, origin=str(path), is_package=folder is not None)
        module.__package__ = name if folder else name.rpartition(".")[0]
        if folder is not None:
            module.__path__ = [str(folder)]
        vars(module).update(self._names)
        vars(module)[_OWNER] = self
        self._modules[name] = module
        self._expose(name, module)
        try:
            if path != folder:  # not a folder without __init__.py
                relative = path.relative_to(self.folder).as_posix()
                source = Source(path, f"{relative}@{tag}", self.folder, python2=self._python2)
                self.sources.append(source)
                self.files[source.name] = str(path)
                code = source.compile()
                if source.is_old:
                    vars(module).update(python2_modules.OLD_BUILTINS, **{_OLD: True})
                exec(code, vars(module))
        except BaseException:
            self._withdraw(name)
            del self._modules[name]
            raise
        return module

    def _expose(self, name: str, module: ModuleType) -> None:
        """Show it in `sys.modules`, where pickle and dataclasses look, unless it hides another."""
        if not self._elsewhere(name.partition(".")[0]):
            self._displaced[name] = sys.modules.get(name)
            sys.modules[name] = module

    def _withdraw(self, name: str) -> None:
        before = self._displaced.pop(name, None)
        if sys.modules.get(name) is not self._modules.get(name):
            return  # never shown, or another generation's by now
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before

    def _elsewhere(self, top: str) -> bool:
        """Whether Python has a module of this name outside of the script directory."""
        if top in _NEVER_OURS:
            return True
        known = sys.modules.get(top)
        if known is not None:
            return _OWNER not in vars(known)
        places = [place for place in sys.path if place and Path(place) != self.folder]
        spec = PathFinder.find_spec(top, places)
        return spec is not None and spec.loader is not None


def hook_imports() -> Callable[[], None]:
    """Let modules of scripts import their own helpers; done once, before the first script loads.

    By `import` statements, `__import__(name)` and `importlib.import_module(name)`.

    Returns:
        a function that takes the hooks away again.
    """
    import_statement, import_module = builtins.__import__, importlib.import_module
    builtins.__import__ = _with_statements(import_statement)
    importlib.import_module = _with_names(import_module)

    def unhook() -> None:
        builtins.__import__ = import_statement
        importlib.import_module = import_module

    return unhook


def _with_statements(before: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    """`builtins.__import__` that knows helpers."""

    # Any: the signature of builtins.__import__.
    def ivrbench_import(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        importer = sys._getframe(1).f_globals if globals is None else globals
        owner = importer.get(_OWNER) if isinstance(importer, dict) else None
        if owner is not None:
            module: ModuleType | None = owner.import_module(name, importer, fromlist or (), level)
            if module is not None:
                return module
        return before(name, globals, locals, fromlist or (), level)

    return ivrbench_import


def _with_names(before: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    """`importlib.import_module` that knows helpers of the script that calls it."""

    def ivrbench_import_module(name: str, package: str | None = None) -> ModuleType:
        owner = sys._getframe(1).f_globals.get(_OWNER)
        if owner is not None:
            full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
            module: ModuleType | None = owner.import_by_name(full)
            if module is not None:
                return module
        return before(name, package)

    return ivrbench_import_module
