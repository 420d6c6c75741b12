"""The house rules a machine can check: sizes, public names, and what may be imported where."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PACKAGE = REPO / "ivrbench"
SCRIPTS_OF_OURS = PACKAGE / "load" / "caller"
"""Written the way IVR authors write them."""

MODULE_SOFT, MODULE_HARD = 400, 600
FUNCTION_SOFT, FUNCTION_HARD = 30, 60

OVER_MODULE_SOFT = {
    "ivrbench/media/messages.py": "the catalogue of messages: one short class each",
    "ivrbench/observe/events.py": "the catalogue of facts: one short class each, read side by side",
}
"""Modules over the soft limit, each with the reason why cutting it would not help a reader."""

_WIRING = "makes and names the parts of one thing, a line each; there is nothing to understand"
OVER_FUNCTION_SOFT = {
    "ivrbench/engine/engine.py::Engine.__init__": _WIRING,
    "ivrbench/engine/switchboard.py::Switchboard.__init__": _WIRING,
    "ivrbench/media/lane.py::Lane.__init__": _WIRING,
    "ivrbench/media/plane.py::MediaPlane.__init__": _WIRING,
}
"""Functions over the soft limit, `path::qualified.name`, each with the reason."""

PRINTS = {"ivrbench/cli"}
"""Where output for people on stdout is the job."""

TERMINAL_AND_SOUND = ("textual", "rich", "sounddevice", "ivrbench.tui", "ivrbench.audio.device")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    folders = (PACKAGE, REPO / "tests", REPO / "bench", REPO / "scripts")
    files = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted([*files, REPO / "dev.py"])


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != SCRIPTS_OF_OURS)


def name_of(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(node: ast.AST, prefix: str = "") -> list[tuple[str, FunctionNode]]:
    found: list[tuple[str, FunctionNode]] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode | ast.ClassDef):
            if not isinstance(child, ast.ClassDef):
                found.append((prefix + child.name, child))
            found += functions(child, f"{prefix}{child.name}.")
        else:
            found += functions(child, prefix)
    return found


def body_lines(function: FunctionNode) -> int:
    """Lines of the body, the docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    last = function.body[-1]
    return (last.end_lineno or last.lineno) - body[0].lineno + 1


def module_lines() -> dict[str, int]:
    return {name_of(path): len(path.read_bytes().splitlines()) for path in python_files()}


def function_lines() -> dict[str, int]:
    return {
        f"{name_of(path)}::{name}": body_lines(function)
        for path in python_files()
        for name, function in functions(tree_of(path))
    }


def is_product(name: str) -> bool:
    return not name.startswith("tests/")


def over(sizes: dict[str, int], limit: int) -> list[str]:
    return sorted(f"{name} has {size} lines" for name, size in sizes.items() if size > limit)


def test_no_module_is_over_the_hard_limit() -> None:
    """600 lines, without exception."""
    assert over(module_lines(), MODULE_HARD) == []


def test_no_function_is_over_the_hard_limit() -> None:
    """60 lines of body, without exception."""
    assert over(function_lines(), FUNCTION_HARD) == []


def test_modules_over_the_soft_limit_are_named_with_a_reason() -> None:
    """400 lines, but for the listed ones; a module that shrank leaves the list."""
    too_long = {n for n, size in module_lines().items() if size > MODULE_SOFT and is_product(n)}
    assert too_long == set(OVER_MODULE_SOFT)


def test_functions_over_the_soft_limit_are_named_with_a_reason() -> None:
    """30 lines, but for the listed ones; a function that shrank leaves the list."""
    sizes = {name: size for name, size in function_lines().items() if is_product(name)}
    too_long = {f"{name} {size}" for name, size in sizes.items() if size > FUNCTION_SOFT}
    assert too_long == {f"{name} {sizes.get(name, 0)}" for name in OVER_FUNCTION_SOFT}


def public_definitions(tree: ast.Module) -> set[str]:
    return {
        node.name
        for node in tree.body
        if isinstance(node, FunctionNode | ast.ClassDef) and not node.name.startswith("_")
    }


def names_bound(tree: ast.Module) -> set[str]:
    """Every name a module binds at its top level, imports and `if` branches included."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, FunctionNode | ast.ClassDef):
            bound.add(node.name)
    return bound


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign)
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_public_names_are_listed(path: Path) -> None:
    """`__all__` lists every public class and function, once, and nothing that is not there."""
    tree = tree_of(path)
    names = exported(tree)
    if names is None:
        needs_none = path.name.startswith("_") or not public_definitions(tree)
        assert needs_none, f"{name_of(path)} has no __all__"
        return
    assert len(names) == len(set(names)), "a name is listed twice"
    assert set(names) <= names_bound(tree), "a name is listed that does not exist"
    if "__getattr__" not in names_bound(tree):
        assert public_definitions(tree) <= set(names), "a public name is not listed"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_prints_but_the_command_line(path: Path) -> None:
    """stdout is data, and belongs to the command line alone."""
    if any(name_of(path).startswith(folder) for folder in PRINTS):
        return
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    prints = [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    assert prints == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_annotations_are_not_evaluated(path: Path) -> None:
    """Every module with code starts with `from __future__ import annotations`."""
    tree = tree_of(path)
    code = [node for node in tree.body if isinstance(node, FunctionNode | ast.ClassDef)]
    futures = [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    assert futures or not code


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Modules in memory after `code` ran in a fresh interpreter."""
    report = "\nimport sys\nsys.stderr.write('\\n'.join(['', *sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPO,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_serving_loads_neither_terminal_nor_sound() -> None:
    """`--serve` and its media worker run on a machine without terminal and sound libraries."""
    packages = ["engine", "media", "observe", "scriptapi", "cli.serve"]
    names = [
        ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        for path in modules()
        if any(name_of(path).startswith(f"ivrbench/{part.replace('.', '/')}") for part in packages)
    ]
    code = "import importlib\n" + "\n".join(f"importlib.import_module({n!r})" for n in names)
    assert loaded_after(code).isdisjoint(TERMINAL_AND_SOUND)


def test_check_loads_neither_terminal_nor_sound(tmp_path: Path) -> None:
    """`--check` runs in a build that has neither."""
    code = "import sys\nfrom ivrbench.cli import main\nmain(sys.argv[1:])"
    loaded = loaded_after(code, "--check", "--script-path", str(tmp_path))
    assert "ivrbench.engine.scripts.loader" in loaded
    assert loaded.isdisjoint(TERMINAL_AND_SOUND)


def test_help_loads_nothing_heavy() -> None:
    """`--version` and `--help` answer at once."""
    code = "from ivrbench.cli import main\nmain(['--version'])"
    loaded = loaded_after(code)
    assert loaded.isdisjoint({*TERMINAL_AND_SOUND, "numpy", "asyncio", "ivrbench.engine"})


def test_imports_point_down() -> None:
    """The layers of `pyproject.toml` hold."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPO,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
