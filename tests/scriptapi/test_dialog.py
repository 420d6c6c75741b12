"""IvrDialogBase: every method against ivr-api §2.2 and architecture §10."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.audioitems import IvrAudioMixIn, IvrNullAudio
from ivrbench.scriptapi.dialog import Capsule, IvrDialogBase
from tests.scriptapi.fakes import FakeHost, FakePort, FakeRequest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def port() -> FakePort:
    return FakePort()


class Script(IvrDialogBase):
    """A script whose `__init__` must not be called."""

    greeting = "hello"

    def __init__(self) -> None:
        raise AssertionError("the host calls __new__ only")


@pytest.fixture
def dialog(port: FakePort) -> Any:  # Any: tests pass what scripts may pass
    return Script.__new__(Script, Capsule(port))


def test_new_alone_makes_a_dialog(dialog: Any) -> None:
    """Rule 5: `__init__` is never called; class attributes are defaults; there is a `__dict__`."""
    dialog.greeting = "changed"
    assert Script.greeting == "hello"
    assert dialog.B2BMode is False


@pytest.mark.parametrize("args", [(), (None,), ("x",)])
def test_scripts_cannot_make_dialogs(args: tuple[object, ...]) -> None:
    """`__new__` takes the engine's capsule and nothing else."""
    with pytest.raises(TypeError):
        IvrDialogBase(*args)  # type: ignore[arg-type]


def test_a_script_may_override_new(port: FakePort) -> None:
    """A subclass passes its one opaque argument on."""

    class Own(IvrDialogBase):
        tag: str

        def __new__(cls, capsule: Capsule, /) -> Own:
            made = super().__new__(cls, capsule)
            made.tag = made.dialog.local_tag
            return made

    assert Own.__new__(Own, Capsule(port)).tag == "l1"


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("stopSession()", ("stop_session",)),
        ("onRtpTimeout()", ("stop_session",)),
        ("bye()", ("bye", "")),
        ("bye('X: 1\\r\\n')", ("bye", "X: 1\r\n")),
        ("dropSession()", ("drop_session",)),
        ("sendRequest('INFO', '')", ("send_request", "INFO", "")),
        (
            "sendRequest('MESSAGE', '', 'hi')",
            ("send_request", "MESSAGE", "", "hi", "text/plain"),
        ),
        ("redirect('sip:a@b')", ("redirect", "sip:a@b")),
        ("transfer('sip:a@b')", ("transfer", "sip:a@b")),
        ("transfer('tag-1')", ("transfer", "tag-1")),
        ("refer_progress(180)", ("refer_progress", 180, "")),
        ("sendReply(183, 'Progress', '')", ("send_reply", 183, "Progress", "")),
        ("enqueue(None, None)", ("enqueue", None, None)),
        ("flush()", ("flush",)),
        ("mute()", ("set_switch", "muted", True)),
        ("unmute()", ("set_switch", "muted", False)),
        ("enableReceiving()", ("set_switch", "receiving", True)),
        ("disableReceiving()", ("set_switch", "receiving", False)),
        ("enableDTMFReceiving()", ("set_switch", "keys_while_deaf", True)),
        ("disableDTMFReceiving()", ("set_switch", "keys_while_deaf", False)),
        ("enableDTMFDetection()", ("set_switch", "detect_keys", True)),
        ("disableDTMFDetection()", ("set_switch", "detect_keys", False)),
        ("connectMedia()", ("set_switch", "attached", True)),
        ("disconnectMedia()", ("set_switch", "attached", False)),
        ("setTimer(1, 2)", ("set_timer", 1, 2.0)),
        ("setTimer(1, -3.5)", ("set_timer", 1, -3.5)),
        ("setTimer(1, 1e12)", ("set_timer", 1, 366 * 86_400.0)),
        ("removeTimer(4)", ("remove_timer", 4)),
        ("removeTimers()", ("remove_timers",)),
    ],
)
def test_methods_reach_the_call(
    dialog: Any, port: FakePort, call: str, asked: tuple[object, ...]
) -> None:
    """Each method asks the call for one thing and returns None."""
    assert eval(f"dialog.{call}", {"dialog": dialog}) is None
    assert port.calls == [asked]


@pytest.mark.parametrize(
    "call",
    [
        "stopSession(1)",
        "dropSession(None)",
        "onRtpTimeout(1)",
        "flush(1)",
        "queueIsEmpty(1)",
        "mute(1)",
        "unmute(1)",
        "enableReceiving(1)",
        "disableReceiving(1)",
        "enableDTMFReceiving(1)",
        "disableDTMFReceiving(1)",
        "enableDTMFDetection(1)",
        "disableDTMFDetection(1)",
        "connectMedia(1)",
        "disconnectMedia(1)",
        "removeTimers(1)",
        "getSessionParams(1)",
        "setRelayonly(1)",
        "bye(1)",
        "bye(hdrs='')",
        "sendRequest('INFO')",
        "sendRequest(1, '')",
        "sendRequest('INFO', '', 1)",
        "redirect(1)",
        "transfer(1)",
        "refer_progress('200')",
        "sendReply(200, 'OK')",
        "sendReply('200', 'OK', '')",
        "sendReply(200, 'OK', None)",
        "enqueue(None)",
        "enqueue('x.wav', None)",
        "enqueue(None, silence)",
        "enqueue(None, mixed)",
        "setTimer(1)",
        "setTimer(1.5, 1)",
        "setTimer(1, '1')",
        "removeTimer('1')",
        "getAppParam(1)",
        "getAppParam()",
        "connectCallee()",
        "connectCallee('sip:a@b')",
        "connectCallee(None, 'sip:a@b')",
        "connectCallee(1, 'sip:a@b')",
        "connectCallee('a', 'sip:a@b', 1)",
    ],
)
def test_wrong_arguments_are_type_errors(dialog: Any, port: FakePort, call: str) -> None:
    """Methods without arguments take none; types are checked; nothing reaches the call."""
    names = {"dialog": dialog, "silence": IvrNullAudio(), "mixed": IvrAudioMixIn()}
    with pytest.raises(TypeError):
        eval(f"dialog.{call}", names)
    assert port.calls == []


@pytest.mark.parametrize(
    "call",
    [
        "setTimer(0, 1)",
        "setTimer(-1, 1)",
        "setTimer(1, float('nan'))",
        "removeTimer(0)",
        "sendReply(99, '', '')",
        "sendReply(700, '', '')",
        "connectCallee('a', 'nowhere')",
        "connectCallee('a\\r\\nX: y', 'sip:a@b')",
        "sendRequest('INVITE', '', 'v=0')",
        "sendRequest('BYE', '', 'bye')",
    ],
)
def test_wrong_values_are_value_errors(dialog: Any, port: FakePort, call: str) -> None:
    """Timer ids are above 0 (no SystemError); a status code is one, a URI too."""
    with pytest.raises(
        ValueError, match=r"must be|above 0|is no SIP URI|contains a line end|no body"
    ):
        eval(f"dialog.{call}", {"dialog": dialog})
    assert port.calls == []


def test_parameters(dialog: Any, port: FakePort) -> None:
    """getAppParam gives "" for an unknown key; getSessionParams is for outgoing calls."""
    assert (dialog.getAppParam("a"), dialog.getAppParam("z")) == ("1", "")
    assert dialog.getSessionParams() is None
    port.empty = False
    assert dialog.queueIsEmpty() is False


def test_dialog_and_request_are_the_same_live_objects(dialog: Any, port: FakePort) -> None:
    """`dialog` and `invite_req` are read-only and live, also over a re-INVITE."""
    first = dialog.invite_req
    assert dialog.dialog is dialog.dialog
    port.invite_req = FakeRequest(cseq=8)
    assert first is dialog.invite_req
    assert first.cseq == 8
    port.dialog.status = 6
    assert dialog.dialog.status_str == "Disconnecting"
    for name in ("dialog", "invite_req"):
        with pytest.raises(AttributeError):
            setattr(dialog, name, None)


def test_enqueue_takes_audio(dialog: Any, port: FakePort, tmp_path: Path) -> None:
    """Files, silence and mixes can be played; only a file open for writing can be recorded."""
    silence, mixed, recording = IvrNullAudio(), IvrAudioMixIn(), IvrAudioFile()
    silence.init(100)
    recording.open(str(tmp_path / "r.wav"), 2)
    dialog.enqueue(silence, recording)
    dialog.enqueue(mixed, None)
    dialog.enqueue(recording, None)
    assert [call[1:] for call in port.calls] == [
        (silence, recording),
        (mixed, None),
        (recording, None),
    ]


def test_enqueue_refuses_what_would_crash_the_reference(
    dialog: Any, port: FakePort, tmp_path: Path
) -> None:
    """Closed files and silence without init are errors; so is recording into a prompt."""
    path = str(tmp_path / "r.wav")
    closed, prompt, written = IvrAudioFile(), IvrAudioFile(), IvrAudioFile()
    written.open(path, 2)
    prompt.open(path, 1)
    for play, record in ((closed, None), (None, closed), (IvrNullAudio(), None), (None, prompt)):
        with pytest.raises(ValueError, match="not open|init|AUDIO_READ"):
            dialog.enqueue(play, record)
    assert port.calls == []


def test_isinstance_holds_in_scripts(dialog: Any, host: FakeHost) -> None:
    """The class in the module `ivr` is this one, for all generations of a script."""
    assert isinstance(dialog, sys.modules["ivr"].IvrDialogBase)
