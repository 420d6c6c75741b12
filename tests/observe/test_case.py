"""Calls that cannot become tests, and the file that tests go into."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import ControlError
from ivrbench.observe.case import Case, Step, case_of, quoted
from ivrbench.observe.case_dial import Dial, dial_of
from ivrbench.observe.case_source import Checks, case_file, case_name, case_source, save_case
from ivrbench.observe.events import LegEnded, LegStarted, SipTraced, Stamped
from ivrbench.observe.snapshot import LegView

if TYPE_CHECKING:
    from pathlib import Path

INVITE = """\
INVITE sip:{user}:hunter2@192.0.2.1 SIP/2.0
From: "Ann" <sip:ann@192.0.2.9>;tag=1
P-App-Param: token=abc; mailbox=ann
X-Api-Key: xyz
X-Colour: it's "red"
Authorization: Digest username="ann"

"""


def leg(*, direction: str = "in", over: bool = True, user: str = "menu") -> LegView:
    uri = f"sip:{user}:hunter2@192.0.2.1"
    started = LegStarted("c1", direction, "menu", 3, "sip:ann@h", "id", uri, "tag")
    view = LegView(started, 1.0)
    view.timeline.append(Stamped(1, 1.0, started))
    if over:
        view.ended = LegEnded("c1", "caller", 200, "", 1.0)
        view.timeline.append(Stamped(2, 2.0, view.ended))
    raw = INVITE.format(user=user).replace("\n", "\r\n").encode()
    traced = SipTraced("c1", False, "udp", "192.0.2.9:5060", "192.0.2.1:5060", "INVITE", raw)
    view.sip.append(Stamped(3, 1.0, traced))
    return view


def case(*steps: Step) -> Case:
    return Case("menu", 3, 0.0, 1.0, Dial(), list(steps), "1*#", [])


def test_what_cannot_become_a_test() -> None:
    """A sentence for each."""
    with pytest.raises(ControlError, match="no such call"):
        case_of([])
    with pytest.raises(ControlError, match="not over yet"):
        case_of([leg(over=False)])
    with pytest.raises(ControlError, match="call of ours"):
        case_of([leg(direction="out")])
    long = leg()
    del long.timeline[0]
    with pytest.raises(ControlError, match="its beginning is forgotten"):
        case_of([long])


def test_secrets_of_the_invite() -> None:
    """Masked by name, passwords of URIs and logins left out."""
    dial = dial_of(leg(user="other"))
    assert dial.uri == "sip:other@192.0.2.1"
    assert dial.caller == '"Ann" <sip:ann@192.0.2.9>'
    assert dial.params == (("token", "secret"), ("mailbox", "ann"))
    assert dial.headers == (("X-Api-Key", "secret"), ("X-Colour", 'it\'s "red"'))
    assert dial.masked
    assert "hunter2" not in repr(dial)
    assert "Digest" not in repr(dial)


def test_every_text_is_a_literal() -> None:
    """Whatever callers send becomes a Python literal, not Python."""
    for text in ('a"b', "it's", "a\\b", "both ' and \"", 'x")\nimport os #'):
        assert ast.literal_eval(quoted(text)) == text
        assert "\n" not in quoted(text)


def test_names() -> None:
    """Of the test and of its file."""
    assert case_name(case()) == "test_menu_1starhash_caller_hangs_up"
    assert case_name(case(Step(1.0, "call", "refused", ["486"], "end"))).endswith("_ends")
    assert case_file(case()) == "tests/calls/test_menu.py"


def test_tests_are_added_to_the_file(tmp_path: Path) -> None:
    """The second one gets another name; what a person wrote stays."""
    path = tmp_path / "calls" / "test_menu.py"
    assert save_case(case(), path, "test_it") == "test_it"
    path.write_text(path.read_text() + "\n# a remark\n")
    assert save_case(case(), path, "test_it") == "test_it_2"
    text = path.read_text()
    ast.parse(text)
    assert "# a remark" in text
    assert text.count("import TYPE_CHECKING") == 1


def test_a_file_that_is_no_python_is_left_alone(tmp_path: Path) -> None:
    """And named with its line."""
    path = tmp_path / "test_menu.py"
    path.write_text("def broken(\n")
    with pytest.raises(ControlError, match=r"test_menu\.py:1 is no Python: nothing was added"):
        save_case(case(), path)
    assert path.read_text() == "def broken(\n"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A sentence, not a traceback."""
    (tmp_path / "calls").write_text("")
    with pytest.raises(ControlError, match="cannot be written"):
        save_case(case(), tmp_path / "calls" / "test_menu.py")


def test_what_is_not_checked_passes_by_the_clock() -> None:
    """A pause stands for steps that are left out."""
    steps = (
        Step(1.0, "call", "answered", checks="legs"),
        Step(4.0, "call", "plays", ['"a.wav"'], "prompts"),
        Step(6.0, "call", "press", ['"1"'], pause_s=2.0),
        Step(7.0, "call", "hangs_up", ['by="script"'], "end"),
    )
    nothing = Checks(prompts=False, keys=False, legs=False, end=False)
    source = case_source(case(*steps), "test_it", nothing)
    assert source.splitlines()[3:] == [
        "    call.waits(6)",
        '    call.press("1")',
        '    call.hangs_up(by="")',
    ]
