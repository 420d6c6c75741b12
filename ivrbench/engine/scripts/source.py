"""Source: one file of a script, read, converted if it is Python 2, and compiled."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import linecache
from typing import TYPE_CHECKING

from ivrbench.engine.scripts import bytecode
from ivrbench.engine.scripts.python2 import convert, difference, expand_tabs, signs_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import CodeType

__all__ = ["Source"]


class Source:
    """One source file as it was read.

    Args:
        path: the file; a `.pyc` holds code and no text.
        name: what it is compiled under, such as `menu.py@7`.
        folder: the script directory.
        python2: convert it if it is written for Python 2.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, name: str, folder: Path, *, python2: bool) -> None:
        self.path = path
        self.name = name
        self.data = path.read_bytes()
        self.digest = hashlib.sha256(self.data).digest()
        self.text = ""
        """As saved."""
        self.runs = ""
        """As compiled: converted if it was written for Python 2."""
        self.difference = ""
        """What the conversion changed, as a unified diff; "" if nothing was converted."""
        self.tabs_expanded = False
        self.is_old = False
        """Written for Python 2."""
        self._folder = folder
        self._python2 = python2

    def compile(self) -> CodeType:
        """Decode (PEP 263), convert if need be, keep the text for tracebacks, compile.

        Raises:
            SyntaxError: also for an unknown encoding, with the file's compiled name.
            UnicodeDecodeError: bytes that are not in the encoding it says it has.
            ImportError: a `.pyc` of another Python.
        """
        if self.path.suffix == ".pyc":
            return bytecode.load(self.data, self.path.name, self.name)
        self.text = self.data.decode("latin-1")  # to be shown if decoding fails
        self._remember(self.text)
        try:
            self.text = importlib.util.decode_source(self.data)
        except UnicodeDecodeError:
            code = self._read_as_latin_1() if self._python2 else None
            if code is None:
                raise
            return code
        self._remember(self.text)
        if "\0" in self.text:
            line = self.text.count("\n", 0, self.text.index("\0")) + 1
            raise SyntaxError("the file has a NUL character", (self.name, line, None, None))
        try:
            code = self._compile(self.text)
        except SyntaxError:
            replaced = self._rewritten()
            if replaced is None:
                raise
            return replaced
        if self._python2 and next(signs_of(ast.parse(self.text), self._folder), None):
            return self._converted(self.text) or code
        return code

    def _read_as_latin_1(self) -> CodeType | None:
        """Code of an old source with letters in no stated encoding, None if it is not old.

        Python 2.4 and before it took any bytes, and Latin-1 has a letter for each.
        """
        self.text = self.text.replace("\r\n", "\n")
        try:
            self._compile(self.text)
        except SyntaxError:
            return self._rewritten()
        is_old = next(signs_of(ast.parse(self.text), self._folder), None) is not None
        return self._converted(self.text) if is_old else None

    def _rewritten(self) -> CodeType | None:
        """Code of a source that does not compile as it is: tabs and blanks mixed, or Python 2."""
        expanded = expand_tabs(self.text)
        for text in dict.fromkeys((self.text, expanded)):
            self.tabs_expanded = text is expanded and text != self.text
            with contextlib.suppress(SyntaxError):
                return self._compile(text)
            code = self._converted(text) if self._python2 else None
            if code is not None:
                return code
        return None

    def _converted(self, text: str) -> CodeType | None:
        """Code of a text taken for Python 2, None if it is none."""
        converted = convert(text, self._folder)
        if converted is None:
            return None
        try:
            code = self._compile(converted)
        except SyntaxError:
            return None
        self.is_old = True
        if converted != text:
            self.difference = difference(text, converted, self.path.name, self.name)
        return code

    def _compile(self, text: str) -> CodeType:
        code = compile(text, self.name, "exec", dont_inherit=True)
        self.runs = text
        self._remember(text)
        return code

    def _remember(self, text: str) -> None:
        # No modification time: linecache never compares it with a file.
        linecache.cache[self.name] = (len(text), None, text.splitlines(keepends=True), self.name)
