"""ReliableProvisionals: 1xx responses of ours that are repeated until their PRACK (RFC 3262 §3)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .headers import parse_rack

if TYPE_CHECKING:
    from collections.abc import Callable

    from .core import Core
    from .message import SipRequest
    from .reply import Reply
    from .server_transaction import ServerTransaction
    from .timers import Timer

__all__ = ["ReliableProvisionals"]

MAX_FIRST_RSEQ = 2**30  # RFC 3262 §3: the first is chosen at random below 2**31, then one up each.


class ReliableProvisionals:
    """The reliable provisional responses to one INVITE: one on its way, the others in line.

    Args:
        core: the endpoint's shared state.
        request, transaction: the INVITE and how it is answered.
        on_give_up: called once if a PRACK does not come within 64*T1.

    Attributes:
        described: True once one of them had a body: the offer or the answer.
    """

    __slots__ = (
        "_core",
        "_cseq",
        "_data",
        "_give_up_timer",
        "_interval_s",
        "_line",
        "_on_give_up",
        "_rseq",
        "_resend_timer",
        "_transaction",
        "_unacknowledged",
        "described",
        "offers",
    )

    def __init__(
        self,
        core: Core,
        request: SipRequest,
        transaction: ServerTransaction,
        on_give_up: Callable[[None, float], None],
    ) -> None:
        self.described = False
        self.offers = not request.description
        self._core = core
        self._cseq = request.cseq
        self._transaction = transaction
        self._on_give_up = on_give_up
        self._rseq = core.tokens.below(MAX_FIRST_RSEQ)
        self._line: deque[Reply] = deque()
        self._unacknowledged: Reply | None = None
        self._data = b""
        self._interval_s = 0.0
        self._resend_timer: Timer | None = None
        self._give_up_timer: Timer | None = None

    @property
    def blocks_2xx(self) -> bool:
        """RFC 3262 §3: no 2xx while a response with a description waits for its PRACK."""
        waiting = self._unacknowledged
        return (waiting is not None and bool(waiting.body)) or any(r.body for r in self._line)

    @property
    def offer_open(self) -> bool:
        """True while our offer in one of them has no answer."""
        return self.offers and self.blocks_2xx

    def send(self, reply: Reply, now: float) -> None:
        """Send one, or put it in line behind the one on its way."""
        self.described = self.described or bool(reply.body)
        if self._unacknowledged is not None:
            # RFC 3262 §3: not before the PRACK of the one before.
            self._line.append(reply)
            return
        self._unacknowledged = reply
        self._rseq += 1
        more = f"Require: 100rel\r\nRSeq: {self._rseq}\r\n"
        self._data = reply.send(self._transaction, now, more)
        timers = self._core.timers
        give_up_s = self._core.settings.timers.give_up_s
        self._give_up_timer = timers.start(give_up_s, self._give_up, None, now)
        self._interval_s = self._core.settings.timers.t1_s
        self._resend_timer = timers.start(self._interval_s, self._resend, None, now)

    def take(self, prack: SipRequest, now: float) -> bool:
        """Take a PRACK; False if it acknowledges nothing that waits.

        Raises:
            RemoteProtocolError: 400, no readable RAck.
        """
        rack = parse_rack(prack.header("rack"))
        waits = self._unacknowledged is not None
        if not waits or (rack.rseq, rack.cseq, rack.method) != (self._rseq, self._cseq, "INVITE"):
            return False
        self._unacknowledged = None
        self._stop_timers()
        if self._line and not self._transaction.answered:
            self.send(self._line.popleft(), now)
        return True

    def stop(self) -> None:
        """A final response was sent, or the call is over: nothing is repeated any more.

        A PRACK for the last one is still taken.
        """
        self._stop_timers()
        self._line.clear()
        self.offers = False

    def _stop_timers(self) -> None:
        self._core.timers.stop(self._resend_timer)
        self._core.timers.stop(self._give_up_timer)

    def _resend(self, _: None, now: float) -> None:
        transaction = self._transaction
        self._core.send(self._data, transaction.flow, now, transaction.call, retransmission=True)
        # RFC 3262 §3: doubling without T2 as a cap.
        self._interval_s *= 2
        self._resend_timer = self._core.timers.start(self._interval_s, self._resend, None, now)

    def _give_up(self, _: None, now: float) -> None:
        self.stop()
        self._unacknowledged = None
        self._on_give_up(None, now)
