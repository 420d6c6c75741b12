"""Transaction: state, timers and the step through a table, for all four machines (RFC 3261 §17)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .fsm import Action, Event, State, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .core import Core
    from .flow import Flow
    from .timers import Timer
    from .trace import CallLabel
    from .transactions import Transactions

__all__ = ["Transaction"]


class Transaction:
    """State, timers and the step through the table: what all four machines share."""

    __slots__ = (
        "_interval_s",
        "_last",
        "_linger_s",
        "_resend_timer",
        "_table",
        "_timer",
        "_transactions",
        "call",
        "core",
        "flow",
        "key",
        "state",
    )
    _DO: ClassVar[dict[Action, Callable[..., None]]]

    def __init__(
        self, transactions: Transactions, key: Hashable, table: Table, flow: Flow, linger_s: float
    ) -> None:
        self._transactions = transactions
        self.core: Core = transactions.core
        self.key = key
        self.flow = flow
        self.call: CallLabel | None = None
        self.state = next(iter(table))
        self._table = table
        self._last = b""
        self._linger_s = 0.0 if flow.reliable else linger_s
        self._interval_s = 0.0
        self._resend_timer: Timer | None = None
        self._timer: Timer | None = None
        self.core.watch_flow(flow, self)

    def step(self, event: Event, now: float) -> bool:
        """Feed one event to the machine.

        Returns:
            False if the state has no use for it: nothing happened.
        """
        entry = self._table[self.state].get(event)
        if entry is None:
            return False
        self.state, actions = entry
        for action in actions:
            self._DO[action](self, now)
        if self.state is State.TERMINATED:
            self._end()
        return True

    def stop(self, now: float) -> None:
        """End it at once and silently; late messages are strays then."""
        self._stop_timers(now)
        self.state = State.TERMINATED
        self._end()

    def on_flow_failed(self, flow: Flow, now: float) -> None:
        """The connection is gone, or a send failed."""
        self.step(Event.TRANSPORT_ERROR, now)

    def _end(self) -> None:
        raise NotImplementedError

    def _send(self, now: float) -> None:
        self.core.send(self._last, self.flow, now, self.call)

    def _resend(self, now: float) -> None:
        if self._last:
            self.core.send(self._last, self.flow, now, self.call, retransmission=True)

    def _start_resend(self, now: float) -> None:
        # RFC 3261 §17.1.1.2, §17.1.2.2, §17.2.1: a reliable transport needs no timer A, E, G.
        if not self.flow.reliable:
            self._run_resend(self.core.settings.timers.t1_s, now)

    def _run_resend(self, interval_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._resend_timer = self.core.timers.start(
            interval_s, self.step_timer, Event.TIMER_RESEND, now
        )

    def step_timer(self, event: Event, now: float) -> None:
        """A timer fired."""
        self.step(event, now)

    def _back_off(self, now: float) -> None:
        # RFC 3261 §17.1.2.2, §17.2.1: E and G double up to T2; A overrides this: it has no cap.
        self._run_resend(min(2 * self._interval_s, self.core.settings.timers.t2_s), now)

    def _slow_down(self, now: float) -> None:
        self._run_resend(self.core.settings.timers.t2_s, now)

    def _start_give_up(self, now: float) -> None:
        self._start_timer(self.core.settings.timers.give_up_s, Event.TIMER_GIVE_UP, now)

    def _start_timer(self, delay_s: float, event: Event, now: float) -> None:
        self._timer = self.core.timers.start(delay_s, self.step_timer, event, now)

    def _linger(self, now: float) -> None:
        if self._linger_s:
            self._start_timer(self._linger_s, Event.TIMER_LINGER, now)
        else:
            self.step(Event.TIMER_LINGER, now)

    def _linger_2xx(self, now: float) -> None:
        # RFC 6026 §7.1, §7.2: timers L and M are 64*T1 over every transport.
        self._start_timer(self.core.settings.timers.give_up_s, Event.TIMER_LINGER, now)

    def _stop_timers(self, now: float) -> None:
        self.core.timers.stop(self._resend_timer)
        self.core.timers.stop(self._timer)
        self._resend_timer = self._timer = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key!r} {self.state}>"
