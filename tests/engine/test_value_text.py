"""Values in words: complete for Python's own types, harmless for a script's."""

from __future__ import annotations

import datetime
import enum
import math
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.engine.value_text import MAX_CHARS, MAX_TEXT, Describer
from ivrbench.scriptapi.additions import CallVariables
from ivrbench.scriptapi.audiofile import IvrAudioFile

Point = namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    def __repr__(self) -> str:
        raise AssertionError("the script's code is not run")


@dataclass
class Caller:
    name: str
    number: int


class Hostile:
    """Everything a script's object can do when it is looked at."""

    __slots__ = ("__dict__", "slot", "unset")

    def __init__(self) -> None:
        self.slot = 1
        self.inner = self

    def __repr__(self) -> str:
        raise SystemExit

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("not asked")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("not compared")

    __hash__ = None  # type: ignore[assignment]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise AssertionError("not asked either")

    @property
    def loop(self) -> None:
        raise AssertionError("properties are not called")


class OwnDict:
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise AssertionError("not asked")


def text(value: object) -> str:
    return Describer().value(value).text


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 7, -1.5, math.inf, "PIN", b"\x00", bytearray(b"a"), (1,), (), [], {}, set()),
        *([1, "a"], {"a": [1]}, {2}, frozenset({3}), deque([1]), range(3), Path("/a")),
        *(datetime.date(2026, 11, 22), datetime.timedelta(1), datetime.datetime(2026, 1, 1)),
    ],
)
def test_plain_values_are_their_repr(value: object) -> None:
    """As the console would print them."""
    assert text(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Point(1, 2), "Point(1, 2)"),
        (OrderedDict(a=1), "{'a': 1}"),
        (Colour.RED, "Colour.RED"),
        (Word("hallo"), "'hallo'"),
        (Caller("eva", 7), "Caller(name='eva', number=7)"),
        (ValueError("no", 3), "ValueError('no', 3)"),
        (IvrAudioFile(), "IvrAudioFile (not open)"),
        (len, "<function len>"),
        (text, "<function text>"),
        (Caller("a", 1).__eq__, "<method __eq__>"),
        (Caller, "<class Caller>"),
        (OwnDict(), "OwnDict()"),
        (math, "<module math>"),
        (10**300, "<int of many digits>"),
        ("x" * 1000, repr("x" * 190) + "… (1000)"),
        (list(range(1000)), None),
    ],
)
def test_other_values(value: object, shown: str | None) -> None:
    """By class and attributes; long ones are cut."""
    assert text(value) == shown if shown else len(text(value)) <= MAX_TEXT


def test_objects_open_up() -> None:
    """What an object consists of can be read, three levels deep."""
    described = Describer().value({"caller": Caller("eva", 7)})
    assert [name for name, _ in described.parts] == ["'caller'"]
    inner = described.parts[0][1]
    assert [(name, part.text) for name, part in inner.parts] == [("name", "'eva'"), ("number", "7")]


def test_hostile_objects_are_shown_and_not_run() -> None:
    """No `__repr__`, no property, no `__class__`; a circle ends."""
    described = Describer().value(Hostile())
    assert described.text.startswith("Hostile(slot=1, inner=Hostile(")
    assert Describer().value([Hostile()]).text.startswith("[Hostile(")


def test_a_hostile_metaclass_is_not_asked() -> None:
    """Not even for the name of its class."""

    class Meta(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise AssertionError("not asked")

    class OfMeta(metaclass=Meta):
        pass

    assert text(OfMeta) == "<class OfMeta>"
    assert text(OfMeta()) == "OfMeta()"


def test_call_variables_are_a_dict() -> None:
    """`self.vars`."""
    variables = CallVariables("tag")
    variables._values["name"] = "eva"
    assert text(variables) == "{'name': 'eva'}"


def test_a_look_is_bounded() -> None:
    """However much a script keeps."""
    deep: Any = []
    for _ in range(100):
        deep = [deep] * 100
    big = Describer().value({n: [str(n) * 300] * 300 for n in range(1000)})

    def chars(value: Any) -> int:
        return len(value.text) + sum(len(name) + chars(part) for name, part in value.parts)

    assert chars(big) < MAX_CHARS * 3
    assert chars(Describer().value(deep)) < MAX_CHARS * 3


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    )
)
def test_any_value_has_a_text(value: object) -> None:
    """Nothing raises, nothing is longer than a line."""
    described = Describer().value(value)
    assert described.text
    assert len(described.text) <= MAX_TEXT + 20
