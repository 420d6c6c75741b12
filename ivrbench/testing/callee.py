"""Callee: somebody a script under test calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.sip import events as sip
from ivrbench.testing.agent import UserAgent
from ivrbench.testing.party import Party

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.sip.message import SipRequest
    from ivrbench.testing.stage import Stage

__all__ = ["Callee", "Invited"]

__tracebackhide__ = True  # pytest shows the line of the test instead


class Invited(UserAgent):
    """A telephone that can be called, when it has no call.

    Attributes:
        invites: the INVITEs it took, the present call's last.
        is_taken: a test has asked for this call.
        cancelled: the caller gave up.
        acknowledged: our answer was.
    """

    is_taken = False
    cancelled = False
    acknowledged = False
    _is_over = False

    def __init__(self, *args: Any, **more: Any) -> None:  # those of UserAgent
        self.invites: list[SipRequest] = []
        super().__init__(*args, **more)

    @property
    def invite_request(self) -> SipRequest:
        """The INVITE of the present call."""
        return self.invites[-1]

    @property
    def waits(self) -> bool:
        """It was called, and no test has asked for the call yet."""
        return bool(self.invites) and not self.is_taken

    def _note(self, event: sip.Event, now: float) -> None:
        super()._note(event, now)
        if isinstance(event, sip.InviteReceived):
            self.got.append("INVITE")
            self._take_call(event, now)
        elif isinstance(event, sip.CancelReceived):
            self.cancelled = True
            self.got.append("CANCEL")
        elif isinstance(event, sip.AckReceived):
            self.acknowledged = True
            self.got.append("ACK")
        elif isinstance(event, sip.CallEnded) and event.call is self.call:
            self._is_over = True

    def _take_call(self, event: sip.InviteReceived, now: float) -> None:
        if self.call is not None and not self._is_over:
            event.call.reject(486, now=now)
        else:
            self._begin(event)

    def _begin(self, event: sip.InviteReceived) -> None:
        self.call = event.call
        self.invites.append(event.request)
        self.is_taken = self.cancelled = self.acknowledged = self._is_over = False
        self.mouth.open()


class Callee(Party):
    """The other end of a call that a script has made; given by `Caller.connects`."""

    def __init__(self, stage: Stage, agent: Invited) -> None:
        super().__init__(stage, agent, "callee")
        agent.is_taken = True
        self.invited = agent
        assert agent.call is not None, "it was called"
        self._call_id = agent.call.dialog.call_id

    @property
    def invite(self) -> SipRequest:
        """The INVITE that came."""
        return self.invited.invite_request

    def rings(self, code: int = 180, *, early_media: bool = False) -> None:
        """Let it ring.

        Args:
            code: 180, or 183.
            early_media: with a session description: we are heard already.
        """
        self._step(f"callee rings ({code})")
        body = self.agent.sdp() if early_media else b""
        kind = "application/sdp" if body else ""
        self.agent.act(lambda call, now: call.provisional(code, "", (), body, kind, now=now))
        self._stage.wait(0.1)

    def answer(self, *, within_s: float = 5.0) -> None:
        """Answer the call, and expect the ACK."""
        self._step("callee answers")
        body = self.agent.sdp()
        self.agent.act(lambda call, now: call.accept((), body, "application/sdp", now=now))
        if not self._expect(lambda: self.invited.acknowledged, within_s):
            self._fail(f"an ACK within {within_s:g} s", ", ".join(self.codes))

    def reject(
        self, code: int = 486, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Refuse the call."""
        self._step(f"callee refuses ({code})")
        self.agent.act(lambda call, now: call.reject(code, reason, headers, now=now))
        self._stage.wait(0.1)

    def is_given_up(self, *, within_s: float = 5.0) -> None:
        """Expect that the script stops calling before we answered."""
        if not self._stage.comes_true(lambda: self.invited.cancelled, within_s):
            self._fail(f"a CANCEL within {within_s:g} s", ", ".join(self.codes))

    def is_hung_up(self, *, within_s: float = 5.0) -> None:
        """Expect that the other side hangs up."""
        if not self._stage.comes_true(lambda: "BYE" in self.codes, within_s):
            self._fail(f"a BYE within {within_s:g} s", ", ".join(self.codes))
