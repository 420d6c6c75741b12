"""The shipped example scripts: they load from anywhere, and behave as their comments say."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from ivrbench.audio.files import decode_file
from ivrbench.scriptapi.sipviews import IvrSipReply, IvrSipRequest
from tests.engine.examples import SCRIPTS, Caller
from tests.scriptapi.fakes import FakeReply, FakeRequest

HASH = 11


pytestmark = pytest.mark.usefixtures("api")


def test_prompts_are_small_and_playable() -> None:
    """8 kHz, below 100 kB each, and loud enough to be heard."""
    prompts = sorted((SCRIPTS / "wav").glob("*.wav"))
    assert prompts
    for path in prompts:
        pcm, rate_hz = decode_file(path)
        assert rate_hz == 8000
        assert path.stat().st_size < 100_000
        assert abs(pcm).max() > 10_000


def test_hello() -> None:
    """One prompt, then it hangs up; a caller who hangs up ends it too."""
    caller = Caller("hello")
    assert caller.heard() == ["hello"]
    assert caller.drained() == ["stop_session"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]


def test_menu_keys() -> None:
    """The tree of the keypad: down, a prompt, back up, a key that does nothing."""
    caller = Caller("menu")
    assert caller.heard() == ["main"]
    quiet = ["remove_timer", "flush"]
    assert caller.key(1) == [*quiet, "hours"]
    assert caller.key(2) == [*quiet, "weekend", "hours"]
    assert caller.key(0) == [*quiet, "main"]
    assert caller.key(2) == [*quiet, "directions", "main"]
    assert caller.key(9) == [*quiet, "unknown", "main"]
    assert caller.key(10) == [*quiet, "main"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]


def test_menu_without_keys(tmp_path: Path) -> None:
    """It asks as often as menu.conf says, then says goodbye; late events do no harm."""
    (tmp_path / "menu.conf").write_text("repeats = 2\nwait = 1.5\n")
    caller = Caller("menu", (tmp_path,))
    caller.heard()
    caller.dialog.onEmptyQueue()  # came too late: the next prompt is queued already
    assert caller.heard() == []
    caller.port.empty = True
    caller.dialog.onEmptyQueue()
    assert caller.port.calls == [("set_timer", 1, 1.5)]
    caller.heard()
    caller.dialog.onTimer(1)
    assert caller.heard() == ["main"]
    assert caller.drained() == ["set_timer"]
    caller.dialog.onTimer(1)
    assert caller.heard() == ["goodbye"]
    assert caller.key(1) == []
    assert caller.drained() == ["stop_session"]


def recorded(caller: Caller, n_bytes: int) -> None:
    """Let the recording have so much audio."""
    audio = caller.dialog.message.opened()
    with Path(audio.path).open("ab") as file:
        file.write(bytes(n_bytes))


def test_record(tmp_path: Path) -> None:
    """Record, listen, record again, keep; a recording without speech is asked for again."""
    (tmp_path / "record.conf").write_text(f"folder = {tmp_path}/kept\nlimit = 30\n")
    caller = Caller("record", (tmp_path,))
    assert caller.heard() == ["leave_message", "tone"]
    assert caller.drained() == ["record"]
    assert caller.dialog.message.record_limit_ms == 30_000
    recorded(caller, 16_000)
    assert caller.key(HASH) == ["flush", "review"]
    assert caller.drained() == []
    assert caller.key(1)[0] == "flush"
    assert caller.key(2) == ["flush", "leave_message", "tone"]
    assert caller.key(HASH) == ["flush", "record"]
    assert caller.drained() == ["empty", "leave_message", "tone"]
    assert caller.drained() == ["record"]
    recorded(caller, 16_000)
    assert caller.drained() == ["review"]
    assert caller.key(HASH) == ["flush", "saved"]
    assert caller.drained() == ["stop_session"]
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.endswith("-l1.wav")


def test_record_hang_up(tmp_path: Path) -> None:
    """What was recorded so far is kept when the caller hangs up."""
    (tmp_path / "record.conf").write_text(f"folder = {tmp_path}/kept\n")
    caller = Caller("record", (tmp_path,))
    caller.drained()
    caller.heard()
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]
    with pytest.raises(ValueError, match="not open"):
        caller.dialog.message.opened()
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_announcement(tmp_path: Path) -> None:
    """Answered, as often as it is set, then the end; a call may name a prompt, no other file."""
    (tmp_path / "announcement.conf").write_text("times = 2\n")
    caller = Caller("announcement", (tmp_path,))
    assert caller.dialog.onInvite("") is True
    assert caller.heard() == ["announcement", "announcement"]
    assert caller.drained() == ["stop_session"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]
    assert Caller("announcement", params={"play": "hours"}).heard() == ["hours"]
    assert Caller("announcement", params={"play": "../../etc/passwd"}).heard() == ["announcement"]


def test_announcement_before_the_answer(tmp_path: Path) -> None:
    """`answer = no`: early media, then a refusal."""
    (tmp_path / "announcement.conf").write_text("answer = no\n")
    caller = Caller("announcement", (tmp_path,), starts=False)
    assert caller.dialog.onInvite("") is None
    assert caller.heard() == ["183", "announcement"]
    assert caller.drained() == ["480"]


def test_pin_collect() -> None:
    """A key ends the prompt; hash, or a pause, ends the PIN; the right one lets the caller in."""
    caller = Caller("pin_collect")
    assert caller.heard() == ["pin"]
    assert caller.drained() == ["set_timer"]
    quiet = ["remove_timer", "flush"]
    for key in (9, 10, 1, 2, 3, 4):
        assert caller.key(key) == [*quiet, "set_timer"]
    assert caller.key(HASH) == [*quiet, "accepted"]
    assert caller.key(1) == []
    assert caller.drained() == ["stop_session"]
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]


def test_pin_collect_refuses(tmp_path: Path) -> None:
    """So many tries; late events do no harm."""
    (tmp_path / "pin_collect.conf").write_text("pins = 7, 88\ntries = 2\n")
    caller = Caller("pin_collect", (tmp_path,))
    caller.key(7)
    caller.key(8)
    caller.heard()
    caller.dialog.onTimer(1)
    assert caller.heard() == ["wrong_pin", "pin"]
    caller.port.empty = False
    caller.dialog.onEmptyQueue()
    assert caller.heard() == []
    caller.dialog.onTimer(1)
    assert caller.heard() == ["refused"]
    assert caller.drained() == ["stop_session"]


def test_pin_collect_transfers(tmp_path: Path) -> None:
    """Who is let in is transferred; the call ends when that is settled."""
    (tmp_path / "pin_collect.conf").write_text('pins = 5\ntransfer_to = "sip:desk@192.0.2.7"\n')
    caller = Caller("pin_collect", (tmp_path,))
    caller.heard()
    caller.key(5)
    assert caller.key(HASH)[-1] == "accepted"
    assert caller.drained() == ["refer"]
    refer = IvrSipRequest.copy_of(FakeRequest(method="REFER"))
    for code, done in ((100, []), (202, ["stop_session"])):
        caller.dialog.onSipReply(refer, IvrSipReply(FakeReply(code=code)))
        assert caller.heard() == done


def test_survey(tmp_path: Path) -> None:
    """A wrong key is told, no key goes on; the answers are in the database."""
    database = tmp_path / "answers.db"
    (tmp_path / "survey.conf").write_text(f"database = {database}\n")
    caller = Caller("survey", (tmp_path,), starts=False)
    heard = caller.runs("94  5")
    assert heard == [
        *("survey_welcome", "survey_waiting", "survey_key", "survey_waiting"),
        *("survey_friendly", "survey_key", "survey_friendly", "survey_key"),
        *("survey_again", "survey_thanks", "stop_session"),
    ]
    with contextlib.closing(sqlite3.connect(database)) as rows:
        found = rows.execute("select call, question, answer from answers").fetchall()
    assert found == [("call-1", "survey_waiting", 4), ("call-1", "survey_again", 5)]
    assert dict(caller.dialog.vars) == {
        "survey_waiting": "4",
        "survey_friendly": "no answer",
        "survey_again": "5",
    }
    caller.dialog.onBye()
    assert caller.heard() == ["stop_session"]
