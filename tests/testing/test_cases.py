"""Calls of every example script, recorded as tests: they pass on replay, not on another script."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.audio.files import load_as
from ivrbench.audio.tones import sine
from ivrbench.errors import ExpectationFailed
from ivrbench.observe.case import Step, case_of
from ivrbench.observe.case_said import with_voice
from ivrbench.observe.case_source import Checks, case_source, save_case
from ivrbench.observe.ladder import legs_of
from ivrbench.testing import Bench
from ivrbench.testing.fingerprint import ALIKE, find
from tests.testing.calls_to_record import (
    CONFIGURED,
    HEAD,
    OTHER_CALLS,
    SCENARIOS,
    WRITTEN,
    announcement,
    b2bua,
    call_center,
    hello,
    hello_to_the_end,
    menu,
    message,
    pin_wrong_then_right,
    record,
    survey,
    voicemail,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.observe.case import Case

SCRIPTS = Path(__file__).parents[2] / "scripts"

MUTATIONS = (
    (hello, '"hello.wav"', '"goodbye.wav"', "the script plays hello.wav"),
    (hello_to_the_end, "self.stopSession()", "pass", "the call is ended by script"),
    (menu, '"hours"', '"weekend"', "the script plays hours.wav"),
    (menu, "def onDtmf", "def onDtmfs", "the script plays hours.wav"),
    (record, "key == HASH", "key == 10", "the script plays"),
    (pin_wrong_then_right, '"1234"', '"4321"', "the script plays accepted.wav"),
    (survey, "survey_thanks", "survey_key", "the script plays survey_thanks.wav"),
    (announcement, '"answer", "yes") != "no"', '"answer", "no") != "no"', "an answer"),
    (b2bua, "self.connectCallee(", "print(", "the script calls sip:bob@192.0.2.50"),
    (call_center, "self.call_next()", "self.let_go()", "the script calls sip:bob@192.0.2.50"),
)
"""Scenario, text of its script, what stands there instead, what the replay misses."""


ALL = Checks()
CASES: dict[Callable[[Bench], None], Case] = {}
"""Calls that were made already."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example scripts, with folders of their own for what they keep."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for path in SCRIPTS.glob("*.py"):
        shutil.copy(path, scripts)
    (scripts / "wav").symlink_to(SCRIPTS / "wav")
    for name in ("record", "voicemail", "conference"):
        (scripts / f"{name}.conf").write_text(f"folder={tmp_path}\n")
    (scripts / "survey.conf").write_text(f"database={tmp_path / 'survey.db'}\n")
    for name, text in CONFIGURED.items():
        (scripts / f"{name}.conf").write_text(text)
    for name, text in WRITTEN.items():
        (scripts / f"{name}.py").write_text(HEAD + text)
    return scripts


def recorded(
    scenario: Callable[[Bench], None], folder: Path, checks: Checks = ALL
) -> tuple[str, str]:
    """A scenario's script, and its call, made once, as the source of a test."""
    case = CASES.get(scenario)
    if case is None:
        with Bench(folder) as bench:
            scenario(bench)
            history = bench.engine.hub.history
            case = CASES[scenario] = case_of(legs_of(history, "c1"))
    return case.script, case_source(case, "test_call", checks)


def replay(source: str, folder: Path) -> None:
    """Run a recorded test."""
    with Bench(folder) as bench:
        replay_in(bench, "from __future__ import annotations\n" + source, "test_call")


def replay_in(bench: Bench, source: str, name: str) -> None:
    names: dict[str, Callable[[Bench], None]] = {}
    exec(source, names)
    names[name](bench)


def test_every_example_script_is_called() -> None:
    """None is forgotten when one is added."""
    called = {
        name for each in SCENARIOS for name in re.findall(r'dial\("(\w+)"', inspect.getsource(each))
    }
    assert called == {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_replay(scenario: Callable[[Bench], None], folder: Path) -> None:
    """What was recorded happens again."""
    _, source = recorded(scenario, folder)
    replay(source, folder)


@pytest.mark.parametrize(
    ("scenario", "steps"), OTHER_CALLS, ids=[scenario.__name__ for scenario, _ in OTHER_CALLS]
)
def test_replay_of_other_calls(
    scenario: Callable[[Bench], None], steps: Sequence[str], folder: Path
) -> None:
    """Hold, transfers, early audio, refusals, old telephones, the callee's own doings."""
    _, source = recorded(scenario, folder)
    at = 0
    for step in steps:
        at = source.index(step, at)
    replay(source, folder)


@pytest.mark.parametrize(
    ("scenario", "text", "instead", "missed"),
    MUTATIONS,
    ids=[f"{s.__name__}-{text}" for s, text, *_ in MUTATIONS],
)
def test_another_script(
    scenario: Callable[[Bench], None], text: str, instead: str, missed: str, folder: Path
) -> None:
    """A script that does something else fails, and the message says what was expected of it."""
    script, source = recorded(scenario, folder)
    file = folder / f"{script}.py"
    before = file.read_text()
    assert text in before
    file.write_text(before.replace(text, instead))
    with pytest.raises(ExpectationFailed) as failed:
        replay(source, folder)
    message = str(failed.value)
    assert missed in message.splitlines()[0]
    assert message.splitlines()[1].startswith("got       ")
    assert re.match(rf"script    \w+\(.*\)  {script}\.py:\d+$", message.splitlines()[2])
    assert failed.value.timeline


@pytest.mark.parametrize("scenario", [menu, record, survey, b2bua, call_center])
def test_replay_without_looking_at_prompts(scenario: Callable[[Bench], None], folder: Path) -> None:
    """Keys come at the same moments also where nobody waits for the prompts between them."""
    _, source = recorded(scenario, folder, Checks(prompts=False))
    assert "call.plays" not in source
    replay(source, folder)


def test_replay_with_everything_checked(folder: Path) -> None:
    """Prompts are heard, and soon after the key."""
    _, source = recorded(menu, folder, Checks(audio=True, latency_ms=400))
    assert 'call.hears("hours.wav")' in source
    assert 'call.plays("hours.wav", within_s=0.4)' in source
    replay(source, folder)


def test_source(folder: Path) -> None:
    """Plain Python, as a person might have written it."""
    _, source = recorded(pin_wrong_then_right, folder)
    body = source.splitlines()[2:]
    assert body == [
        """    call = bench.dial("pin_collect", caller='"Ann" <sip:ann@192.0.2.99>')""",
        "    call.answered()",
        '    call.plays("pin.wav")',
        "    call.waits(1)",
        '    call.press("99#")  # while it plays',
        '    call.plays("wrong_pin.wav")',
        '    call.plays("pin.wav")',
        "    call.waits(2.5)",
        '    call.press("1234#")  # while it plays',
        '    call.plays("accepted.wav")',
        '    call.hangs_up(by="script")',
        '    assert call.keys == "99#1234#"',
    ]


def test_secrets_are_masked(folder: Path) -> None:
    """By the name of the parameter; the test says so."""
    _, source = recorded(voicemail, folder)
    assert "9876" not in source
    assert '"pin": "secret"' in source
    assert '"mailbox": "ann"' in source
    assert 'What is called "secret" here' in source


def test_what_was_said_is_said_again(folder: Path) -> None:
    """From a copy beside the test: what the script records on replay is what it recorded."""
    with Bench(folder) as bench:
        message(bench)
        case = case_of(legs_of(bench.engine.hub.history, "c1"))
    (first,) = folder.parent.glob("2*.wav")
    file = folder.parent / "tests" / "test_record.py"
    name = save_case(case, file, "test_message", Checks(said=True))
    first.unlink()
    source = file.read_text()
    assert 'call.records()\n    call.say("message_1.wav", wait=False)\n' in source
    with Bench(folder) as bench:
        bench.folders.append(file.parent)
        replay_in(bench, source, name)
    (again,) = folder.parent.glob("2*.wav")
    said = load_as(file.parent / "message_1.wav", 8000)
    assert find(sine(440, 2000), said).likeness > ALIKE
    assert find(said, load_as(again, 8000)).likeness > ALIKE


def test_words_that_are_gone(folder: Path) -> None:
    """A recording that was removed, or is another by now, is told in the test."""
    with Bench(folder) as bench:
        message(bench)
        case = case_of(legs_of(bench.engine.hub.history, "c1"))
    (recorded,) = folder.parent.glob("2*.wav")
    recorded.write_bytes(recorded.read_bytes()[:4000])
    source = case_source(case, "test_call", Checks(said=True))
    assert f"# {recorded.name} is not what was said any more" in source
    assert "call.say(" not in source
    assert "call.say(" not in case_source(case, "test_call")


def test_a_hidden_number(folder: Path) -> None:
    """The test goes the way of the call once the script knows the number that stands for it."""
    _, source = recorded(pin_wrong_then_right, folder, Checks(masks=True))
    assert "1234" not in source
    assert 'call.press("1111#")' in source
    with pytest.raises(ExpectationFailed):
        replay(source, folder)
    (folder / "pin_collect.conf").write_text("pins=1111\n")
    replay(source, folder)


def test_what_the_test_phone_said(folder: Path) -> None:
    """A file it played from the answer on is said while the test goes on."""
    with Bench(folder) as bench:
        menu(bench)
        case = case_of(legs_of(bench.engine.hub.history, "c1"))
    case = with_voice(case, Step(0.0, "call", "say", ['"hello.wav"', "wait=False"]))
    source = case_source(case, "test_call")
    assert 'call.answered()\n    call.say("hello.wav", wait=False)\n' in source
    replay(source, folder)
