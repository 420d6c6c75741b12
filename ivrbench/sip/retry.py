"""InviteRetry: why an INVITE of ours goes out a second time: a challenge, an interval too small,
another target, glare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .auth import Attempts
from .call_state import CallState
from .dialog import next_hop_flow
from .events import Redirected, ResponseReceived
from .redirect import Targets, is_address
from .uri import parse_uri

if TYPE_CHECKING:
    from .branch import Branch
    from .core import Core
    from .dialog import Dialog
    from .flow import Flow
    from .invite import InviteCall
    from .message import SipResponse
    from .timers import Timer
    from .uri import SipUri

__all__ = ["InviteRetry"]

_UNANSWERED = (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY)
# RFC 3261 §14.1, in hundredths of a second: 2.1 to 4 s for the owner of the Call-ID, else 0 to 2 s.
_CALLER_WAIT = (210, 400)
_CALLED_WAIT = (0, 200)


class InviteRetry:
    """The tries of one INVITE at one place.

    Args:
        branch: what goes out again.
        call: its call.
        core: the endpoint's shared state.
        seed: the dialog-to-be the first try was sent with.

    Attributes:
        tries: how often it was sent.
        waiting: the refusal after which it waits to go out again; None while it does not.
    """

    __slots__ = (
        "_attempts",
        "_branch",
        "_call",
        "_core",
        "_glares",
        "_seed",
        "_targets",
        "_timer",
        "tries",
        "waiting",
    )

    def __init__(self, branch: Branch, call: InviteCall, core: Core, seed: Dialog) -> None:
        self._branch = branch
        self._call = call
        self._core = core
        self._seed = seed
        self._attempts = Attempts()
        self._targets: Targets | None = None
        self._glares = 0
        self._timer: Timer | None = None
        self.tries = 0
        self.waiting: SipResponse | None = None

    def take(self, response: SipResponse, now: float) -> bool:
        """Take a refusal, or what stands for one; True if the INVITE went out again, or will."""
        call, invite = self._call, self._branch
        up = call.state in _UNANSWERED if invite.initial else call.state is CallState.CONNECTED
        if invite.cancelled or not up:
            return False
        code = response.code
        if code in (401, 407):
            again = call.auth is not None and call.auth.take(response, self._attempts)
        elif code == 422:
            again = call.requests.session.raise_interval(response)
        elif not invite.initial:
            return code == 491 and self._wait_for_glare(response, now)
        else:
            again = False
        if again:
            invite.send_again(now)
            return True
        return invite.initial and self._try_elsewhere(response, now)

    def _try_elsewhere(self, response: SipResponse, now: float) -> bool:
        """Go to the next target; a 6xx is the word of them all."""
        limit = self._core.settings.max_redirects
        if 300 <= response.code < 400 and limit:
            if self._targets is None:
                self._targets = Targets(self._seed.remote_target, limit)
            self._targets.add(response)
        if self._targets is None or response.code >= 600:
            return False
        uri = self._targets.next()
        if uri is None:
            return False
        parsed = parse_uri(uri)
        if self._seed.route_set:
            # The outbound proxy leads there, as it led to the first target.
            self.go(uri, self._seed.flow, now)
        elif is_address(parsed) and not self._comes_back(there := self._flow_to(parsed)):
            self.go(uri, there, now)
        else:
            self.waiting = response
            self._core.events.append(Redirected(self._call, self._branch.request, response, uri))
            self._seed.remote_target = uri
        return True

    def _flow_to(self, uri: SipUri) -> Flow:
        return next_hop_flow(uri, self._seed.flow)

    def _comes_back(self, flow: Flow) -> bool:
        """True for an address of ours: who is there, only the user of the endpoint knows."""
        shown = (self._core.settings.public_host, flow.local[1])
        return flow.remote in (flow.local, shown)

    def go(self, uri: str, flow: Flow, now: float) -> None:
        """Send the INVITE to another target."""
        self.waiting = None
        # RFC 3261 §8.1.3.4: same Call-ID, To and From tag; new Request-URI, CSeq number, branch.
        self._seed.remote_target = uri
        self._seed.flow, self._seed.flow_lost = flow, False
        self._branch.send_again(now)

    def _wait_for_glare(self, response: SipResponse, now: float) -> bool:
        if self._glares >= self._core.settings.glare_retries:
            return False
        self._glares += 1
        self.waiting = response
        self._start(now)
        return True

    def _start(self, now: float) -> None:
        first, last = _CALLER_WAIT if self._call.is_caller else _CALLED_WAIT
        wait_s = (first + self._core.tokens.below(last - first + 1)) / 100
        self._timer = self._core.timers.start_odd(wait_s, self._over, None, now)

    def _over(self, _: None, now: float) -> None:
        call = self._call
        if call.incoming.pending is not None or call.offer_sent or call.offer_received:
            self._start(now)
            return
        self.waiting = None
        self._branch.send_again(now)

    def overtaken(self) -> None:
        """A re-INVITE of the other side came through while ours waited: ours is out of date."""
        response = self.stop()
        if response is not None:
            event = ResponseReceived(self._call, self._branch.request, response)
            self._core.events.append(event)

    def stop(self) -> SipResponse | None:
        """Do not send it again; gives the refusal it waited after, if it did."""
        self._core.timers.stop(self._timer)
        response, self.waiting = self.waiting, None
        return response
