"""Somebody the engine calls: rings, answers or refuses when a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.testing.callee import Invited

from .harness import CALLER, Bench, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.sip import events as sip
    from ivrbench.sip.flow import Address
    from ivrbench.sip.invite import InviteCall

__all__ = ["Callee", "install_router"]


def install_router(bench: Bench) -> dict[str, list[Address]]:
    """The names that there are; put in what is wanted."""
    return bench.engine.names


class Callee(Caller, Invited):
    """A user agent that the engine calls.

    Args:
        bench: the engine.
        address: where it is.
        rtp_port: where its audio is.
        answers: what it does with an INVITE by itself, None for nothing.
    """

    def __init__(
        self,
        bench: Bench,
        address: tuple[str, int] = CALLER,
        rtp_port: int = 40_000,
        answers: Callable[[Callee, InviteCall], None] | None = None,
    ) -> None:
        self._answers = answers
        super().__init__(bench, address, rtp_port)

    @property
    def last_body(self) -> str:
        """The engine's offer."""
        return self.invite_request.body_text()

    def provisional(self, code: int, *, described: bool = False, **how: object) -> None:
        """Send a 1xx, with a session description or without."""
        body = self.sdp() if described else b""
        kind = "application/sdp" if body else ""
        self.do(lambda call, now: call.provisional(code, "", (), body, kind, now=now, **how))  # type: ignore[arg-type]

    def accept(self, body: bytes | None = None) -> None:
        """Answer the call."""
        self.do(lambda call, now: self._accept(call, now, body))

    def _accept(self, call: InviteCall, now: float, body: bytes | None = None) -> None:
        body = self.sdp() if body is None else body
        call.accept((), body, "application/sdp" if body else "", now=now)

    def refuse(self, code: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse the call."""
        self.do(lambda call, now: call.reject(code, "", headers, now=now))

    def accepts(self, call: InviteCall) -> None:
        """Answer at once; for `answers`."""
        self._accept(call, self.bench.clock.now())

    def rings(self, call: InviteCall) -> None:
        """Ring; for `answers`."""
        call.provisional(180, now=self.bench.clock.now())

    def refuses(self, code: int) -> Callable[[Callee, InviteCall], None]:
        """Refuse at once; for `answers`."""
        return lambda _, call: call.reject(code, now=self.bench.clock.now())

    def _take_call(self, event: sip.InviteReceived, now: float) -> None:
        self._begin(event)  # unlike a telephone it takes any number of calls
        if self._answers is not None:
            self._answers(self, event.call)
