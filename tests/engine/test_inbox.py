"""How threads reach the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ivrbench.engine.inbox import Inbox


async def test_calls_keep_their_order_and_share_a_wake_up() -> None:
    """What one thread posts is called in its order; `after` comes once a batch."""
    done: list[int] = []
    batches: list[int] = []
    inbox = Inbox(asyncio.get_running_loop(), lambda: batches.append(len(done)))

    def post() -> None:
        for number in range(100):
            inbox.post(done.append, number)

    await asyncio.to_thread(post)
    await asyncio.sleep(0)
    assert done == list(range(100))
    assert batches[-1] == 100


async def test_ask_waits_for_the_answer_after_everything_before() -> None:
    """`ask` from a thread: the answer, or what the function raised."""
    inbox = Inbox(asyncio.get_running_loop(), lambda: None)
    said: list[str] = []

    def ask() -> tuple[int, int]:
        assert not inbox.on_loop
        inbox.post(said.append, "first")
        with pytest.raises(ZeroDivisionError):
            inbox.ask(lambda: 1 // 0)
        return inbox.ask(len, said), threading.get_ident()

    length, thread = await asyncio.to_thread(ask)
    assert length == 1
    assert thread != threading.get_ident()


async def test_ask_on_the_loop_is_a_call() -> None:
    """An `async def` handler asks in the loop's own thread: no dead lock."""
    inbox = Inbox(asyncio.get_running_loop(), lambda: None)
    said: list[str] = []
    inbox.post(said.append, "first")
    assert inbox.on_loop
    assert inbox.ask(len, said) == 1


async def test_a_fault_takes_nobodys_turn() -> None:
    """A call that raises is told to the loop; those after it are made."""
    loop = asyncio.get_running_loop()
    told: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    said: list[str] = []
    inbox = Inbox(loop, lambda: said.append("settled"))
    inbox.post(lambda: 1 // 0)
    inbox.post(said.append, "next")
    await asyncio.sleep(0)
    assert said == ["next", "settled"]
    assert [type(exc) for exc in told] == [ZeroDivisionError]


async def test_no_memory_to_wake_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was posted waits; whoever posts or wakes next wakes it, for all that waits."""
    loop = asyncio.get_running_loop()
    said: list[str] = []
    inbox = Inbox(loop, lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_soon_threadsafe", _no_memory)
        inbox.post(said.append, "first")
    await asyncio.sleep(0)
    assert said == []
    inbox.wake()
    await asyncio.sleep(0)
    assert said == ["first"]
    wakes: list[object] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *_, **__: wakes.append(1))
    inbox.wake()
    assert wakes == [], "nothing waits"


def _no_memory(*_: object, **__: object) -> None:
    raise MemoryError
