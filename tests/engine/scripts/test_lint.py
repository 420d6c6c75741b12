"""What `--check` warns of in scripts that load."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.engine.scripts.bench import HEAD

if TYPE_CHECKING:
    from tests.engine.scripts.bench import Bench


def warnings(bench: Bench, body: str, conf: str | None = None, top: str = "") -> list[str]:
    """Lint a script with this class body; the class begins in line 3 if `top` is empty."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    bench.write("menu.py", f"{HEAD}{top}class IvrDialog(IvrDialogBase):\n{indented}    x = 0\n")
    if conf is not None:
        bench.write("menu.conf", conf)
    assert bench.library.load_all()
    return list(bench.library._last["menu"].warnings)


@pytest.mark.parametrize(
    "body",
    [
        "def onDtmf(self, key, duration): pass",
        "def onDtmf(self, *args): pass",
        "def onSessionStart(self): pass",
        "def onSessionStart(self, hdrs): pass",
        "def onSipReply(self, reply): pass",
        "def onSipReply(self, req, reply): pass",
        "def onTimer(self, id, more=1): pass",
        "async def onHold(self): pass",
        "def onBye(self): self.stopSession()",
        "def onBye(self): self.bye()",
        "def onBye(self): self.terminateLeg()",
        "def onBye(self): self.redirect(self.x)",
        "def onBye(self): return True",
        "def onBye(self): return self.x",
        "def onBye(self):\n    self.end()\ndef end(self): self.dropSession()",
        "def onBye(self): cleanup(self)",
        "def onBye(self): return super().onBye()",
        "def onDTMF(self): pass\ndef onTimer(self, id): self.onDTMF()",
        "def online(self): pass",
        "def f(self): return config['a'] if 'a' in config else 1",
        "def f(self): return config.get('a')",
        "async def f(self): await self.play(self.dialog.user, stop_on='x.wav')",
        "async def play(self, x): pass\nasync def f(self): await self.play('x.wav')",
        "import time\ndef f(self): time.sleep(1)",
        "async def f(self):\n    def g(): time.sleep(1)\n    import time",
        "def play(self, x): pass\ndef f(self): self.play(5)",
    ],
)
def test_good(bench: Bench, body: str) -> None:
    """No warning for what works, in any generation's form."""
    assert warnings(bench, body) == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "def onDtmf(self, key): pass",
            "menu.py:4: write def onDtmf(self, key, duration): it gets no others",
        ),
        ("def onBye(self, x): return True", "menu.py:4: write def onBye(self): it gets no others"),
        (
            "\ndef onDTMF(self, k, d): pass",
            "menu.py:5: onDTMF is never called - did you mean onDtmf?",
        ),
        ("def onTimeout(self): pass", "menu.py:4: onTimeout is never called"),
        (
            "def onemptyqueue(self): pass",
            "menu.py:4: onemptyqueue is never called - did you mean onEmptyQueue?",
        ),
        ("def onCancel(self): pass", "menu.py:4: onCancel is never called: there is no such event"),
        (
            "def onBye(self): self.f()\ndef f(self): self.onBye()",
            "menu.py:4: onBye neither calls stopSession() nor returns True",
        ),
        ("def onBye(self): return 1", "menu.py:4: onBye neither calls stopSession()"),
        (
            "def f(self): IvrAudioFile().open('/no/x.wav', AUDIO_READ)",
            "menu.py:4: there is no file /no/x.wav (/no/x.wav)",
        ),
        (
            "def f(self): self.play('x.wav')",
            "menu.py:4: self.play() does nothing: write await self.play(), in an async def",
        ),
        (
            "async def f(self): await self.play('/no/x.wav')",
            "menu.py:4: there is no file /no/x.wav (/no/x.wav)",
        ),
        (
            "async def f(self): return await self.collect(1, prompt='/no/x.wav')",
            "menu.py:4: there is no file /no/x.wav (/no/x.wav)",
        ),
        (
            "async def f(self):\n    for _ in 'ab': time.sleep(1)",
            "menu.py:5: time.sleep() in an async def stops all calls: await asyncio.sleep()",
        ),
        ("def f(self): return config['a']", "menu.py:4: config['a'] will fail: no menu.conf"),
    ],
)
def test_bad(bench: Bench, body: str, sentence: str) -> None:
    """One sentence with file and line for each thing to look at."""
    (found,) = warnings(bench, body)
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    "expression",
    [
        "PROMPTS + '/x.wav'",
        "os.path.join(PROMPTS, 'x.wav')",
        "NAME",
        "self.name",
        "config['prompt']",
    ],
)
def test_prompts_by_expression(bench: Bench, expression: str) -> None:
    """Names of the module and the class, settings, and what is joined from them."""
    body = f"name = '/no/x.wav'\ndef f(self): IvrAudioFile().open({expression}, ivr.AUDIO_READ)"
    top = "import os\nPROMPTS = '/no'\nNAME = '/no/x.wav'\n"
    (found,) = warnings(bench, body, "prompt = /no/x.wav\n", top)
    assert found == "menu.py:8: there is no file /no/x.wav (/no/x.wav)"


@pytest.mark.parametrize(
    "expression",
    ["f()", "self.dialog.user + '.wav'", "os.path.join(f(), 'x')", "config['none']", "5", "'/tmp'"],
)
def test_prompts_nobody_can_know(bench: Bench, expression: str) -> None:
    """What only a call would tell is no reason for a warning."""
    body = f"def f(self): IvrAudioFile().open({expression}, AUDIO_READ)"
    found = warnings(bench, body, "none_such = 1\n")
    assert not any("there is no file" in sentence for sentence in found)


def test_settings_near_by(bench: Bench) -> None:
    """The nearest key of the file is named; keys that the script guards are not told."""
    (found,) = warnings(bench, "def f(self): return config['repeat']", "repeats = 1\n")
    expected = "menu.py:4: config['repeat'] will fail: menu.conf has no repeat"
    assert found == f"{expected} - did you mean 'repeats'?"


def test_divisions_of_old_scripts(bench: Bench) -> None:
    """Only in scripts that were converted: others mean what they say."""
    body = "def f(self, a):\n    print 'x'\n    a /= 2\n    return a / 2 + a / 2.0"
    found = warnings(bench, body)
    assert [sentence.partition(": ")[0] for sentence in found] == ["menu.py:6", "menu.py:7"]
    assert "write // where Python 2 gave a whole number" in found[0]
    assert warnings(bench, "def f(self, a): return a / 2") == []


def test_encodings_that_are_none(bench: Bench) -> None:
    """Only in scripts that were converted: `encode("hex")` would fail when it runs."""
    body = "def f(self, a):\n    print a.encode('hex'), a.encode('utf-8')"
    assert warnings(bench, body) == [
        "menu.py:5: 'hex' is no text encoding: use binascii.hexlify and unhexlify"
    ]


def test_warnings_are_in_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """As warnings of the script, and it serves all the same."""
    warnings(bench, "def onBye(self): pass")
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage().startswith("menu.py:4: onBye neither")
    assert getattr(record, "script", "") == "menu"
