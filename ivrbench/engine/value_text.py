"""Values of a script in words, without running any of its code: no `__repr__`, no property.

What is not a type of Python's own is shown by its class and attributes. Everything is bounded, so
that a look may be taken on the engine's loop, whatever a script keeps in its objects.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import itertools
import pathlib
import re
import uuid
from collections import deque
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Final

from ivrbench.observe.inspection import InspectedValue
from ivrbench.scriptapi.additions import CallVariables
from ivrbench.scriptapi.audiofile import IvrAudioFile, OpenAudio

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_CHARS", "MAX_TEXT", "Describer", "class_name", "instance_attributes"]

MAX_TEXT: Final = 200
"""Characters of one value."""
MAX_DEPTH: Final = 3
MAX_PARTS: Final = 30
"""Shown of one container or object."""
MAX_CHARS: Final = 20_000
"""Of everything that one look shows."""
MAX_INT_BITS: Final = 640  # about 190 digits; more are slow to write out
_PLAIN: Final = frozenset(
    {
        *(type(None), bool, float, complex, type(Ellipsis), type(NotImplemented), range),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, datetime.timedelta),
        *(datetime.date, pathlib.PosixPath, pathlib.PurePosixPath),
    }
)
"""Their `repr` is Python's own, and short (or of a text that already is in memory)."""
_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}
_TEXTS: Final = (str, bytes, bytearray)
_NAME_OF: Final = type.__dict__["__name__"].__get__  # a metaclass may have one of its own
_MRO_OF: Final = type.__dict__["__mro__"].__get__
_DICT_OF: Final = type.__dict__["__dict__"].__get__


class Describer:
    """Describes the values of one look; they share one allowance of characters."""

    def __init__(self) -> None:
        self._chars_left = MAX_CHARS

    def value(self, value: object, depth: int = 0) -> InspectedValue:
        """A value in words. Raises nothing."""
        try:
            described = self._describe(value, depth)
        except Exception:  # changed by another thread meanwhile, or odder than foreseen
            described = InspectedValue(f"<{class_name(type(value))}>")
        self._chars_left -= len(described.text)
        return described

    def _describe(self, value: object, depth: int) -> InspectedValue:
        kind = type(value)
        text = _text_of(value, kind)
        if text is not None:
            return InspectedValue(_short(text))
        if depth >= MAX_DEPTH or self._chars_left <= 0:
            return InspectedValue(f"<{class_name(kind)}>")
        if kind is CallVariables:
            return self._mapping(vars(value)["_values"], depth)
        base = _base_of(kind)
        if base is dict:
            return self._mapping(value, depth)
        if base is not None:
            return self._sequence(value, kind, base, depth)
        if IvrAudioFile in _MRO_OF(kind):
            return InspectedValue(_short(_audio_text(value, kind)))
        return self._object(value, kind, depth)

    def _mapping(self, value: object, depth: int) -> InspectedValue:
        # Those of `dict` itself: a subclass may have its own.
        entries: Any = dict.items(value)  # type: ignore[arg-type]
        items = list(itertools.islice(entries, MAX_PARTS))
        parts = tuple(
            (_short(self.value(key, MAX_DEPTH).text, 40), self.value(item, depth + 1))
            for key, item in items
        )
        more = _more(len(parts), dict.__len__(value))  # type: ignore[arg-type]
        inside = ", ".join(f"{name}: {part.text}" for name, part in parts)
        return InspectedValue(_short(f"{{{inside}{more}}}"), parts)

    def _sequence(self, value: object, kind: type, base: Any, depth: int) -> InspectedValue:
        # Any: one of several unrelated types, whose own methods are called.
        shown = list(itertools.islice(base.__iter__(value), MAX_PARTS))
        values = [self.value(item, depth + 1) for item in shown]
        total = base.__len__(value)
        left, right = _BRACKETS[base] if total or base is not set else ("set(", ")")
        if kind is not base:
            left, right = f"{class_name(kind)}(", ")"
        comma = "," if kind is tuple and total == 1 else ""
        inside = ", ".join(part.text for part in values) + comma + _more(len(values), total)
        parts = tuple((f"[{n}]", part) for n, part in enumerate(values))
        # Parts that say nothing more than the line itself are left out.
        plain = len(inside) <= MAX_TEXT - 20 and not any(part.parts for part in values)
        return InspectedValue(_short(f"{left}{inside}{right}"), () if plain else parts)

    def _object(self, value: object, kind: type, depth: int) -> InspectedValue:
        parts = tuple(
            (name, self.value(item, depth + 1))
            for name, item in itertools.islice(instance_attributes(value), MAX_PARTS)
        )
        name = class_name(kind)
        inside = ", ".join(f"{part}={shown.text}" for part, shown in parts[:4])
        if BaseException in _MRO_OF(kind):
            args = BaseException.args.__get__(value)  # type: ignore[attr-defined]
            inside = ", ".join(self.value(arg, depth + 1).text for arg in args[:4])
        return InspectedValue(_short(f"{name}({inside})"), parts)


def instance_attributes(value: object) -> Iterator[tuple[str, object]]:
    """The attributes an object has of its own, in the order they were set; no code is run."""
    for cls in reversed(_MRO_OF(type(value))):
        slots = _DICT_OF(cls)
        for name, slot in list(slots.items()):
            if type(slot) is MemberDescriptorType and not name.startswith(("__", "_ivrbench")):
                try:
                    yield name, slot.__get__(value)
                except AttributeError:
                    continue  # not set
        # A `__dict__` of the script's own making is not asked.
        getter = slots.get("__dict__")
        if type(getter) in (GetSetDescriptorType, MemberDescriptorType):
            for name, item in list(getter.__get__(value).items()):
                if type(name) is str:
                    yield name, item


def class_name(kind: type) -> str:
    """A class's name, whatever its metaclass says."""
    return str(_NAME_OF(kind))


def _base_of(kind: type) -> type | None:
    """Which container it is, or is derived from."""
    return next((base for base in _MRO_OF(kind) if base is dict or base in _BRACKETS), None)


def _text_of(value: object, kind: type) -> str | None:
    """Text of a value that consists of nothing else; None: it may."""
    if kind in _PLAIN:
        return repr(value)
    if kind is datetime.datetime or kind is datetime.time:
        # A time zone may be of the script's making: it is left out.
        return repr(value.replace(tzinfo=None))  # type: ignore[attr-defined]
    bases = _MRO_OF(kind)
    if enum.Enum in bases:
        name = _attribute(value, "_name_")
        return f"{class_name(kind)}.{name}" if type(name) is str else class_name(kind)
    for base in _TEXTS:
        if base in bases:
            return _quoted(value, base)
    if int in bases:
        return _digits(value)  # type: ignore[arg-type]
    if float in bases:
        return float.__repr__(value)
    return _code_text(value, kind)


def _digits(value: int) -> str:
    if int.bit_length(value) > MAX_INT_BITS:
        return "<int of many digits>"
    return int.__repr__(value)


def _quoted(value: object, base: Any) -> str:  # Any: one of `_TEXTS`, whose own methods are called
    """A text, cut before its `repr` is made: it may be as long as a file."""
    limit = MAX_TEXT - 10
    text = base.__repr__(base.__getitem__(value, slice(0, limit)))
    total = base.__len__(value)
    return text if total <= limit else f"{text}… ({total})"


def _code_text(value: object, kind: type) -> str | None:
    """Functions, classes and modules by name."""
    # Not isinstance(): that asks `__class__`, which may be a property of the script's.
    if kind is FunctionType or kind is BuiltinFunctionType:
        return f"<function {value.__name__}>"  # type: ignore[attr-defined]
    if kind is MethodType:
        function = value.__func__  # type: ignore[attr-defined]
        return f"<method {function.__name__ if type(function) is FunctionType else '?'}>"
    if kind is ModuleType:
        name = _attribute(value, "__name__")
        return f"<module {name if type(name) is str else '?'}>"
    return f"<class {class_name(value)}>" if type in _MRO_OF(kind) else None  # type: ignore[arg-type]


def _attribute(value: object, name: str) -> object:
    return dict(instance_attributes(value)).get(name)


def _audio_text(value: object, kind: type) -> str:
    """A prompt or recording by its file."""
    audio = _attribute(value, "_audio")
    name = audio.name if type(audio) is OpenAudio else "(not open)"
    return f"{class_name(kind)} {name}".rstrip()


def _more(shown: int, total: int) -> str:
    return f", … ({total})" if total > shown else ""


def _short(text: str, limit: int = MAX_TEXT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
