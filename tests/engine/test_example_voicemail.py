"""The example script `voicemail.py`: takes messages, sends them, plays them."""

from __future__ import annotations

import smtplib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest

from ivrbench.scriptapi.host import the_host
from tests.engine.examples import SCRIPTS, Caller

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("api")


def voicemail(folder: Path, more: str = "", **params: str) -> Caller:
    (folder / "voicemail.conf").write_text(f"folder = {folder}/boxes\n{more}")
    return Caller("voicemail", (folder,), starts=False, params=params)


def names(caller: Caller) -> dict[str, object]:
    """The globals of the script."""
    found: dict[str, object] = caller.dialog.onBye.__func__.__globals__
    return found


def messages(folder: Path, box: str = "default") -> list[str]:
    return sorted(path.name for path in (folder / "boxes" / box).iterdir())


def test_voicemail_takes_messages(tmp_path: Path) -> None:
    """Each mailbox is a folder; a name that would lead out of it is no name."""
    heard = voicemail(tmp_path).runs("", 3000)
    assert heard == ["greeting", "tone", "record", "saved", "stop_session"]
    (name,) = messages(tmp_path)
    assert name.endswith("-l1.wav")
    voicemail(tmp_path, mailbox="bob").runs("", 3000)
    assert len(messages(tmp_path, "bob")) == 1
    voicemail(tmp_path, mailbox="../bob").runs("", 500)
    assert messages(tmp_path) == [name]


@pytest.mark.parametrize(("elapsed_s", "kept"), [(0.5, 0), (5.0, 1)])
def test_voicemail_of_callers_who_hang_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elapsed_s: float, kept: int
) -> None:
    """What was said until then is kept, if it is a second."""
    caller = voicemail(tmp_path)
    times = iter((10.0, 10.0 + elapsed_s))
    clock = SimpleNamespace(strftime=time.strftime, monotonic=lambda: next(times))
    monkeypatch.setitem(names(caller), "time", clock)
    caller.runs("!", 3000)
    assert len(messages(tmp_path)) == kept


def test_voicemail_plays_messages(tmp_path: Path) -> None:
    """After the PIN: again, next, delete; without one the star key is nothing special."""
    voicemail(tmp_path).runs("", 3000)
    box = tmp_path / "boxes" / "default"
    (box / "greeting.wav").write_bytes((SCRIPTS / "wav" / "hello.wav").read_bytes())
    first = next(box.glob("2*.wav"))
    (box / "3.wav").write_bytes(first.read_bytes())
    (box / "4.wav.part.wav").write_bytes(b"")
    heard = voicemail(tmp_path, "pin = 42\n").runs("*1#42#1 3")
    assert heard == [
        *("greeting", "pin", "wrong_pin", "pin"),
        *("message", first.stem),
        *("message", first.stem, "message_menu"),
        *("message", "3", "deleted", "no_messages", "stop_session"),
    ]
    assert messages(tmp_path) == [first.name, "4.wav.part.wav", "greeting.wav"]
    assert voicemail(tmp_path).runs("*", 3000)[:3] == ["greeting", "tone", "record"]


class MailServer:
    """Takes what is sent."""

    took: ClassVar[list[EmailMessage]] = []

    def __init__(self, host: str, port: int, timeout: float) -> None:
        if host == "broken":
            raise ConnectionRefusedError(111, "Connection refused")
        assert (host, port) == ("mail.example", 2525)

    def __enter__(self) -> MailServer:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def send_message(self, mail: EmailMessage) -> None:
        self.took.append(mail)


def test_voicemail_by_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is attached; a caller's name cannot add headers."""
    monkeypatch.setattr(smtplib, "SMTP", MailServer)
    caller = voicemail(tmp_path, "mail_to = ann@example.org\nsmtp = mail.example:2525\n")
    caller.port.dialog.remote_party = '"A\r\nBcc: x" <sip:a@b>'
    caller.runs("", 2000)
    (mail,) = MailServer.took
    assert (mail["To"], mail["From"]) == ("ann@example.org", "ann@example.org")
    assert mail["Subject"] == 'Message from "A Bcc: x" <sip:a@b>'
    (attached,) = mail.iter_attachments()
    assert attached.get_content()[:4] == b"RIFF"
    MailServer.took.clear()


def test_voicemail_without_a_mail_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller does not notice, the log says why, the message is kept."""
    monkeypatch.setattr(smtplib, "SMTP", MailServer)
    caller = voicemail(tmp_path, "mail_to = ann@example.org\nsmtp = broken\n")
    assert caller.runs("", 2000)[-2:] == ["saved", "stop_session"]
    assert len(messages(tmp_path)) == 1
    (line,) = [text for level, text in the_host().lines if level == 0]  # type: ignore[attr-defined]
    assert "was not sent to ann@example.org" in line
