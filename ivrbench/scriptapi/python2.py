"""What Python 2 had in modules that still exist, and old scripts use (ivr-api §11)."""

from __future__ import annotations

import os
import string
import tempfile
import types
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

__all__ = ["restore_names"]

_STRING_METHODS: Final = (
    "capitalize center count expandtabs find index ljust lower lstrip replace rfind rindex rjust "
    "rstrip split strip swapcase translate upper zfill"
).split()
_TYPES: Final[dict[str, object]] = {
    "BooleanType": bool,
    "ComplexType": complex,
    "DictType": dict,
    "DictionaryType": dict,
    "FloatType": float,
    "IntType": int,
    "ListType": list,
    "LongType": int,
    "ObjectType": object,
    "StringType": str,
    "StringTypes": (str,),
    "TupleType": tuple,
    "TypeType": type,
    "UnicodeType": str,
}
"""What scripts compare `type(x)` with; texts of the API are str."""


def restore_names() -> None:
    """Give `os` its `tmpfile`, `string` its functions and `types` its types back."""
    names: dict[str, object] = {name: getattr(str, name) for name in _STRING_METHODS}
    names |= {"atof": float, "atoi": int, "atol": int, "join": _join, "joinfields": _join}
    names |= {"splitfields": str.split, "maketrans": str.maketrans}
    names |= {"letters": string.ascii_letters, "lowercase": string.ascii_lowercase}
    names |= {"uppercase": string.ascii_uppercase}
    for name, value in names.items():
        if not hasattr(string, name):
            setattr(string, name, value)
    for name, value in _TYPES.items():
        if not hasattr(types, name):
            setattr(types, name, value)
    if not hasattr(os, "tmpfile"):
        os.tmpfile = _tmpfile  # type: ignore[attr-defined]  # that is the point


def _tmpfile() -> IO[bytes]:
    """A binary file without a name, open for reading and writing."""
    return tempfile.TemporaryFile("w+b")


def _join(words: Iterable[str], sep: str = " ") -> str:
    """`string.join`."""
    return sep.join(words)
