"""What ivrbench adds to the methods of a dialog: arguments, names, and what the engine is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.audio.files import wav_header
from ivrbench.scriptapi.dialog import Capsule, IvrDialogBase
from tests.scriptapi.fakes import FakePort

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.scriptapi.fakes import FakeHost


class Dialog(IvrDialogBase):
    """A script's."""


@pytest.fixture
def port() -> FakePort:
    return FakePort()


@pytest.fixture
def dialog(port: FakePort, host: FakeHost) -> Dialog:
    return Dialog(Capsule(port))


def result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never really waits."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


def test_answering(dialog: Dialog, port: FakePort) -> None:
    """Each by its name; `reject` is 486 unless told."""
    dialog.answer()
    dialog.ring("X: y\r\n")
    dialog.early_media()
    dialog.reject()
    dialog.reject(603, "No", "X: z\r\n")
    assert port.calls == [
        ("reply_to_invite", 200, "OK", ""),
        ("reply_to_invite", 180, "Ringing", "X: y\r\n"),
        ("reply_to_invite", 183, "Session Progress", ""),
        ("reply_to_invite", 486, "", ""),
        ("reply_to_invite", 603, "No", "X: z\r\n"),
    ]


@pytest.mark.parametrize("code", [200, 299, 700, -1])
def test_reject_needs_a_refusal(dialog: Dialog, code: int) -> None:
    """300 to 699."""
    with pytest.raises(ValueError, match="300 to 699"):
        dialog.reject(code)


def test_keys(dialog: Dialog, port: FakePort) -> None:
    """Characters become key codes; a length and an unknown key are checked."""
    dialog.send_dtmf("10*#aD", 80)
    assert port.calls == [("send_keys", (1, 0, 10, 11, 12, 15), 80)]
    with pytest.raises(ValueError, match="there is no key 'X'"):
        dialog.send_dtmf("1x")
    for ms in (39, 6001):
        with pytest.raises(ValueError, match="40 to 6000 ms"):
            dialog.send_dtmf("1", ms)


@pytest.mark.parametrize(
    "call",
    [
        "answer(5)",
        "ring(None)",
        "early_media(1)",
        "reject('486')",
        "reject(486, 5)",
        "reject(486, '', 5)",
        "send_dtmf(5)",
        "send_dtmf('5', '100')",
    ],
)
def test_wrong_types(dialog: Dialog, call: str) -> None:
    """TypeError, as everywhere."""
    with pytest.raises(TypeError):
        eval(f"dialog.{call}")


@pytest.mark.parametrize(
    "call",
    [
        "play('x.wav', stop_on=5)",
        "say(5)",
        "say('x', 5)",
        "collect('5')",
        "collect(5, '1')",
        "collect(5, 1, 5)",
        "record('x.wav', '5')",
        "record('x.wav', 5, 5)",
    ],
)
def test_wrong_types_when_waiting(dialog: Dialog, call: str) -> None:
    """TypeError where it is awaited."""
    coroutine = eval(f"dialog.{call}")
    with pytest.raises(TypeError):
        coroutine.send(None)


@pytest.mark.parametrize(
    ("pressed", "arguments", "collected", "left"),
    [
        ("12#3", (9,), "12", "3"),
        ("1234", (2,), "12", "34"),
        ("12 3", (9,), "12", "3"),
        ("12*", (9, 1.0, "*"), "12", ""),
        ("#", (9, 1.0, ""), "#", ""),
        ("", (), "", ""),
    ],
)
def test_collect(
    dialog: Dialog,
    port: FakePort,
    pressed: str,
    arguments: tuple[Any, ...],
    collected: str,
    left: str,
) -> None:
    """Enough keys, a terminator or a pause end it."""
    port.keys = pressed
    assert result(dialog.collect(*arguments)) == collected
    assert port.keys == left


def test_waiting_opens_files(dialog: Dialog, port: FakePort, tmp_path: Path) -> None:
    """Names are opened; a recording gets its limit."""
    prompt = tmp_path / "p.wav"
    prompt.write_bytes(wav_header(2) + b"ab")
    port.keys = "5"
    assert result(dialog.play(str(prompt), stop_on="5")) == "5"
    port.keys, port.recorded_ms = "6", 700
    assert result(dialog.collect(1, prompt=str(prompt))) == "6"
    assert result(dialog.record(f"{tmp_path}/r.wav", 2.5)) == 700
    opened: list[Any] = [call[1] or call[2] for call in port.calls]
    assert [file.opened().name for file in opened[:2]] == [str(prompt)] * 2
    assert opened[2].record_limit_ms == 2500
    with pytest.raises(ValueError, match="not open"):
        opened[2].opened()
    assert (tmp_path / "r.wav").stat().st_size == 44 + 700 * 16


def test_variables(dialog: Dialog, host: FakeHost) -> None:
    """One dict for each call; every change goes to the monitoring store."""
    dialog.vars["a"] = 1
    dialog.vars.update(b="x")
    assert dict(dialog.vars) == {"a": 1, "b": "x"}
    del dialog.vars["a"]
    assert host.messages == [("l1", "a = 1"), ("l1", "b = x"), ("l1", "a = ")]
    dialog.vars = {}  # a script's own comes first
    assert dialog.vars == {}
