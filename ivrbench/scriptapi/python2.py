"""What Python 2 had in modules that still exist, and old scripts use (ivr-api §11)."""

from __future__ import annotations

import base64
import configparser
import os
import string
import tempfile
import time
import types
from typing import TYPE_CHECKING, Any, Final

from ivrbench.scriptapi.python2_modules import popen2, popen3, popen4

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
    """Give `os`, `string`, `types`, `base64`, `time` and `configparser` back what they lost."""
    names: dict[str, object] = {name: getattr(str, name) for name in _STRING_METHODS}
    names |= {"atof": float, "atoi": int, "atol": int, "join": _join, "joinfields": _join}
    names |= {"splitfields": str.split, "maketrans": str.maketrans}
    names |= {"letters": string.ascii_letters, "lowercase": string.ascii_lowercase}
    names |= {"uppercase": string.ascii_uppercase}
    lost = {"encodestring": _encodestring, "decodestring": _decodestring}
    _restore(string, names)
    _restore(types, _TYPES)
    _restore(base64, lost)
    _restore(os, {"tmpfile": _tmpfile, "getcwdu": os.getcwd})
    _restore(os, {"popen2": _popen2, "popen3": _popen3, "popen4": _popen4})
    _restore(time, {"clock": time.process_time})
    # Python 3.11 still has these, and warns of each use.
    vars(configparser)["SafeConfigParser"] = configparser.ConfigParser
    setattr(configparser.RawConfigParser, "readfp", configparser.RawConfigParser.read_file)  # noqa: B010


def _restore(module: object, names: Mapping[str, object]) -> None:
    for name, value in names.items():
        if not hasattr(module, name):
            setattr(module, name, value)
            getattr(module, "__all__", []).append(name)  # for `import *`


# The module `popen2` gave the output first, `os` the input.


def _popen2(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[IO[str], IO[str]]:
    output, input = popen2(cmd, bufsize)
    return input, output


def _popen3(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[IO[str], IO[str], IO[str]]:
    output, input, errors = popen3(cmd, bufsize)
    return input, output, errors


def _popen4(cmd: Any, mode: str = "t", bufsize: int = -1) -> tuple[IO[str], IO[str]]:
    output, input = popen4(cmd, bufsize)
    return input, output


def _encodestring(data: str | bytes) -> str | bytes:
    """`base64.encodestring`, of a text a text."""
    if isinstance(data, str):
        return base64.encodebytes(data.encode("latin-1")).decode("ascii")
    return base64.encodebytes(data)


def _decodestring(data: str | bytes) -> str | bytes:
    """`base64.decodestring`, of a text a text."""
    if isinstance(data, str):
        return base64.decodebytes(data.encode("ascii")).decode("latin-1")
    return base64.decodebytes(data)


def _tmpfile() -> IO[bytes]:
    """A binary file without a name, open for reading and writing."""
    return tempfile.TemporaryFile("w+b")


def _join(words: Iterable[str], sep: str = " ") -> str:
    """`string.join`."""
    return sep.join(words)
