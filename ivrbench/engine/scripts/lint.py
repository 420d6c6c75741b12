"""Lint: what in a script that loaded will probably not do what its author wants, as warnings."""

from __future__ import annotations

import ast
import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi.additions import Additions
from ivrbench.scriptapi.compat import accepts
from ivrbench.scriptapi.dialog import IvrDialogBase
from ivrbench.scriptapi.handlers import HANDLERS, OLD_ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Subject", "warnings_of"]

Function = ast.FunctionDef | ast.AsyncFunctionDef

_ENDS_CALL: Final = frozenset({"stopSession", "bye", "dropSession", "terminateLeg", "redirect"})
_OLD_CODECS: Final = {
    "base64": "base64.b64encode and b64decode",
    "hex": "binascii.hexlify and unhexlify",
    "rot13": "codecs.encode(text, 'rot13')",
    "string_escape": "codecs.encode and decode with 'unicode_escape'",
    "zlib": "zlib.compress and decompress",
}
_AWAITED: Final = frozenset({"collect", "play", "record", "say"})
_PLAYING: Final = frozenset({"collect", "play"})


@dataclass(frozen=True, slots=True)
class Subject:
    """A script that loaded."""

    path: Path
    text: str
    """As it runs."""
    dialog_class: type
    names: Mapping[str, object]
    """Its globals."""
    config: Mapping[str, str]
    conf: str
    """For people, where the settings come from: "menu.conf" or "no menu.conf was found"."""
    converted: bool = False
    """It was written for Python 2."""


def warnings_of(subject: Subject) -> list[str]:
    """What to look at, each a sentence that begins with file and line, in the order of lines."""
    tree = ast.parse(subject.text)
    found = [
        *_arities(subject),
        *_never_called(subject, tree),
        *_calls_that_stay(tree),
        *_not_awaited(tree),
        *_sleeping_on_the_loop(tree),
        *_missing_prompts(subject, tree),
        *_missing_settings(subject, tree),
        *(_divisions(tree) if subject.converted else ()),
        *(_old_codecs(tree) if subject.converted else ()),
    ]
    return [f"{subject.path.name}:{line}: {text}" for line, text in sorted(dict.fromkeys(found))]


# --- handlers -----------------------------------------------------------------------------------


def _arities(subject: Subject) -> Iterator[tuple[int, str]]:
    for name, arguments in HANDLERS.items():
        handler = _own_member(subject.dialog_class, name)
        if handler is None or not hasattr(handler, "__code__"):
            continue
        forms = [arguments, *([OLD_ARGUMENTS[name]] if name in OLD_ARGUMENTS else [])]
        if not any(accepts(handler, len(form) + 1) for form in forms):
            wanted = ", ".join(("self", *arguments))
            yield handler.__code__.co_firstlineno, f"write def {name}({wanted}): it gets no others"


def _never_called(subject: Subject, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Methods named like handlers that neither the engine nor the script itself calls."""
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    constants = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    used |= {value for value in constants if isinstance(value, str)}
    for cls in subject.dialog_class.__mro__:
        if cls is IvrDialogBase or cls is object:
            continue
        for name, member in vars(cls).items():
            code = getattr(member, "__code__", None)
            if code is None or name in HANDLERS or name in used or name[:2].lower() != "on":
                continue
            meant = {known.lower(): known for known in HANDLERS}
            close = difflib.get_close_matches(name.lower(), meant, 1, cutoff=0.75)
            if close:
                hint = f"did you mean {meant[close[0]]}?"
                yield code.co_firstlineno, f"{name} is never called - {hint}"
            elif name[2:3].isupper():
                yield code.co_firstlineno, f"{name} is never called: there is no such event"


def _own_member(cls: type, name: str) -> object:
    found = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)
    return None if found is vars(IvrDialogBase).get(name) else found


def _calls_that_stay(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`onBye` that neither ends the session nor lets the default do it."""
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        methods = {node.name: node for node in cls.body if isinstance(node, Function)}
        on_bye = methods.get("onBye")
        if on_bye is not None and not _may_end(on_bye, methods):
            yield (
                on_bye.lineno,
                "onBye neither calls stopSession() nor returns True: "
                "the session stays after the caller hung up",
            )


def _may_end(start: Function, methods: Mapping[str, Function]) -> bool:
    """Whether a method may end the call, itself or by methods it calls; in doubt yes."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        function = waiting.pop()
        seen.add(function.name)
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    if name in _ENDS_CALL:
                        return True
                    if name in methods and name not in seen:
                        waiting.append(methods[name])
                case ast.Call(args=args) if any(_is_self(arg) for arg in args):
                    return True  # another function has the call in its hands
                case ast.Call(func=ast.Name(id="super")):
                    return True
                case ast.Return(value=value) if function is start and _may_be_true(value):
                    return True
    return False


def _may_be_true(value: ast.expr | None) -> bool:
    if value is None:
        return False
    return not isinstance(value, ast.Constant) or value.value is True


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _not_awaited(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`self.play(…)` as a statement does nothing: it is to be awaited."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, Function)}
    for node in ast.walk(tree):
        match node:
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name))
            ) if name in _AWAITED - own:
                text = f"self.{name}() does nothing: write await self.{name}(), in an async def"
                yield node.lineno, text


def _sleeping_on_the_loop(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`time.sleep` in an `async def` stops every call."""
    waiting: list[ast.AST] = [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                continue  # may be meant for a thread
            waiting.append(node)
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                    text = "time.sleep() in an async def stops all calls: await asyncio.sleep()"
                    yield node.lineno, text


# --- prompts and settings -----------------------------------------------------------------------


def _missing_prompts(subject: Subject, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        for name in _names_played(node, subject):
            path = _text_of(name, subject)
            if path is not None and not os.path.exists(path):
                yield name.lineno, f"there is no file {path} ({os.path.abspath(path)})"


def _names_played(node: ast.AST, subject: Subject) -> list[ast.expr]:
    """What is opened to be played, or played by its name."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="open"),
            args=[name, ast.Name(id="AUDIO_READ") | ast.Attribute(attr="AUDIO_READ")],
        ):
            return [name]
        case ast.Await(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attr)) as call
        ) if attr in _PLAYING and getattr(subject.dialog_class, attr) is getattr(Additions, attr):
            return [*(call.args if attr == "play" else ())] + [
                keyword.value for keyword in call.keywords if keyword.arg == "prompt"
            ]
    return []


def _text_of(node: ast.expr, subject: Subject) -> str | None:
    """What a string expression is, None if only running the script would tell."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            value = subject.names.get(name)
            return value if isinstance(value, str) else None
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            value = _own_member(subject.dialog_class, name)
            return value if isinstance(value, str) else None
        case ast.Subscript(value=ast.Name(id="config"), slice=ast.Constant(value=str(key))):
            return subject.config.get(key)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = [_text_of(left, subject), _text_of(right, subject)]
            return None if None in texts else "".join(t for t in texts if t is not None)
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="path"), attr="join"), args=args):
            texts = [_text_of(arg, subject) for arg in args]
            parts = [text for text in texts if text is not None]
            return os.path.join(*parts) if parts and len(parts) == len(texts) else None
    return None


def _missing_settings(subject: Subject, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Keys that functions read by `config["key"]`: at module level a missing one fails the load."""
    asked = {_key_asked_for(node) for node in ast.walk(tree)}
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    for node in (inner for function in functions for inner in ast.walk(function)):
        match node:
            case ast.Subscript(
                value=ast.Name(id="config") | ast.Attribute(attr="config"),
                slice=ast.Constant(value=str(key)),
                ctx=ast.Load(),
            ) if key not in subject.config and key not in asked:
                close = difflib.get_close_matches(key, subject.config, 1, cutoff=0.7)
                where = subject.conf
                if where.endswith(".conf"):
                    where += f" has no {key}"
                hint = f" - did you mean {close[0]!r}?" if close else ""
                yield node.lineno, f"config[{key!r}] will fail: {where}{hint}"


def _key_asked_for(node: ast.AST) -> str:
    """The key of `"key" in config` and of `config["key"] = …`: such a script knows of the gap."""
    match node:
        case ast.Compare(left=ast.Constant(value=str(key)), ops=[ast.In() | ast.NotIn()]):
            return key
        case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Store()):
            return key
    return ""


def _divisions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`/` between whole numbers gave a whole number in Python 2."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            sides = (
                [node.left, node.right]
                if isinstance(node, ast.BinOp)
                else [node.target, node.value]
            )
            if not any(isinstance(s, ast.Constant) and isinstance(s.value, float) for s in sides):
                yield (
                    node.lineno,
                    "/ gives a fraction in Python 3; write // where Python 2 gave a whole number",
                )


def _old_codecs(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`text.encode("hex")`: what is no encoding of texts is none of `encode` any more."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="encode" | "decode"),
                args=[ast.Constant(value=str(name))],
            ) if name in _OLD_CODECS:
                yield node.lineno, f"{name!r} is no text encoding: use {_OLD_CODECS[name]}"
