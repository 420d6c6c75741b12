"""Rules of `IvrUAC` and its handle, without an engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.scriptapi.uac import Dialout

if TYPE_CHECKING:
    from tests.scriptapi.fakes import FakeHost

ARGUMENTS = ("u", "app", "sip:ann@h", "<sip:me@h>", "sip:me@h", "<sip:ann@h>")


def test_arguments(ivr: Any, host: FakeHost) -> None:
    """All forms: six arguments, then local tag, headers and parameters; ours by name."""
    dialout = ivr.IvrUAC().dialout
    assert dialout(*ARGUMENTS).local_tag == "tag-1"
    assert dialout(*ARGUMENTS, "t9").local_tag == "t9"
    dialout(*ARGUMENTS, "", "X: y\r\n")
    dialout(*ARGUMENTS, "", "", ["a", 1, "b"])
    dialout(*ARGUMENTS, "", "", {"a": "b", "c": 1})
    dialout(*ARGUMENTS, "", "", 7, auth_user="me", password="secret", timeout=5)
    dialout("u", "", "sip:ann@h", "", "sip:me@h", "", next_hop="sip:proxy")
    first, _, with_headers, listed, mapped, ours, short = host.dialled
    assert (first.user, first.application, first.r_uri) == ("u", "app", "sip:ann@h")
    assert (first.from_header, first.from_uri) == ("<sip:me@h>", "sip:me@h")
    assert first.to_header == "<sip:ann@h>"
    assert with_headers.hdrs == "X: y\r\n"
    assert listed.session_params == ["a", "b"]
    assert mapped.session_params == {"a": "b"}
    assert ours.session_params is None
    assert (ours.login, ours.no_answer_s) == (("me", "secret"), 5.0)
    assert "secret" not in repr(ours)
    assert (short.from_header, short.next_hop) == ("<sip:me@h>", "sip:proxy")


@pytest.mark.parametrize("position", range(6))
def test_wrong_types(ivr: Any, position: int) -> None:
    """Every address is a str."""
    arguments: list[object] = list(ARGUMENTS)
    arguments[position] = 1
    with pytest.raises(TypeError, match=f"argument {position + 1} must be str"):
        ivr.IvrUAC().dialout(*arguments)


@pytest.mark.parametrize(("position", "value"), [(2, "ann"), (2, "tel:123"), (3, "<<"), (5, "<<")])
def test_addresses_that_cannot_be_used(ivr: Any, position: int, value: str) -> None:
    """They are found out at once."""
    arguments = list(ARGUMENTS)
    arguments[position] = value
    with pytest.raises(ValueError, match="dialout"):
        ivr.IvrUAC().dialout(*arguments)


def test_times_that_cannot_be(ivr: Any) -> None:
    """It has to ring for some time."""
    for timeout in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            ivr.IvrUAC().dialout(*ARGUMENTS, timeout=timeout)


def test_waits_are_on_their_own() -> None:
    """A handler that is given up takes nobody's result away; one on the loop must not block."""
    handle = Dialout("t1")

    async def waits() -> int:
        return await handle

    async def main() -> int:
        given_up, kept = asyncio.create_task(waits()), asyncio.create_task(waits())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(RuntimeError, match="await"):
            handle.wait()
        handle.settle(486, "Busy Here")
        assert handle.wait() == 486, "it is known: nobody waits"
        return await kept

    assert asyncio.run(main()) == 486
    assert handle.code == 486


def test_handle() -> None:
    """The first word counts; who waits gets the code."""
    handle = Dialout("t1")
    assert (handle.code, handle.reason, handle.answered) == (0, "", False)
    assert repr(handle) == "<Dialout t1 calling>"
    with pytest.raises(TimeoutError):
        handle.wait(0)
    handle.settle(200, "OK")
    handle.settle(487, "over")
    assert (handle.code, handle.reason, handle.answered, handle.wait()) == (200, "OK", True, 200)

    async def waits() -> int:
        return await handle

    assert asyncio.run(waits()) == 200
