"""Waits: what `async def` handlers of one call wait for: prompts, recordings, keys.

Handlers of a call run one after the other, so while one of them waits the keys cannot come as
`onDtmf`; they are kept here for it, and given to `onDtmf` if it returns without having asked.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from ivrbench.observe.events import ApiCalled
from ivrbench.scriptapi.additions import KEYS
from ivrbench.scriptapi.ivr import HungUp

from .outcome import drop_frames
from .part import Part
from .scripts.line import script_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import IvrAudioFile

    from .outcome import Call
    from .session import Session

__all__ = ["Waits"]

_Result = TypeVar("_Result")


class _Key(NamedTuple):
    """One press that no handler has got yet."""

    key: int
    duration_ms: int
    because: str

    @property
    def name(self) -> str:
        return KEYS[self.key]


@dataclass(slots=True, eq=False)
class _Wait:
    """Somebody waits for an item to end, a key, or both."""

    future: asyncio.Future[None]
    keys: str
    """Keys that end it."""
    keeps_key: bool = False
    """The key stays for the next who wants one."""
    item: int = 0
    """The item that ends it, 0 for none."""
    pressed: str = ""
    """The key that stopped the item, which has not ended yet."""
    recorded_ms: int = 0
    is_hung_up: bool = False
    """The call ended before what it waits for."""
    where: tuple[str, int] = ("", 0)
    """File and line of the script."""

    async def end(self) -> None:
        """Wait for it.

        Raises:
            HungUp: the call is over.
        """
        await self.future
        if self.is_hung_up:  # not from the future: that and the exception would know each other
            raise HungUp("the call is over")

    def wants(self, key: str) -> bool:
        """Whether it is for this one."""
        return key in self.keys and not self.pressed and not self.future.done()


class Waits(Part):
    """`WaitPort` of one session; on the loop.

    Args:
        session: whose handlers wait.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._waiting: list[_Wait] = []
        self._typed: deque[_Key] = deque()
        self._call: Call | None = None
        """The handler that has waited: keys are its own until it returns."""
        self._ended: dict[int, int] = {}
        """Items of it that ended before it came to wait for them, with what was recorded."""

    # --- for the script -----------------------------------------------------------------------

    async def played(
        self, files: Callable[[], list[IvrAudioFile]], stop_on: str, *, keep_key: bool
    ) -> str:
        """Enqueue prompts and wait for the last of them to end, or for a key."""
        where = self._begin()
        if self._typed and self._typed[0].name in stop_on:
            return self._typed[0].name if keep_key else self._typed.popleft().name
        playlist = self.session.playlist

        def enqueue() -> list[int]:
            return [playlist.enqueue(file, None, where) for file in files()]

        numbers = await self._in_thread(enqueue)
        if not numbers:
            return ""
        return (await self._item(numbers[-1], stop_on, keep_key, where)).pressed

    async def recorded(
        self, file: Callable[[], IvrAudioFile], stop_on: str, silence_ms: int, *, closes: bool
    ) -> int:
        """Record until the file's limit, a key or silence; gives the milliseconds recorded."""
        where = self._begin()
        playlist = self.session.playlist

        def enqueue() -> tuple[IvrAudioFile, int]:
            to_record = file()
            return to_record, playlist.enqueue(None, to_record, where)

        to_record, number = await self._in_thread(enqueue)
        playlist.tape.await_silence(silence_ms)
        try:
            return (await self._item(number, stop_on, False, where)).recorded_ms
        finally:
            playlist.tape.await_silence(0)
            if closes:
                await self._in_thread(to_record.close)  # it is whole on disk then

    async def key(self, timeout_s: float) -> str:
        """The next key, "" if none comes in time."""
        self._begin()
        wait = self._wait(KEYS)
        board = self.session.board
        timer = board.loop.call_later(timeout_s, _end, wait, context=board.inbox.context)
        self._match()
        try:
            await wait.end()
        finally:
            timer.cancel()
            self._waiting.remove(wait)
        return wait.pressed

    # --- for the session ----------------------------------------------------------------------

    def take_key(self, key: int, duration_ms: int, because: str) -> bool:
        """A key came.

        Returns:
            False if no handler of this kind runs: `onDtmf` is to have it.
        """
        if self._call is None:
            return False
        if key < len(KEYS):
            self._typed.append(_Key(key, duration_ms, because))
            self._match()
        return True

    def item_ended(self, number: int, recorded_ms: int) -> bool:
        """An item of the playlist is over.

        Returns:
            True if such a handler runs: it knows, and needs no `onEmptyQueue`.
        """
        if self._call is None:
            return False
        self._ended[number] = recorded_ms
        wait = next((w for w in self._waiting if w.item == number), None)
        if wait is not None:
            wait.recorded_ms = recorded_ms
            _end(wait)
        return True

    def silent(self) -> None:
        """The caller has been silent for as long as a recording waits: it ends."""
        for wait in [w for w in self._waiting if w.item and not w.future.done()]:
            self._stop_item(wait, "silence")

    @property
    def is_in_use(self) -> bool:
        """A handler has waited and not returned yet."""
        return self._call is not None

    def handler_done(self, call: Call) -> None:
        """A handler has returned: keys it did not ask for go to `onDtmf`."""
        if call is not self._call:
            return
        self._call = None
        self._ended.clear()
        typed, self._typed = self._typed, deque()
        for press in typed:
            self.session.tell_key(*press)

    def hang_up(self) -> None:
        """The call is over: nobody waits any more."""
        for wait in self._waiting:
            wait.is_hung_up = True
            _end(wait)

    # --- inside -------------------------------------------------------------------------------

    def _begin(self) -> tuple[str, int]:
        """Check that waiting makes sense; gives the script's file and line."""
        session = self.session
        where = script_line(session.generation.files)
        leg = session.leg
        if session.over or leg.down:
            raise HungUp("the call is over")
        if session.media is None:
            if not leg.answered_s:
                raise RuntimeError("call answer() or early_media() before playing or recording")
            session.start_media(leg)  # onSessionStart waits for the handler that waits here
        self._call = session.mailbox.call
        session.inspector.look()
        session.mailbox.suspend()
        return where

    async def _item(
        self, number: int, stop_on: str, keeps_key: bool, where: tuple[str, int]
    ) -> _Wait:
        wait = self._wait(stop_on)
        wait.item, wait.keeps_key, wait.where = number, keeps_key, where
        if number in self._ended:
            wait.recorded_ms = self._ended[number]
            _end(wait)
        self._match()
        try:
            await wait.end()
        finally:
            self._waiting.remove(wait)
        return wait

    def _match(self) -> None:
        """Give keys to those who want them; an item that a key stops still has to end."""
        while self._typed:
            press = self._typed[0]
            wait = next((w for w in self._waiting if w.wants(press.name)), None)
            if wait is None:
                return
            if not wait.keeps_key:
                self._typed.popleft()
            wait.pressed = press.name
            if wait.item:
                self._stop_item(wait, press.because)
            else:
                _end(wait)

    def _stop_item(self, wait: _Wait, because: str) -> None:
        session, playlist = self.session, self.session.playlist
        playlist.because = because
        playlist.flush(ApiCalled(session.leg.name, "flush", "", *wait.where))
        playlist.post(setattr, playlist, "because", "")

    def _wait(self, keys: str) -> _Wait:
        if self.session.leg.down:
            raise HungUp("the call is over")
        wait = _Wait(self.session.board.loop.create_future(), keys)
        self._waiting.append(wait)
        return wait

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Read files away from the loop."""
        board = self.session.board
        future: asyncio.Future[_Result | None] = board.loop.create_future()
        problems: list[Exception] = []  # not in the future, for the reason above

        def run() -> None:
            try:
                result = work()
            except Exception as exc:  # the script gets it, and hears of its own lines
                drop_frames(exc)
                board.inbox.post(finish, None, exc)
            else:
                board.inbox.post(finish, result, None)

        def finish(result: _Result, problem: Exception | None) -> None:
            board.media.encoding -= 1
            if future.done():
                return
            if problem is not None:
                problems.append(problem)
            future.set_result(result)

        board.media.encoding += 1
        threading.Thread(target=run, name="prompts", daemon=True).start()
        result = await future
        if problems:
            raise problems.pop()
        return cast("_Result", result)


def _end(wait: _Wait) -> None:
    if not wait.future.done():
        wait.future.set_result(None)
