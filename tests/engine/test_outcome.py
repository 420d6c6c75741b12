"""What is told of a handler that ran (ivr-api §2.3)."""

from __future__ import annotations

from ivrbench.engine.outcome import (
    ScriptRefusal,
    arguments_text,
    refusal_of,
)
from ivrbench.scriptapi.ivr import semserror
from ivrbench.scriptapi.sipviews import IvrSipReply, IvrSipRequest
from tests.scriptapi.fakes import FakeReply, FakeRequest


def test_refusals() -> None:
    """semserror with a usable dict is a refusal; anything else is an ordinary exception."""
    facts = {"code": 486, "reason": "Busy Here", "hdrs": "X-Why: because\r\n"}
    assert refusal_of(semserror(facts)) == ScriptRefusal(486, "Busy Here", "X-Why: because\r\n")
    assert refusal_of(semserror("text", facts)) is not None
    assert refusal_of(semserror({"code": 486, "reason": "Busy"})) is None
    assert refusal_of(semserror({**facts, "code": "486"})) is None
    assert refusal_of(semserror({**facts, "code": True})) is None
    assert refusal_of(ValueError(facts)) is None
    assert refusal_of(None) is None


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError


def test_texts_of_arguments_and_errors() -> None:
    """As in the source; long and hostile objects do no harm."""
    request = IvrSipRequest.copy_of(FakeRequest())
    reply = IvrSipReply(FakeReply())
    assert arguments_text((1, "x", request, reply)) == "1, 'x', INVITE, 200 OK"
    assert arguments_text((Unprintable(),)) == "<Unprintable>"
    assert len(arguments_text(("x" * 1000,))) == 200
