"""Answer: our 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .core import Core
    from .server_transaction import ServerTransaction
    from .timers import Timer

__all__ = ["Answer"]


class Answer:
    """One 2xx waiting for its ACK.

    Args:
        core: the endpoint's shared state.
        transaction: the INVITE's.
        data: the 2xx as sent.
        wants_sdp: True if the 2xx holds the offer, so that the ACK must bring the answer.
        on_give_up: called once if no ACK comes within 64*T1.
        now: the time.
    """

    __slots__ = (
        "_core",
        "_data",
        "_give_up_timer",
        "_interval_s",
        "_resend_timer",
        "_transaction",
        "wants_sdp",
    )

    def __init__(
        self,
        core: Core,
        transaction: ServerTransaction,
        data: bytes,
        wants_sdp: bool,
        on_give_up: Callable[[Answer, float], None],
        now: float,
    ) -> None:
        self._core = core
        self._transaction = transaction
        self._data = data
        self.wants_sdp = wants_sdp
        timers = core.settings.timers
        self._interval_s = timers.t1_s
        # RFC 3261 §13.3.1.4: over every transport, as a hop further on may be unreliable.
        self._resend_timer: Timer = core.timers.start(self._interval_s, self._resend, None, now)
        self._give_up_timer: Timer = core.timers.start(timers.give_up_s, on_give_up, self, now)

    def stop(self) -> None:
        """The ACK came, or the call is over."""
        self._core.timers.stop(self._resend_timer)
        self._core.timers.stop(self._give_up_timer)
        # The transaction lingers for 64*T1 and must not keep the call alive that long.
        self._transaction.owner = None

    def _resend(self, _: None, now: float) -> None:
        transaction = self._transaction
        self._core.send(self._data, transaction.flow, now, transaction.call, retransmission=True)
        self._interval_s = min(2 * self._interval_s, self._core.settings.timers.t2_s)
        self._resend_timer = self._core.timers.start(self._interval_s, self._resend, None, now)
