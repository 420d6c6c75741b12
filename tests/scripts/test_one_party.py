"""The example scripts as their callers find them, tested as users of ivrbench test theirs."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from ivrbench.audio.tones import sine

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.testing import Bench, IvrScripts

SPEECH = sine(300, 2000)


def test_hello(bench: Bench) -> None:
    """One prompt, to its end; then the script hangs up."""
    call = bench.dial("hello")
    call.answered()
    call.plays("hello.wav", whole=True)
    call.hangs_up(by="script")
    call.assert_no_gap()


def test_hello_without_patience(bench: Bench) -> None:
    """A caller who hangs up ends the session."""
    call = bench.dial("hello")
    call.answered()
    call.hears("hello.wav", at_least_s=1)
    call.hangs_up(by="caller")


def test_menu(bench: Bench) -> None:
    """Down, a prompt, back up, a wrong key, again."""
    call = bench.dial("menu")
    call.answered()
    call.plays("main")
    call.press("1")
    call.plays("hours")
    call.press("2")
    call.plays("weekend", whole=True)
    call.plays("hours")
    call.press("0")
    call.plays("main")
    call.press("9")
    call.plays("unknown")
    call.plays("main")
    call.press("*")
    call.plays("main")
    call.hangs_up(by="caller")


def test_menu_without_keys(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """It asks as often as menu.conf says, then says goodbye."""
    ivr_scripts.conf("menu", repeats=2, wait=3)
    call = bench.dial("menu")
    call.answered()
    call.plays("main", whole=True)
    call.silence(2.5)
    call.plays("main")
    call.plays("goodbye")
    call.hangs_up(by="script")


def test_record(bench: Bench, ivr_scripts: IvrScripts, tmp_path: Path) -> None:
    """Record, listen, keep."""
    ivr_scripts.conf("record", folder=tmp_path / "kept")
    call = bench.dial("record")
    call.answered()
    call.plays("leave_message")
    call.plays("tone")
    recording = call.records()
    call.say(SPEECH)
    call.press("#")
    call.plays("review", whole=True)
    call.press("1")
    call.hears(SPEECH, within_s=1)
    call.press("#")
    call.plays("saved", whole=True)
    call.hangs_up(by="script")
    assert recording.ended is not None
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [recording.file.name]


def test_record_nothing(bench: Bench, ivr_scripts: IvrScripts, tmp_path: Path) -> None:
    """A recording that is too short is asked for again; who hangs up leaves what was said."""
    ivr_scripts.conf("record", folder=tmp_path / "kept")
    call = bench.dial("record")
    call.answered()
    call.press("#")
    call.records()
    call.press("#")
    call.plays("empty")
    call.plays("leave_message")
    call.press("#")
    recording = call.records()
    call.say(SPEECH)
    call.hangs_up(by="caller")
    assert recording.ended is not None
    assert recording.ended.length_ms > 1800


def test_announcement(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """As often as it is set; a call may name a prompt."""
    ivr_scripts.conf("announcement", times=2)
    call = bench.dial("announcement")
    call.answered()
    call.plays("announcement", whole=True)
    call.plays("announcement", whole=True)
    call.hangs_up(by="script")
    other = bench.dial("announcement", params={"play": "hours"})
    other.answered()
    other.plays("hours")
    other.hangs_up(by="caller")


def test_announcement_before_the_answer(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Early media that is heard, then a refusal."""
    ivr_scripts.conf("announcement", answer="no")
    call = bench.dial("announcement")
    call.rings(183)
    call.hears("announcement.wav")
    call.refused(480, within_s=60)


def test_pin_collect(bench: Bench) -> None:
    """The right PIN at the second try, over the prompt."""
    call = bench.dial("pin_collect")
    call.answered()
    call.plays("pin")
    call.press("99#")
    call.plays("wrong_pin")
    call.press("*1234#")
    call.plays("accepted", whole=True)
    call.hangs_up(by="script")


def test_pin_collect_refuses(bench: Bench) -> None:
    """Three wrong ones; the last by saying nothing."""
    call = bench.dial("pin_collect")
    call.answered()
    for _ in range(2):
        call.press("0#")
        call.plays("wrong_pin", whole=True)
        call.plays("pin")
    call.plays("refused", within_s=6, whole=True)
    call.hangs_up(by="script")


def test_pin_collect_transfers(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Who is let in is transferred."""
    ivr_scripts.conf("pin_collect", pins=5, transfer_to="sip:desk@192.0.2.7")
    call = bench.dial("pin_collect")
    call.answered()
    call.agent.answers["REFER"] = 202
    call.press("5#")
    call.plays("accepted")
    call.is_transferred("sip:desk@192.0.2.7")
    call.hangs_up(by="script")


def test_survey(bench: Bench, ivr_scripts: IvrScripts, tmp_path: Path) -> None:
    """Answers, one given after a wrong key, one not at all."""
    ivr_scripts.conf("survey", database=tmp_path / "answers.db")
    call = bench.dial("survey")
    call.answered()
    call.plays("survey_welcome")
    call.plays("survey_waiting")
    call.press("4")
    call.plays("survey_friendly")
    call.press("9")
    call.plays("survey_key", whole=True)
    call.plays("survey_friendly", whole=True)
    call.plays("survey_key", within_s=7)
    call.plays("survey_again")
    call.press("5")
    call.plays("survey_thanks", whole=True)
    call.hangs_up(by="script")
    with contextlib.closing(sqlite3.connect(tmp_path / "answers.db")) as rows:
        found = rows.execute("select question, answer from answers").fetchall()
    assert found == [("survey_waiting", 4), ("survey_again", 5)]


def test_voicemail(bench: Bench, ivr_scripts: IvrScripts, tmp_path: Path) -> None:
    """A caller leaves a message; the owner listens to it and deletes it."""
    ivr_scripts.conf("voicemail", folder=tmp_path / "boxes", pin=42)
    call = bench.dial("voicemail")
    call.answered()
    call.plays("greeting")
    call.records()
    call.say(SPEECH)
    call.press("#")
    call.plays("saved")
    call.hangs_up(by="script")
    owner = bench.dial("voicemail")
    owner.answered()
    owner.press("*")
    owner.plays("pin")
    owner.press("42#")
    owner.plays("message")
    owner.hears(SPEECH)
    owner.press("3")
    owner.plays("deleted")
    owner.plays("no_messages", whole=True)
    owner.hangs_up(by="script")
    assert list((tmp_path / "boxes" / "default").iterdir()) == []


def test_voicemail_of_a_caller_who_hangs_up(
    bench: Bench, ivr_scripts: IvrScripts, tmp_path: Path
) -> None:
    """What was said until then is kept, if it is a second."""
    ivr_scripts.conf("voicemail", folder=tmp_path / "boxes")
    for said_s, kept in ((0.5, 0), (1.5, 1)):
        call = bench.dial("voicemail")
        call.answered()
        call.records()
        call.say(SPEECH, for_s=said_s)
        call.hangs_up(by="caller")
        bench.wait(1)
        assert len(list((tmp_path / "boxes" / "default").iterdir())) == kept
