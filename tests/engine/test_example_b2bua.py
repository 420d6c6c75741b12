"""The example scripts with two parties: what they ask for, event by event."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.scriptapi.dialog import Capsule
from ivrbench.scriptapi.port import Parties
from tests.engine.examples import Caller

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("api")

ANN, BEN = "sip:ann@10.0.0.5", "sip:ben@10.0.0.6"


def called(caller: Caller) -> str:
    """Whom the script called, in what it asked for since the last time."""
    calls, caller.port.calls = caller.port.calls, []
    found: list[Any] = [call[1] for call in calls if call[0] == "connect_callee"]
    assert len(found) <= 1
    return found[0].uri if found else ""


def test_b2bua(tmp_path: Path) -> None:
    """The callee of b2bua.conf, or of the call; refusals are passed on, silence ends."""
    (tmp_path / "b2bua.conf").write_text("callee = sip:ann@10.0.0.5\ntimeout = 7\n")
    caller = Caller("b2bua", (tmp_path,), starts=False)
    assert caller.dialog.onInvite("") is None
    assert caller.port.calls == [
        ("connect_callee", Parties(ANN, f"<{ANN}>")),
        ("set_timer", 1, 7.0),
    ]
    assert caller.dialog.invite_req.hdrs.endswith("X-Connected-By: b2bua\r\n")
    caller.heard()
    assert caller.dialog.onOtherReply(180, "Ringing") is True
    assert caller.heard() == []
    caller.dialog.onTimer(1)
    assert caller.heard() == ["terminate_other_leg", "480"]
    assert caller.dialog.onOtherReply(486, "Busy Here") is True
    assert caller.heard() == ["remove_timer"]
    assert caller.dialog.onBye() is True
    assert caller.dialog.onOtherBye() is True
    named = Caller("b2bua", params={"callee": "ben@10.0.0.6"}, starts=False)
    named.dialog.onInvite("")
    assert called(named) == BEN
    nobody = Caller("b2bua", starts=False)
    nobody.dialog.onInvite("")
    assert nobody.heard() == ["404"]


def test_call_center(tmp_path: Path) -> None:
    """Agents in turn; who talks is left out; the next call begins with somebody else."""
    (tmp_path / "call_center.conf").write_text(f'agents = "{ANN} {BEN}"\nrounds = 2\n')
    first = Caller("call_center", (tmp_path,))
    assert first.dialog.music.loop is True
    assert called(first) == ANN
    first.dialog.onOtherReply(100, "Trying")
    first.dialog.onOtherReply(486, "Busy Here")
    assert called(first) == BEN
    first.dialog.onOtherReply(200, "OK")
    assert first.heard() == ["remove_timer", "flush"]
    second = join(first)
    second.onSessionStart()
    assert called(first) == ANN, "Ben talks"
    second.onTimer(1)
    assert first.port.calls[0] == ("terminate_other_leg",)
    assert ("set_timer", 2, 5.0) in first.port.calls, "nobody is free: wait a little"
    first.heard()
    second.onTimer(2)
    assert called(first) == ANN
    second.onTimer(1)
    assert first.heard()[-1] == "refused", "all rounds are over"
    first.dialog.onOtherBye()
    assert first.heard() == ["remove_timer", "goodbye"]
    assert first.drained() == ["stop_session"]
    first.dialog.onBye()
    assert first.heard() == ["remove_timer", "stop_session"]


def join(caller: Caller) -> Any:
    """Another call of the same script."""
    cls = type(caller.dialog)
    return cls.__new__(cls, Capsule(caller.port))


def test_call_that_vanished_gives_its_agent_back(tmp_path: Path) -> None:
    """A call that ended without a word, as after a crash, keeps no agent busy."""
    (tmp_path / "call_center.conf").write_text(f'agents = "{ANN}"\n')
    caller = Caller("call_center", (tmp_path,))
    assert called(caller) == ANN
    cls = type(caller.dialog)
    desk = cls.onSessionStart.__globals__["desk"]
    assert list(desk.busy) == [ANN]
    caller.dialog = None
    gc.collect()
    assert list(desk.busy) == []
