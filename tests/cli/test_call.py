"""`ivrbench call`: what the phone is told before it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.cli import main
from ivrbench.phone import agent

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.phone.options import CallOptions


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[CallOptions]:
    """The calls that would be made; nobody is logged in at a terminal."""
    made: list[CallOptions] = []

    def run(options: CallOptions) -> int:
        made.append(options)
        return 0

    monkeypatch.setattr(agent, "run", run)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.delenv("IVRBENCH_PASSWORD", raising=False)
    monkeypatch.chdir(tmp_path)
    return made


def with_users(folder: Path) -> None:
    (folder / "scripts").mkdir()
    (folder / "users.conf").write_text("anna = secret\nbob = hidden\n")
    (folder / "ivr.conf").write_text("users = users.conf\n")


def test_own_scripts_are_called_as_the_first_user(
    called: list[CallOptions], tmp_path: Path
) -> None:
    """An engine that asks for passwords can be tried without typing one; others learn none."""
    with_users(tmp_path)
    assert main(["call", "hello"]) == 0
    assert main(["call", "hello", "--user", "bob"]) == 0
    assert main(["call", "sip:hello@192.0.2.1"]) == 0
    logins = [(options.user, options.password) for options in called]
    assert logins == [("anna", "secret"), ("bob", "hidden"), ("", "")]


def test_password_comes_from_the_environment(
    called: list[CallOptions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Never from the command line; without one the call is not begun."""
    assert main(["call", "sip:a@192.0.2.1", "--user", "eva"]) == 2
    assert "there is no password of eva: give it in IVRBENCH_PASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("IVRBENCH_PASSWORD", "x")
    assert main(["call", "sip:a@192.0.2.1", "--user", "eva"]) == 0
    assert (called[0].user, called[0].password) == ("eva", "x")


@pytest.mark.parametrize(
    ("arguments", "sound", "voice"),
    [
        ([], False, "silence"),
        (["--sound"], True, "microphone"),
        (["--sound", "--silent"], True, "silence"),
        (["--speaker", "USB", "--tone", "440"], True, "tone 440 Hz"),
        (["--say", "good morning"], False, "text good morning"),
        (["--wav", "a/b.wav", "--sound"], True, "b.wav"),
    ],
)
def test_voice_and_sound_card(
    called: list[CallOptions], arguments: list[str], sound: bool, voice: str
) -> None:
    """The card is heard on with any voice; its microphone is the voice where nothing else is."""
    assert main(["call", "hello", *arguments]) == 0
    assert (called[0].sound, called[0].voice) == (sound, voice)


def test_two_voices_are_one_too_many(called: list[CallOptions]) -> None:
    """A caller says one thing at a time."""
    assert main(["call", "hello", "--tone", "440", "--wav", "a.wav"]) == 2
    assert not called


def test_cards_are_listed_without_a_call(
    called: list[CallOptions], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--devices` needs no name."""
    monkeypatch.setattr("ivrbench.cli.devices.list_devices", list)
    assert main(["call", "--devices"]) == 0
    assert capsys.readouterr().out == "there is no sound card\n"
    assert not called


def test_waiting_for_a_call(called: list[CallOptions], tmp_path: Path) -> None:
    """Nobody is logged in where nobody asks; at a registrar it is the user of the address, with
    the password of the users file if there is one, without one if not."""
    with_users(tmp_path)
    assert main(["call", "--wait", "ring"]) == 0
    assert main(["call", "127.0.0.1:5070", "--wait", "486"]) == 0
    assert main(["call", "--wait", "answer", "--register", "sip:bob@192.0.2.1"]) == 0
    assert main(["call", "--wait", "answer", "--register", "sip:eva@192.0.2.1"]) == 0
    told = [(each.target, each.answers, each.register, each.user, each.password) for each in called]
    assert told == [
        ("", "ring", "", "", ""),
        ("127.0.0.1:5070", "486", "", "", ""),
        ("", "answer", "sip:bob@192.0.2.1", "bob", "hidden"),
        ("", "answer", "sip:eva@192.0.2.1", "eva", ""),
    ]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([], "whom to call?"),
        (["hello", "--register", "sip:a@b"], "--register is for being called"),
        (["--wait", "loudly"], "a phone can ring, answer, never or refuse"),
        (["--wait", "ring", "--register", "sip:@["], "sip:@[ cannot be registered as"),
    ],
)
def test_waiting_that_cannot_be_meant(
    called: list[CallOptions], capsys: pytest.CaptureFixture[str], argv: list[str], why: str
) -> None:
    """Each says what is missing, and nothing is begun."""
    try:
        code = main(["call", *argv])
    except SystemExit as exc:
        code = int(str(exc.code))
    assert code == 2
    assert why in capsys.readouterr().err
    assert not called
