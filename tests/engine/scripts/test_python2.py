"""Sources written for Python 2, mixed tabs, and scripts of which only the `.pyc` is there."""

from __future__ import annotations

import ast
import importlib.util
import os
import py_compile
import subprocess
import sys
import xmlrpc.client
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.engine.scripts.python2 import convert, expand_tabs, signs_of
from ivrbench.observe.events import ScriptFailed, ScriptLoaded
from tests.engine.scripts.bench import HEAD, SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.scripts.bench import Bench


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print 'a', b", "print('a', b)"),
        ("print >>sys.stderr, 'a'", "print('a', file=sys.stderr)"),
        ("try:\n  pass\nexcept IOError, e:\n  pass", "try:\n  pass\nexcept IOError as e:\n  pass"),
        ("raise ValueError, 'x'", "raise ValueError('x')"),
        ("d.has_key('a')", "'a' in d"),
        ("`x`", "repr(x)"),
        ("m = 0755", "m = 0o755"),
        ("n = 5L", "n = 5"),
        ("u'a' + unicode(b)", "'a' + str(b)"),
        ("a <> b", "a != b"),
        ("import xmlrpclib", "import xmlrpc.client"),
        ("urllib.urlopen(u)", "urllib.request.urlopen(u)"),
        ("from email.MIMEText import MIMEText", "from email.mime.text import MIMEText"),
        ("import email.Utils", "import email.utils"),
        ("from email import Encoders", "from email import encoders as Encoders"),
        ("f = file('x')", "f = open('x')"),
        ("def file(x): pass\nf = file('x')", "def file(x): pass\nf = file('x')"),
        ("k = d.keys()\nk.sort()", "k = list(d.keys())\nk.sort()"),
        ("isinstance(a, types.StringType)", "isinstance(a, str)"),
        ("x = 1\nreduce(f, l)", "x = 1\nreduce(f, l)"),
        ("l.sort(by)\nn = intern('a')", "l.sort(key=cmp_to_key(by))\nn = sys.intern('a')"),
        ("import sys\nreload(sys.path)", "import sys\nimportlib.reload(sys.path)"),
        (
            "if a:\n  from urllib2 import urlopen, URLError\nb",
            "if a:\n  from urllib.request import urlopen; from urllib.error import URLError\nb",
        ),
        ("from __future__ import print_function\nprint(a)\nx = 5L", "\nprint(a)\nx = 5"),
    ],
)
def test_conversion(tmp_path: Path, old: str, new: str) -> None:
    """What the two Pythons write differently; no line gets another number."""
    assert convert(old, tmp_path) == new


def test_text_that_is_no_python_is_left_alone(tmp_path: Path) -> None:
    """Then the error of Python 3 is told."""
    assert convert("def x(:\n  pass\n", tmp_path) is None


def test_own_modules_keep_their_names(tmp_path: Path) -> None:
    """`Queue.py` beside the script is what `import Queue` means."""
    (tmp_path / "Queue.py").write_text("")
    assert convert("import Queue\nimport cPickle\n", tmp_path) == "import Queue\nimport pickle\n"
    several = "import Queue, StringIO, commands\nx = StringIO.StringIO()\n"
    kept = several.replace("commands", "subprocess")
    assert convert(several, tmp_path) == kept
    assert not list(signs_of(ast.parse("import Queue\n"), tmp_path))
    (tmp_path / "Queue.py").unlink()
    assert convert("import Queue\n", tmp_path) == "import queue\n"


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("import urllib2", [(1, "import urllib2")]),
        ("x = 1\nfrom Queue import Queue", [(2, "import Queue")]),
        ("d.has_key(1)", [(1, ".has_key()")]),
        ("class D:\n  def has_key(self, k): pass\nd.has_key(1)", []),
        ("unicode(x)", [(1, "unicode")]),
        ("unicode = str\nunicode(x)", []),
        ("try:\n  import urllib2\nexcept ImportError:\n  import urllib.request", []),
        ("try:\n  unicode\nexcept NameError:\n  pass", []),
        ("try:\n  import urllib2\nexcept:\n  pass", []),
        ("try:\n  import urllib2\nexcept OSError:\n  pass", [(2, "import urllib2")]),
        ("import urllib\nurllib.urlencode({})", [(2, "urllib.urlencode")]),
        ("from urllib import quote, parse", [(1, "urllib.quote")]),
        ("import urllib.request\nurllib.request.urlopen(u)", []),
        ("from email.MIMEText import MIMEText", [(1, "import email.MIMEText")]),
        ("from email import Encoders", [(1, "email.Encoders")]),
        ("from email import encoders", []),
        ("f = file(x)", [(1, "file")]),
        ("from ivr import *\nf = file(x)", [(2, "file")]),
        ("from util import *\nf = file(x)", []),
        ("k = d.keys()\nk.sort()", [(2, "k.sort()")]),
        ("k = list(d.keys())\nk.sort()", []),
        ("range(5)", []),
        ("import md5", [(1, "import md5")]),
        ("l.sort(lambda a, b: cmp(a, b))", [(1, "cmp")]),
        ("sys.maxint", [(1, "sys.maxint")]),
        ("from itertools import izip, chain", [(1, "itertools.izip")]),
    ],
)
def test_signs(tmp_path: Path, text: str, signs: list[tuple[int, str]]) -> None:
    """A source that compiles is converted only if it cannot work as it is."""
    assert list(signs_of(ast.parse(text), tmp_path)) == signs


def test_names_that_are_back(bench: Bench) -> None:
    """Functions of modules that still exist, also by `from string import *`."""
    bench.write(
        "menu.py",
        "import base64, os, time\nfrom string import *\nfrom types import *\n"
        "n = atoi('5') + len(join(['a', 'b'], ''))\n"
        "code = base64.encodestring('abc')\nback = base64.decodestring(code)\n"
        "raw = base64.decodestring(base64.encodestring(b'abc'))\n"
        "is_text = type(code) == StringType\nwhere = os.getcwdu()\nspent = time.clock()\n" + SCRIPT,
    )
    assert bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert (module.n, module.code, module.back, module.raw) == (7, "YWJj\n", "abc", b"abc")
    assert module.is_text


# Every module of Python 2 that scripts of these years import, used the way they did.
MODULES = """
import md5, sha, sets, StringIO, cStringIO, cPickle, Queue, thread, commands, popen2, exceptions
import UserDict, UserList, ConfigParser, urlparse, httplib, urllib2, xmlrpclib, hashlib, base64
import os, string, sys, time
from sets import Set as OurSet
from md5 import md5 as checksum

class Box(UserDict.UserDict):
    pass

class Table(UserDict.DictMixin):
    def __init__(self):
        self.rows = {}
    def keys(self):
        return self.rows.keys()
    def __getitem__(self, key):
        return self.rows[key]
    def __setitem__(self, key, value):
        self.rows[key] = value
    def __delitem__(self, key):
        del self.rows[key]

def run():
    out = {}
    sum = md5.new("ab")
    sum.update("c")
    out["md5"] = (sum.hexdigest() == checksum("abc").copy().hexdigest(), sum.hexdigest()[:6])
    out["sha"] = sha.new("abc").hexdigest() == hashlib.sha1("abc").hexdigest()
    out["base64"] = base64.b64encode("user:word")
    out["sets"] = len(sets.Set([1, 2]) & OurSet([2, 3]))
    text = StringIO.StringIO("one\\ntwo\\n")
    out["text"] = [line for line in text]
    audio = cStringIO.StringIO()
    audio.write(b"\\x00\\xff")
    out["audio"] = audio.getvalue()
    out["pickle"] = cPickle.loads(cPickle.dumps([1]))
    waiting = Queue.Queue()
    thread.start_new_thread(waiting.put, (5,))
    out["thread"] = waiting.get(True, 20)
    out["commands"] = commands.getoutput("echo hi")
    answer, question = popen2.popen2("cat")
    question.write("said")
    question.close()
    out["popen2"] = answer.read()
    to, back = os.popen2("cat")
    to.close()
    out["os"] = back.read()
    back.close()
    answer.close()
    box, table = Box(), Table()
    box["a"] = table["a"] = 1
    out["dicts"] = (box.has_key("a"), table.has_key("b"), table.items())
    try:
        raise exceptions.StandardError, "no"
    except exceptions.Exception, e:
        out["exceptions"] = str(e)
    words = ["bb", "a", "ccc"]
    words.sort(lambda x, y: cmp(len(y), len(x)))
    out["sorted"] = words
    out["urlparse"] = urlparse.urlparse("http://host/x")[1]
    out["max"] = sys.maxint > 2 ** 30
    return out
"""


def test_modules_of_python_2(bench: Bench) -> None:
    """Those that are gone run as they did: with texts, with their own names and orders."""
    bench.write("menu.py", MODULES + SCRIPT)
    assert bench.library.load_all(), bench.events.of(ScriptFailed)
    module: Any = bench.serving("menu").module
    assert module.run() == {
        "md5": (True, "900150"),
        "sha": True,
        "base64": "dXNlcjp3b3Jk",
        "sets": 1,
        "text": ["one\n", "two\n"],
        "audio": b"\x00\xff",
        "pickle": [1],
        "thread": 5,
        "commands": "hi",
        "popen2": "said",
        "os": "",
        "dicts": (True, False, [("a", 1)]),
        "exceptions": "no",
        "sorted": ["ccc", "bb", "a"],
        "urlparse": "host",
        "max": True,
    }


def test_modules_of_python_2_are_for_its_scripts_alone(bench: Bench) -> None:
    """A script of today that asks whether they are there hears no, and has its own `hashlib`."""
    bench.write(
        "menu.py",
        "try:\n    import StringIO\nexcept ImportError:\n    StringIO = None\n"
        "import hashlib\ntry:\n    hashlib.md5('abc')\n    strict = False\n"
        "except TypeError:\n    strict = True\n" + SCRIPT,
    )
    assert bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert (module.StringIO, module.strict) == (None, True)
    assert "md5" not in sys.modules


def test_own_module_comes_before_one_of_python_2(bench: Bench) -> None:
    """`sets.py` beside the script is what an old script means."""
    bench.write("sets.py", "Set = 'ours'\n")
    bench.write("menu.py", "import sets, md5\nprint sets.Set\n" + SCRIPT)
    bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert module.sets.Set == "ours"


def test_installed_module_comes_before_one_of_python_2(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has installed a `sets` for Python 3 means that."""
    elsewhere = tmp_path_factory.mktemp("installed")
    (elsewhere / "sets.py").write_text("Set = 'installed'\n")
    monkeypatch.syspath_prepend(elsewhere)
    monkeypatch.setitem(sys.modules, "sets", None)  # given back in the end
    monkeypatch.delitem(sys.modules, "sets")
    bench.write("menu.py", "import sets\nprint sets.Set\n" + SCRIPT)
    bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert module.sets.Set == "installed"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("rfc822", "use email.utils and email.message"), ("mimetools", "use email")],
)
def test_modules_that_are_gone_for_good(bench: Bench, name: str, hint: str) -> None:
    """The load fails with its line, and says what does their work now."""
    bench.write("menu.py", f"print 'old'\nimport {name}\n" + SCRIPT)
    assert not bench.library.load_all()
    (event,) = bench.events.of(ScriptFailed)
    assert (event.line, event.error_type, event.hint) == (2, "ModuleNotFoundError", hint)


def test_without_conversion_old_modules_are_missing(bench: Bench) -> None:
    """`python2_conversion = no`: the script is one of Python 3, and hears where to look."""
    bench.library.python2 = False
    bench.write("menu.py", "import md5\n" + SCRIPT)
    assert not bench.library.load_all()
    (event,) = bench.events.of(ScriptFailed)
    assert (event.line, event.hint) == (1, "in Python 3 it is called hashlib")


def test_only_indentation_is_expanded() -> None:
    """A tab within a string stays one."""
    assert expand_tabs("if x:\n\ta = '\t'\n    \tb = 1") == "if x:\n        a = '\t'\n        b = 1"


OLD = HEAD + (
    "import string, xmlrpclib\n"
    "class IvrDialog(IvrDialogBase):\n"
    "    def onSessionStart(self, hdrs):\n"
    "        print 'hello'\n"
    "        self.words = string.split(string.lower('A B'))\n"
    "        try:\n"
    "            raise ValueError, 'no'\n"
    "        except ValueError, e:\n"
    "            self.error = `e.args`\n"
    "\treturn\n"
)


def test_an_old_script_runs(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Python 2 and mixed tabs at once: it loads, the difference is told in log and event."""
    bench.write("menu.py", OLD)
    assert bench.library.load_all()
    generation = bench.serving("menu")
    # Any: a class of the script.
    dialog: Any = object.__new__(generation.dialog_class)
    dialog.onSessionStart("")
    assert (dialog.words, dialog.error) == (["a", "b"], "('no',)")
    module: Any = generation.module
    assert module.xmlrpc.client is xmlrpc.client
    (event,) = bench.events.of(ScriptLoaded)
    assert event.source == OLD
    lines = event.converted.splitlines()
    assert lines[0] == "--- menu.py (Python 2, as saved)"
    assert lines[1] == "+++ menu.py@1 (Python 3, as it runs: tracebacks show these lines)"
    assert "-        print 'hello'" in lines
    assert "+        print('hello')" in lines
    assert "menu.py is written for Python 2 and was converted:\n---" in caplog.text
    assert "menu.py mixes tabs and blanks" in caplog.text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_letters_in_no_stated_encoding(bench: Bench, end: str) -> None:
    """Python 2.4 took any bytes; a new script with such bytes still hears what is wrong."""
    text = f"{SCRIPT}# für später\nx = 'Grüße'\nprint x\n".replace("\n", end)
    (bench.folder / "menu.py").write_bytes(text.encode("latin-1"))
    (bench.folder / "new.py").write_bytes(f"{SCRIPT}x = 'Grüße'\n".encode("latin-1"))
    assert not bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert module.x == "Grüße"
    (event,) = bench.events.of(ScriptFailed)
    assert (event.script, event.error_type, event.line) == ("new", "UnicodeDecodeError", 6)


def test_tracebacks_show_what_runs(bench: Bench) -> None:
    """A failure at module level names the line, with the text that was executed."""
    bench.write("menu.py", "import urllib2\nprint 'a'\nraise KeyError, 'b'\n")
    assert not bench.library.load_all()
    (event,) = bench.events.of(ScriptFailed)
    assert (event.line, event.error_type) == (3, "KeyError")
    assert "raise KeyError('b')" in event.traceback


def test_conversion_can_be_off(bench: Bench) -> None:
    """`python2_conversion = no`: the error of Python 3, for scripts and for their helpers."""
    bench.library.python2 = False
    bench.write("menu.py", HEAD + "print 'x'\n")
    bench.write("other.py", "import urllib2\n")
    assert not bench.library.load_all()
    one, two = bench.events.of(ScriptFailed)
    assert (one.error_type, one.line) == ("SyntaxError", 3)
    assert two.hint == "in Python 3 it is called urllib.request"


def test_new_scripts_are_not_touched(bench: Bench) -> None:
    """Nothing is converted that works."""
    bench.write("menu.py", SCRIPT + "try:\n    unicode\nexcept NameError:\n    unicode = str\n")
    assert bench.library.load_all()
    assert bench.events.of(ScriptLoaded)[0].converted == ""


def test_helpers_are_converted_too(bench: Bench) -> None:
    """An old helper, and one module of a package importing another the old way."""
    bench.write("menu.py", "import util\nfrom pack import one\n" + SCRIPT)
    bench.write("util.py", "print 'x'\nX = 0777\n")
    bench.write("pack/__init__.py", "")
    bench.write("pack/one.py", "import two\nfrom two import Y\nimport string\nZ = two.Y\n")
    bench.write("pack/two.py", "Y = 2\n")
    bench.library.load_all()
    module: Any = bench.serving("menu").module
    assert module.util.X == 0o777
    assert (module.one.Z, module.one.Y) == (2, 2)
    assert module.one.string.__name__ == "string"


def test_bytecode_of_this_python(bench: Bench) -> None:
    """`menu.pyc` without `menu.py` is a script; with it, the source counts."""
    source = bench.write("menu.py", SCRIPT)
    py_compile.compile(str(source), str(bench.folder / "menu.pyc"))
    py_compile.compile(str(source), str(bench.folder / "both.pyc"))
    bench.write("both.py", "import mneu\n")
    source.unlink()
    assert not bench.library.load_all()
    generation = bench.serving("menu")
    assert generation.file == str(bench.folder / "menu.pyc")
    assert generation.handlers == (("onSessionStart", 4),)
    assert generation.module.__file__ == str(bench.folder / "menu.pyc")
    assert [event.script for event in bench.events.of(ScriptFailed)] == ["both"]
    (bench.folder / "menu.pyc").unlink()
    bench.changed("menu.pyc")
    assert bench.registry.serving("menu") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x03\xf3\r\n" + bytes(20), "another version of Python (its mark is 62211"),
        (importlib.util.MAGIC_NUMBER + bytes(12), "menu.pyc is damaged"),
        (importlib.util.MAGIC_NUMBER + bytes(12) + b"N", "menu.pyc holds no code"),
    ],
)
def test_bytecode_that_is_none_of_ours(bench: Bench, data: bytes, message: str) -> None:
    """A sentence that says what to do."""
    (bench.folder / "menu.pyc").write_bytes(data)
    assert not bench.library.load_all()
    (event,) = bench.events.of(ScriptFailed)
    assert message in event.message


def test_conversion_needs_no_home(tmp_path: Path) -> None:
    """A service may have no folder for its caches."""
    code = f"from pathlib import Path; from ivrbench.engine.scripts.python2 import convert; \
assert convert('print 5', Path({str(tmp_path)!r})) == 'print(5)'"
    environment = os.environ | {"XDG_CACHE_HOME": "/proc/nothing"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
