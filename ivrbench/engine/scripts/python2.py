"""Python 2: sources written for it, turned into Python 3 when they are loaded.

The conversion itself is done by `fissix`, which carries on what `lib2to3` was. A source is
converted if it does not compile, or if it compiles and uses what only Python 2 had
(`import urllib2`).
"""

from __future__ import annotations

import ast
import difflib
import logging
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ivrbench.scriptapi.python2_modules import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RENAMED", "convert", "difference", "expand_tabs", "signs_of"]

log = logging.getLogger("ivrbench.load")

RENAMED: Final = {
    "BaseHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "Cookie": "http.cookies",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "SimpleHTTPServer": "http.server",
    "SimpleXMLRPCServer": "xmlrpc.server",
    "SocketServer": "socketserver",
    "StringIO": "io",
    "UserDict": "collections",
    "UserList": "collections",
    "UserString": "collections",
    "__builtin__": "builtins",
    "anydbm": "dbm",
    "cPickle": "pickle",
    "cStringIO": "io",
    "commands": "subprocess",
    "cookielib": "http.cookiejar",
    "copy_reg": "copyreg",
    "exceptions": "builtins",
    "htmlentitydefs": "html.entities",
    "httplib": "http.client",
    "md5": "hashlib",
    "robotparser": "urllib.robotparser",
    "sha": "hashlib",
    "thread": "threading",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "whichdb": "dbm",
    "xmlrpclib": "xmlrpc.client",
}
"""Modules of Python 2 by the name they have now."""
REPLACED: Final = {
    "Bastion": "nothing: a script runs with the rights of the server",
    "MimeWriter": "email.mime",
    "MySQLdb": "MySQLdb of the package mysqlclient, or pymysql",
    "asynchat": "asyncio",
    "asyncore": "asyncio",
    "audioop": "numpy",
    "cgi": "urllib.parse and email.message",
    "compiler": "ast",
    "crypt": "hashlib",
    "dircache": "os.listdir",
    "fpformat": "format(number, '.2f')",
    "gopherlib": "urllib.request",
    "htmllib": "html.parser",
    "imp": "importlib",
    "mhlib": "mailbox",
    "mimetools": "email",
    "mimify": "email",
    "multifile": "email",
    "mutex": "threading.Lock",
    "pipes": "subprocess and shlex",
    "popen2": "subprocess",
    "posixfile": "fcntl",
    "pysqlite2": "sqlite3",
    "regex": "re",
    "regsub": "re",
    "rexec": "nothing: a script runs with the rights of the server",
    "rfc822": "email.utils and email.message",
    "sets": "set and frozenset",
    "sgmllib": "html.parser",
    "sre": "re",
    "statvfs": "os.statvfs",
    "telnetlib": "socket",
    "user": "pathlib.Path.home()",
    "whrandom": "random",
    "xmllib": "xml.sax",
}
"""Modules that are gone, and what does their work now."""

_CONVERTED_MODULES: Final = frozenset(RENAMED) | NAMES
_LOST_BUILTINS: Final = frozenset(
    "apply basestring cmp execfile file intern long raw_input reduce unichr unicode xrange".split()
)
_LOST_ATTRIBUTES: Final = frozenset(
    {
        ("itertools", "ifilter"),
        ("itertools", "imap"),
        ("itertools", "izip"),
        ("sys", "exc_clear"),
        ("sys", "exc_traceback"),
        ("sys", "exc_type"),
        ("sys", "exc_value"),
        ("sys", "maxint"),
    }
)
_LOST_METHODS: Final = frozenset({"has_key", "iteritems", "iterkeys", "itervalues"})
_LOST_URLLIB: Final = frozenset(
    "quote quote_plus unquote unquote_plus urlencode urlopen urlretrieve".split()
)
_OURS: Final = frozenset({"ivr", "log"})
_CAUGHT: Final = frozenset({"AttributeError", "Exception", "ImportError", "NameError"})
_OLD_EMAIL: Final = re.compile(
    r"\bemail\.(?:MIME(Audio|Base|Image|Message|Multipart|NonMultipart|Text)"
    r"|(Charset|Encoders|Errors|Generator|Header|Message|Parser|Utils))\b"
)
_OLD_EMAIL_NAME: Final = re.compile(
    r"(\bfrom\s+email\s+import\s+)"
    r"(Charset|Encoders|Errors|Generator|Header|Message|Parser|Utils)\b(?!\s*,)"
)
_FILE_CALLED: Final = re.compile(r"(?<![\w.])file(?=\s*\()")
_FILE_BOUND: Final = re.compile(r"\bfile\s*=(?!=)|\b(?:def|as|import|for|class)\s+file\b")
# `fissix` would make bytes of StringType; what scripts get from the API is str.
_OLD_STRING_TYPE: Final = re.compile(r"\btypes\.StringType\b(?!s)")
_OLD_ENCODING: Final = re.compile(
    r"\breload\s*(?=\(\s*sys\s*\))|\bsys\.setdefaultencoding(?=\s*\()"
)
# What the converter imports is among the globals of a source of Python 2.
_ADDED: Final = tuple(
    re.compile(rf"^{line}\n", re.MULTILINE)
    for line in (
        "from functools import cmp_to_key",
        "from functools import reduce",
        "import atexit",
        r"import collections\.abc",
        "import importlib",
        "import sys",
    )
)
_SPLIT: Final = re.compile(
    r"^(([ \t]*)from urllib\.\w+ import [^\n(\\]+)\n\2(from urllib\.\w+ import )", re.MULTILINE
)
# A name that stays has to look like another one: the converter goes on until none is left.
_KEPT: Final = "__ivrbench_kept"
_INDENT: Final = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)

_lock = threading.Lock()  # the converter is one object, and not made for threads
_tool: list[Any] = []  # Any: `fissix` has no types


def expand_tabs(text: str) -> str:
    """Indentation with each tab taken to the next multiple of 8, as Python 2 did."""
    return _INDENT.sub(lambda indent: indent[0].expandtabs(8), text)


def signs_of(tree: ast.Module, folder: Path) -> Iterator[tuple[int, str]]:
    """What in a source that compiles cannot work in Python 3: line and words.

    What stands in a `try` that catches the error is no sign: such a source knows both Pythons.

    Args:
        tree: the source.
        folder: the script directory; a file `Queue.py` in it is meant by `import Queue`.
    """
    own, views = _names_bound(tree), _views_named(tree)
    for node in _unguarded(tree):
        line = getattr(node, "lineno", 0)
        for module in _imported(node):
            is_lost = module in _CONVERTED_MODULES and not (folder / f"{module}.py").exists()
            if is_lost or _OLD_EMAIL.fullmatch(module):
                yield line, f"import {module}"
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in _LOST_BUILTINS - own:
                yield line, name
            case ast.Call(func=ast.Attribute(attr=name)) if name in _LOST_METHODS - own:
                yield line, f".{name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="sort")) if (
                name in views
            ):
                yield line, f"{name}.sort()"
            case ast.Attribute(value=ast.Name(id="urllib"), attr=name) if name in _LOST_URLLIB:
                yield line, f"urllib.{name}"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module,
                name,
            ) in _LOST_ATTRIBUTES:
                yield line, f"{module}.{name}"
            case ast.ImportFrom():
                yield from ((line, name) for name in _members_lost(node))


def _members_lost(node: ast.ImportFrom) -> Iterator[str]:
    """What is not in a module any more, as "urllib.quote"."""
    for alias in node.names:
        match node.module:
            case "email" if _OLD_EMAIL_NAME.fullmatch(f"from email import {alias.name}"):
                yield f"email.{alias.name}"
            case "itertools" if ("itertools", alias.name) in _LOST_ATTRIBUTES:
                yield f"itertools.{alias.name}"
            case "urllib" if alias.name in _LOST_URLLIB:
                yield f"urllib.{alias.name}"


def convert(text: str, folder: Path) -> str | None:
    """Turn Python 2 into Python 3; lines keep their numbers, as far as that is possible.

    Args:
        text: the source.
        folder: the script directory; names of modules in it stay as they are.

    Returns:
        the new text, None if it cannot be read as Python 2 either.
    """
    prepared = _OLD_EMAIL.sub(
        lambda m: f"email.mime.{m[1].lower()}" if m[1] else m[0].lower(), text
    )
    prepared = _OLD_EMAIL_NAME.sub(lambda m: f"{m[1]}{m[2].lower()} as {m[2]}", prepared)
    if not _FILE_BOUND.search(prepared):
        prepared = _FILE_CALLED.sub("open", prepared)
    prepared = _OLD_STRING_TYPE.sub("str", prepared)
    prepared = _OLD_ENCODING.sub("str", prepared)
    own = {path.stem for path in folder.glob("*.py")}
    with _lock:
        try:
            tool = _converter()
            for fixer in (*tool.pre_order, *tool.post_order):
                mapping = getattr(type(fixer), "mapping", None)
                if mapping is not None:
                    kept = (own | NAMES) & mapping.keys()
                    fixer.mapping = mapping | {name: name + _KEPT for name in kept}
            converted = str(tool.refactor_string(prepared + "\n", "script")).replace(_KEPT, "")
        except Exception as exc:  # whatever the library makes of a text that is no Python 2
            log.debug("no Python 2 source: %s", exc)
            return None
    converted = _same_lines(prepared, converted)
    return converted[:-1] if converted.endswith("\n") else converted


def _same_lines(before: str, after: str) -> str:
    """Take lines back that the converter has added, as far as that is possible."""
    for added in _ADDED:
        count = len(added.findall(before))
        if len(added.findall(after)) > count:
            after = added.sub("", after, 1)
    while after.count("\n") > before.count("\n") + 1 and _SPLIT.search(after):
        after = _SPLIT.sub(r"\1; \3", after, 1)
    return after


def difference(before: str, after: str, file: str, name: str) -> str:
    """What the conversion changed, as a unified diff with one line around each change.

    Args:
        before: the text as saved.
        after: the text that runs.
        file: name of the file.
        name: what it is compiled under, "menu.py@3": tracebacks say so.
    """
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        f"{file} (Python 2, as saved)",
        f"{name} (Python 3, as it runs: tracebacks show these lines)",
        n=1,
        lineterm="",
    )
    return "\n".join(lines)


def _converter() -> Any:  # Any: as above
    if not _tool:
        import fissix

        # It would keep its grammar in the user's cache folder; a service may have none.
        with tempfile.TemporaryDirectory(prefix="ivrbench-") as folder:
            fissix.CACHE_DIR = Path(folder)
            from fissix import refactor
        fixers = refactor.get_fixers_from_package("fissix.fixes")
        # Helpers are imported by their names as they are.
        fixers = [name for name in fixers if not name.endswith(".fix_import")]
        _tool.append(refactor.RefactoringTool(fixers))
    return _tool[0]


def _unguarded(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those of a `try` whose handlers expect another Python."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) and any(map(_catches_absence, child.handlers)):
            continue
        yield child
        yield from _unguarded(child)


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in _CAUGHT for n in ast.walk(handler.type))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        return [node.module]
    return []


def _views_named(tree: ast.Module) -> set[str]:
    """Names of what `.keys()` and its like gave: lists in Python 2."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(attr="keys" | "values" | "items"), args=[]),
            ):
                names.add(name)
    return names


def _names_bound(tree: ast.Module) -> set[str]:
    """Names the source gives a meaning of its own, anywhere."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name):
                bound.add(name)
            case ast.ImportFrom(module=module, names=[ast.alias(name="*")]) if module not in _OURS:
                bound.add("file")  # a name that helpers may well have
            case ast.alias(name=name, asname=asname):
                bound.add((asname or name).partition(".")[0])
    return bound
