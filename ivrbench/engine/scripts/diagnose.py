"""Diagnose: why a script did not load, as a sentence with a line, and what was probably meant."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.engine.outcome import message_of
from ivrbench.engine.scripts.python2 import RENAMED, REPLACED
from ivrbench.scriptapi.dialog import IvrDialogBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType, TracebackType

    from ivrbench.engine.scripts.helpers import SourceModules

__all__ = ["Failure", "class_line", "explain", "no_dialog_class", "wrong_base"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a script did not load."""

    error_type: str
    message: str
    """Begins with file and line if the fault is in a helper."""
    line: int
    """In the script itself, 0 if unknown."""
    where: str
    """The script's file and line, for people: "menu.py:3"."""
    traceback: str
    hint: str = ""
    raised: BaseException | None = None
    lacks_dialog: bool = False
    """It has no `IvrDialog`: not a failure if another script imports it."""

    @property
    def sentence(self) -> str:
        """What happened, in one line."""
        message = f"{self.error_type}: {self.message}" if self.raised is not None else self.message
        hint = f" - {self.hint}" if self.hint else ""
        return f"{self.where}: {message}{hint}" if self.where else f"{message}{hint}"


def explain(
    raised: BaseException, own: SourceModules, script: Path, config: Mapping[str, str], conf: str
) -> Failure:
    """Make a failure of what reading, compiling or executing a script raised.

    Args:
        raised: the exception.
        own: the modules that had been read by then.
        script: path of the script.
        config: its settings.
        conf: for people, where they come from: "menu.conf" or "no menu.conf was found".
    """
    files = own.files
    frames = [f for f in traceback.extract_tb(raised.__traceback__) if f.filename in files]
    lines = [f.lineno or 0 for f in frames if files[f.filename] == str(script)]
    file, line = (files[frames[-1].filename], frames[-1].lineno or 0) if frames else ("", 0)
    if isinstance(raised, SyntaxError):
        # Without a file name: the encoding line is at fault, in the source read last.
        name = raised.filename or (own.sources[-1].name if own.sources else "")
        if name in files:
            file, line = files[name], raised.lineno or 1
    elif isinstance(raised, UnicodeDecodeError) and own.sources:
        source = own.sources[-1]
        file, line = str(source.path), source.data.count(b"\n", 0, raised.start) + 1
    if file == str(script):
        lines.append(line)
    message, own_line = _message(raised), lines[-1] if lines else 0
    if file and file != str(script):
        message = f"{Path(file).relative_to(own.folder)}:{line}: {message}"
    return Failure(
        error_type=type(raised).__name__,
        message=message,
        line=own_line,
        where=f"{script.name}:{own_line}" if own_line else script.name,
        traceback=_traceback_text(raised, frames),
        hint=_hint(raised, own, config, conf),
        raised=raised,
    )


def no_dialog_class(module: ModuleType, script: Path, text: str) -> Failure:
    """A module without `IvrDialog`.

    Args:
        module: what was loaded.
        script: its file.
        text: its source.
    """
    own = {n: v for n, v in vars(module).items() if isinstance(v, type)}
    own = {n: v for n, v in own.items() if v.__module__ == module.__name__}
    dialogs = [name for name, value in own.items() if issubclass(value, IvrDialogBase)]
    close = difflib.get_close_matches("IvrDialog", own, 1) or dialogs
    line = class_line(text, close[0]) if close else 0
    return Failure(
        error_type="ScriptLoadError",
        message=f'class IvrDialog not found in "{script.stem}"',
        line=line,
        where=f"{script.name}:{line}" if line else script.name,
        traceback="",
        hint=f"did you mean {close[0]} (line {line})?" if close else "",
        lacks_dialog=True,
    )


def wrong_base(script: Path, text: str) -> Failure:
    """An `IvrDialog` that is no dialog."""
    line = class_line(text, "IvrDialog")
    return Failure(
        error_type="ScriptLoadError",
        message="IvrDialog is not a subtype of IvrDialogBase",
        line=line,
        where=f"{script.name}:{line}" if line else script.name,
        traceback="",
        hint="write class IvrDialog(IvrDialogBase):",
    )


def class_line(text: str, name: str) -> int:
    """The line a class begins at, 0 if it is not written out in the source."""
    tree = ast.parse(text.expandtabs(8))
    found = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name]
    return found[-1] if found else 0


def _message(raised: BaseException) -> str:
    if isinstance(raised, SystemExit):
        code = "" if raised.code is None else raised.code
        return f"the script called sys.exit({code}); ignored"
    if isinstance(raised, SyntaxError):
        return raised.msg
    return message_of(raised)


def _traceback_text(raised: BaseException, frames: list[traceback.FrameSummary]) -> str:
    head = ["Traceback (most recent call last):\n"] if frames else []
    try:
        last = traceback.format_exception_only(type(raised), raised)
    except Exception:  # as above
        last = [type(raised).__name__]
    return "".join([*head, *traceback.format_list(frames), *last])


def _hint(raised: BaseException, own: SourceModules, config: Mapping[str, str], conf: str) -> str:
    try:
        match raised:
            case NameError(name=str(name)):
                return _did_you_mean(name, _names_in_scope(raised.__traceback__))
            case KeyError(args=(str(key),)) if _is_config_key(raised.__traceback__, key, config):
                return _did_you_mean(key, config) or _no_setting(conf)
            case AttributeError(name=str(name), obj=obj) if obj is not None:
                return _did_you_mean(name, dir(obj))
            case ModuleNotFoundError(name=str(name)):
                return _module_hint(name, own)
            case ImportError(name=str(name), msg=str(text)):
                return _member_hint(text, own.loaded(name) or sys.modules.get(name))
            case UnicodeDecodeError():
                return "save the file as UTF-8 or begin it with '# -*- coding: latin-1 -*-'"
    except Exception:  # objects of the script may do anything when looked at
        return ""
    return ""


def _no_setting(conf: str) -> str:
    return f"{conf} has no such setting" if conf.endswith(".conf") else conf


def _module_hint(name: str, own: SourceModules) -> str:
    if name in RENAMED:
        return f"in Python 3 it is called {RENAMED[name]}"
    if name in REPLACED:
        return f"use {REPLACED[name]}"
    return _did_you_mean(name, {path.stem for path in own.folder.glob("*.py")})


def _member_hint(message: str, module: ModuleType | None) -> str:
    wanted = re.match(r"cannot import name '(\w+)'", message)
    return _did_you_mean(wanted[1], dir(module)) if wanted and module else ""


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, [k for k in known if k != name], 1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else ""


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _names_in_scope(trace: TracebackType | None) -> set[str]:
    innermost = _innermost(trace)
    if innermost is None:
        return set()
    frame = innermost.tb_frame
    return {*frame.f_locals, *frame.f_globals, *dir(builtins)}


def _is_config_key(trace: TracebackType | None, key: str, config: Mapping[str, str]) -> bool:
    """The KeyError came from a line that reads `config`."""
    innermost = _innermost(trace)
    if innermost is None or key in config:
        return False
    frames = traceback.extract_tb(innermost)
    return bool(frames) and "config" in (frames[-1].line or "")
