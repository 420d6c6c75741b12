"""Modules that only Python 2 had, for scripts written for it (ivr-api §11).

What has merely another name today is renamed by the converter; here is what it cannot rename. Two
modules of today are here as well, since they took texts then: `hashlib` and `base64`.
"""

from __future__ import annotations

import atexit
import base64
import builtins
import collections
import functools
import hashlib
import importlib
import io
import subprocess
import sys
import threading
import types
from collections.abc import MutableMapping
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "NAMES",
    "OLD_BUILTINS",
    "DictMixin",
    "Popen3",
    "Popen4",
    "StringIO",
    "UserDict",
    "cmp",
    "find",
    "popen2",
    "popen3",
    "popen4",
]


def cmp(one: Any, other: Any) -> int:  # Any: whatever can be compared
    """Python 2's `cmp`."""
    return bool(one > other) - bool(one < other)


OLD_BUILTINS: Final[dict[str, object]] = {
    "atexit": atexit,
    "cmp": cmp,
    "cmp_to_key": functools.cmp_to_key,
    "collections": collections,
    "importlib": importlib,
    "reduce": functools.reduce,
    "sys": sys,
}
"""Globals every module of a script for Python 2 starts with: `cmp`, and what the converter would
import in a line of its own, by which all lines after it would get another number."""


# --- texts where there are bytes today ----------------------------------------------------------


class StringIO(io.BytesIO):
    """A file in memory for texts or for bytes: it gives back what was put in."""

    def __init__(self, buf: str | bytes | bytearray = "") -> None:
        self._is_text = isinstance(buf, str)
        super().__init__(_bytes(buf))

    def write(self, data: Any) -> int:  # Any: wider than the base class
        """Append a text or bytes; from the first bytes on it gives bytes."""
        self._is_text = self._is_text and isinstance(data, str)
        return super().write(_bytes(data))

    def writelines(self, lines: Any) -> None:
        """`write` each of them."""
        for line in lines:
            self.write(line)

    def read(self, size: int | None = -1) -> Any:
        """So much of it, or the rest."""
        return self._same(super().read(size))

    def readline(self, size: int | None = -1) -> Any:
        """The next line."""
        return self._same(super().readline(size))

    def readlines(self, hint: int | None = None) -> Any:
        """All lines that are left."""
        return [self._same(line) for line in super().readlines(hint)]

    def __next__(self) -> Any:
        return self._same(super().__next__())

    def getvalue(self) -> Any:
        """All of it."""
        return self._same(super().getvalue())

    def _same(self, data: bytes) -> str | bytes:
        return data.decode("utf-8", "surrogateescape") if self._is_text else data


class _Hash:
    """A hash that takes texts too."""

    def __init__(self, made: Any) -> None:  # Any: hashlib's objects have no public type
        self._made = made
        self.digest, self.hexdigest = made.digest, made.hexdigest
        self.digest_size, self.block_size, self.name = made.digest_size, made.block_size, made.name

    def update(self, data: str | bytes) -> None:
        """Go on with a text or bytes."""
        self._made.update(_bytes(data))

    def copy(self) -> _Hash:
        """A second one that goes on from here."""
        return _Hash(self._made.copy())


def _hash(algorithm: str, data: str | bytes = b"") -> _Hash:
    return _Hash(hashlib.new(algorithm, _bytes(data)))


def _same_kind(function: Callable[..., bytes]) -> Callable[..., str | bytes]:
    """A function of bytes that gives a text for a text."""

    @functools.wraps(function)
    def convert(data: str | bytes, *args: Any) -> str | bytes:
        made = function(_bytes(data), *map(_bytes, args))
        if not isinstance(data, str):
            return made
        try:
            return made.decode()
        except UnicodeDecodeError:
            return made  # a decoded prompt, for instance

    return convert


def _bytes(data: Any) -> Any:
    """The UTF-8 of a text; anything else as it is."""
    return data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data


# --- mappings -----------------------------------------------------------------------------------


class UserDict(collections.UserDict[Any, Any]):
    """`UserDict.UserDict`."""

    def has_key(self, key: object) -> bool:
        """Whether it has this key."""
        return key in self


class DictMixin(MutableMapping[Any, Any]):
    """`UserDict.DictMixin`: the rest of a mapping for a class that has `keys` and the items."""

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.keys()))

    def __len__(self) -> int:
        return len(list(self.keys()))

    def has_key(self, key: object) -> bool:
        """Whether it has this key."""
        return key in self


# --- processes ----------------------------------------------------------------------------------


class Popen3:
    """`popen2.Popen3`: a command with files at its ends."""

    childerr: IO[str] | None

    def __init__(self, cmd: Any, capturestderr: bool = False, bufsize: int = -1) -> None:
        how = subprocess.PIPE if capturestderr else None
        self._open(cmd, how, bufsize)
        self.childerr = self._made.stderr

    def _open(self, cmd: Any, stderr: int | None, bufsize: int) -> None:
        pipe = subprocess.PIPE
        self._made = made = subprocess.Popen(
            cmd,
            bufsize,
            shell=isinstance(cmd, str),
            stdin=pipe,
            stdout=pipe,
            stderr=stderr,
            text=True,
            errors="surrogateescape",
        )
        assert made.stdin is not None, "it was asked for"
        assert made.stdout is not None, "it was asked for"
        self.tochild, self.fromchild, self.pid = made.stdin, made.stdout, made.pid

    def poll(self) -> int:
        """The exit status as `os.wait` gives it, -1 while the command runs."""
        code = self._made.poll()
        return -1 if code is None else _status(code)

    def wait(self) -> int:
        """The exit status, once the command has ended."""
        return _status(self._made.wait())


class Popen4(Popen3):
    """`popen2.Popen4`: output and errors in one file."""

    def __init__(self, cmd: Any, bufsize: int = -1) -> None:
        self._open(cmd, subprocess.STDOUT, bufsize)
        self.childerr = None


def _reaped(child: Popen3) -> Popen3:
    """See to its end, since nobody else can wait for it."""
    threading.Thread(target=child.wait, name=f"popen2-{child.pid}", daemon=True).start()
    return child


def _status(code: int) -> int:
    return -code if code < 0 else code << 8


def popen2(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[IO[str], IO[str]]:
    """`popen2.popen2`: its output and its input."""
    made = _reaped(Popen3(cmd, False, bufsize))
    return made.fromchild, made.tochild


def popen3(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[IO[str], IO[str], IO[str]]:
    """`popen2.popen3`: its output, its input and its errors."""
    made = _reaped(Popen3(cmd, True, bufsize))
    assert made.childerr is not None, "it was asked for"
    return made.fromchild, made.tochild, made.childerr


def popen4(cmd: Any, bufsize: int = -1, mode: str = "t") -> tuple[IO[str], IO[str]]:
    """`popen2.popen4`: its output with its errors, and its input."""
    made = _reaped(Popen4(cmd, bufsize))
    return made.fromchild, made.tochild


# --- the modules --------------------------------------------------------------------------------


def _exceptions() -> dict[str, object]:
    known = {n: v for n, v in vars(builtins).items() if isinstance(v, type)}
    found = {n: v for n, v in known.items() if issubclass(v, BaseException)}
    return {**found, "StandardError": Exception}


def _new_hash(algorithm: str) -> dict[str, object]:
    new = functools.partial(_hash, algorithm)
    made = new()
    sizes = {"digest_size": made.digest_size, "digestsize": made.digest_size}
    return {"new": new, algorithm: new, **sizes}


def _hashlib() -> dict[str, object]:
    plain = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
    return vars(hashlib) | {name: functools.partial(_hash, name) for name in plain} | {"new": _hash}


def _base64() -> dict[str, object]:
    names = "b64encode b64decode urlsafe_b64encode urlsafe_b64decode b32encode b32decode".split()
    names += "b16encode b16decode standard_b64encode standard_b64decode".split()
    return vars(base64) | {name: _same_kind(getattr(base64, name)) for name in names}


def _new() -> dict[str, object]:
    def instancemethod(function: Any, instance: object, cls: object = None) -> types.MethodType:
        return types.MethodType(function, instance)

    names: dict[str, object] = {"instancemethod": instancemethod, "classobj": type}
    return names | {"function": types.FunctionType, "module": types.ModuleType}


_MAKERS: Final[dict[str, Callable[[], dict[str, object]]]] = {
    "StringIO": lambda: {"StringIO": StringIO},
    "UserDict": lambda: {
        "UserDict": UserDict,
        "IterableUserDict": UserDict,
        "DictMixin": DictMixin,
    },
    "base64": _base64,
    "cStringIO": lambda: {"StringIO": StringIO, "InputType": StringIO, "OutputType": StringIO},
    "exceptions": _exceptions,
    "hashlib": _hashlib,
    "md5": lambda: _new_hash("md5"),
    "new": _new,
    "popen2": lambda: {
        "popen2": popen2,
        "popen3": popen3,
        "popen4": popen4,
        "Popen3": Popen3,
        "Popen4": Popen4,
    },
    "sets": lambda: {"Set": set, "ImmutableSet": frozenset, "BaseSet": (set, frozenset)},
    "sha": lambda: _new_hash("sha1") | {"sha": functools.partial(_hash, "sha1")},
}
NAMES: Final = frozenset(_MAKERS) - {"base64", "hashlib"}
"""Modules nobody has any more."""


def find(name: str) -> types.ModuleType | None:
    """A module as Python 2 had it, None if it is none of these; always the same object."""
    return _made(name) if name in _MAKERS else None


@functools.cache
def _made(name: str) -> types.ModuleType:
    module = types.ModuleType(name, f"{name} as Python 2 had it")
    vars(module).update({k: v for k, v in _MAKERS[name]().items() if not k.startswith("__")})
    return module
