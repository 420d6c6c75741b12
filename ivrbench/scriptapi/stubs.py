"""Stubs: `ivr.pyi` and `log.pyi`, by which editors and type checkers know what scripts import.

They are written from the modules themselves, so they say what this version has.
"""

from __future__ import annotations

import inspect
import textwrap
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi import audioitems, conference, dialog, ivr, log, sipviews, uac
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["TYPES", "ivr_stub", "log_stub", "write_stubs"]

TYPES: Final = (
    dialog.IvrDialogBase,
    sipviews.IvrSipDialog,
    sipviews.IvrSipRequest,
    sipviews.IvrSipReply,
    IvrAudioFile,
    audioitems.IvrAudioMixIn,
    audioitems.IvrNullAudio,
    conference.IvrConference,
    uac.IvrUAC,
    uac.Dialout,
)
"""The classes of the module `ivr`."""

_CONSTANTS: Final = {
    "AUDIO_READ": "int",
    "AUDIO_WRITE": "int",
    "LOCAL_SIP_IP": "str",
    "LOCAL_SIP_PORT": "int",
    "SEMS_LOG_LEVEL": "int",
    "config": "dict[str, str]",
}
_ARGUMENT_TYPES: Final = {
    "req": "IvrSipRequest",
    "reply": "IvrSipReply",
    "hdrs": "str",
    "key": "int",
    "duration": "int",
    "id": "int",
    "code": "int",
    "reason": "str",
    "msg": "str",
    "uri": "str",
    "replaces": "str",
    "ms": "int",
    "file": "str",
    "error": "str",
    "room": "str",
    "tag": "str",
}
_FOR_ENGINE: Final = frozenset(
    {
        "attach",
        "copy_of",
        "detach",
        "length_ms",
        "opened",
        "record_limit_ms",
        "settings",
        "settle",
    }
)
_HEAD: Final = '''\
"""{title} Written by `ivrbench --stubs`."""

from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import BinaryIO, Self

'''


class _Annotation(str):
    """An annotation as it is written in the source."""

    __slots__ = ()
    __repr__ = str.__str__


def write_stubs(folder: Path) -> list[Path]:
    """Write `ivr.pyi` and `log.pyi`.

    Args:
        folder: where editors look: beside the scripts, or in `typings` of the project.

    Returns:
        the files.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / "ivr.pyi": ivr_stub(), folder / "log.pyi": log_stub()}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def ivr_stub() -> str:
    """The text of `ivr.pyi`."""
    parts = [_HEAD.format(title="The module `ivr` of IVR scripts.")]
    parts.append("\n".join(f"{name}: {kind}" for name, kind in _CONSTANTS.items()))
    parts += [f"\nclass {e.__name__}(Exception):\n{_doc(e)}\n" for e in (ivr.semserror, ivr.HungUp)]
    # Scripts import `*` from both modules: a checker wants both functions `log` to look the same.
    parts += [_function(log.log if f is ivr.log else f) for f in ivr.FUNCTIONS]
    parts += map(_class, TYPES)
    return "\n".join(parts)


def log_stub() -> str:
    """The text of `log.pyi`."""
    parts = [_HEAD.format(title="The module `log` of IVR scripts.")]
    parts.append("import sys as sys\n\nimport ivr as ivr\n")
    parts += [f"{name}: int" for name in ("L_ERR", "L_WARN", "L_INFO", "L_DBG")]
    parts += [_function(function) for function in log.FUNCTIONS]
    return "\n".join(parts)


def _class(cls: type) -> str:
    lines = [f"\nclass {cls.__name__}:\n{_doc(cls)}\n"]
    for name, member in _members(cls):
        if isinstance(member, property):
            lines += _property(name, member)
        elif isinstance(member, cached_property):
            lines.append(f"    {name}: {member.func.__annotations__['return']}\n")
        elif isinstance(member, classmethod):
            text = _function(member.__func__)
            lines.append(textwrap.indent(f"@classmethod\n{text}", "    "))
        elif inspect.isfunction(member):
            lines.append(textwrap.indent(_function(member), "    "))
        else:
            lines.append(f"    {name}: {type(member).__name__}\n")
    if cls is dialog.IvrDialogBase:
        lines += [_handler(*handler) for handler in HANDLERS.items() if handler[0] not in vars(cls)]
    return "\n".join(lines)


def _members(cls: type) -> Iterator[tuple[str, object]]:
    """What scripts may use of a class, those of its bases first."""
    for each in reversed(cls.__mro__):
        if each.__module__.startswith("ivrbench."):
            for name, member in vars(each).items():
                # An attribute called `from` cannot be written down; scripts read it by getattr.
                if cls is conference.IvrConference and name == "__init__":
                    yield name, member
                if name[0] != "_" and name not in _FOR_ENGINE and name != "from":
                    yield name, member


def _property(name: str, member: property) -> list[str]:
    getter, setter = member.fget, member.fset
    assert getter is not None, "every property can be read"
    kind = getter.__annotations__["return"]
    doc = textwrap.indent(_doc(getter), "    ")
    lines = [f"    @property\n    def {name}(self) -> {kind}:\n{doc}\n"]
    if setter is not None:
        lines.append(f"    @{name}.setter\n    def {name}(self, value: {kind}) -> None: ...\n")
    return lines


def _function(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=_Annotation(p.annotation)) if p.annotation is not p.empty else p
        for p in signature.parameters.values()
    ]
    result = _Annotation(signature.return_annotation.replace("NoReturn", "None"))
    signature = signature.replace(parameters=parameters, return_annotation=result)
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"{word} {function.__name__}{signature}:\n{_doc(function)}\n"


def _handler(name: str, arguments: Iterable[str]) -> str:
    """Handlers are no methods of the base class, but editors are to complete them."""
    typed = "".join(f", {argument}: {_ARGUMENT_TYPES[argument]}" for argument in arguments)
    return f"    def {name}(self{typed}, /) -> object: ...\n"


def _doc(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return textwrap.indent(f'"""{text}"""' if '"""' not in text else "...", "    ")
