"""Account flows: the ways an account of ours keeps open to its provider at once (RFC 5626 §4)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.observe.events import RegistrationChanged
from ivrbench.sip.register import RegistrationState

from .binding import Binding

if TYPE_CHECKING:
    from ivrbench.config.values import Account
    from ivrbench.sip.flow import Flow

    from .registrations import Registrations

__all__ = ["AccountFlows"]

log = logging.getLogger("ivrbench.sip")


class AccountFlows:
    """One account: its first binding, and further ones once the registrar tells them apart.

    Args:
        owner: what all accounts share.
        account: whom to register.
        starts_s: when; the engine's clock.

    Attributes:
        account: as given.
        bindings: by reg-id, from 1.

    Raises:
        RemoteProtocolError: its URI cannot be read.
    """

    def __init__(self, owner: Registrations, account: Account, starts_s: float) -> None:
        self.account = account
        self._owner = owner
        self._shown: RegistrationChanged | None = None
        self.bindings = [Binding(owner, self, 1, starts_s)]

    @property
    def live(self) -> Binding | None:
        """The first binding that calls can come by, None while there is none."""
        return next((each for each in self.bindings if each.machine.bound), None)

    def is_taken(self, flow: Flow, by_others_than: Binding) -> bool:
        """True if another binding leads to the same server, so that this flow adds nothing."""
        for each in self.bindings:
            if each is by_others_than or each.flow is None:
                continue
            # RFC 5626 §4.3: two proxies that were named are two, even on one machine; the
            # transports and ports of one server are not.
            same_name = each.route == by_others_than.route
            if each.flow.remote == flow.remote or (
                same_name and each.flow.remote[0] == flow.remote[0]
            ):
                return True
        return False

    def changed(self, binding: Binding) -> None:
        """A binding is in another state."""
        up = [each for each in self.bindings if each.machine.bound]
        for each in self.bindings:
            each.machine.backed_up = bool(up) and up != [each]
        self._show()
        machine = binding.machine
        if machine.state is RegistrationState.REGISTERED and machine.takes_flows:
            self._extend()

    def leave(self, after_s: float = 0.0) -> None:
        """Take all bindings back."""
        for each in self.bindings:
            each.leave(after_s)

    def _extend(self) -> None:
        """Open the flows that are still missing."""
        if self._owner.is_leaving:
            return
        now, wanted = self._owner.board.now(), self._owner.flows_wanted
        if not self._owner.has_proxies:
            # Thousands of accounts at one server need no second binding each to find that out.
            wanted = min(wanted, self.bindings[0].servers)
        for each in self.bindings:
            each.look_again()
        for reg_id in range(len(self.bindings) + 1, wanted + 1):
            binding = Binding(self._owner, self, reg_id, now)
            self.bindings.append(binding)
            self._owner.add(binding)
            binding.arm()

    def _show(self) -> None:
        best = (self.live or self.bindings[0]).machine
        reason = best.reason
        if best.bound:
            down = [each for each in self.bindings if each.machine.reason]
            reason = "; ".join(f"way {e.machine.reg_id}: {e.machine.reason}" for e in down)
        state = best.state.value
        changed = RegistrationChanged(self.account.uri, state, reason, best.expires_s)
        if changed == self._shown:
            return
        tell = log.warning if best.state is RegistrationState.WAITING else log.info
        before = self._shown
        if before is None or (before.state, before.reason) != (state, reason):
            tell("%s: %s%s", self.account.uri, state, f": {reason}" if reason else "")
        self._shown = changed
        self._owner.board.publish(changed)
