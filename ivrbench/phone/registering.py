"""Registering: the phone at a registrar, so that it is called by an address of its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from ivrbench.sip.auth import DigestClient
from ivrbench.sip.compose import make_contact
from ivrbench.sip.events import RequestTimedOut, ResponseReceived
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.register import Registration, RegistrationState, registrar_of
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import RandomTokens
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivrbench.sip.auth import Credentials
    from ivrbench.sip.endpoint import Endpoint
    from ivrbench.sip.events import Event
    from ivrbench.sip.flow import Flow
    from ivrbench.sip.message import SipRequest
    from ivrbench.sip.tokens import Tokens

__all__ = ["Registering"]

EXPIRES_S: Final = 120
"""A phone that is killed is not called for longer."""


class Registering:
    """One address of record, bound to this phone while it waits.

    Args:
        endpoint: sends the requests.
        uri: the address, `sip:anna@example.org`; its registrar is its host.
        flow: the way there.
        credentials: name and password.
        tokens: where Call-IDs come from; None: the system's randomness.
        now: seconds, monotonic; the first REGISTER is due at once.

    Raises:
        RemoteProtocolError: the address cannot be read.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        uri: str,
        flow: Flow,
        credentials: Credentials,
        *,
        tokens: Tokens | None = None,
        now: float,
    ) -> None:
        self._endpoint = endpoint
        self._uri = parse_uri(uri)
        self._flow = flow
        tokens = tokens or RandomTokens()
        self._auth = DigestClient(credentials, tokens)
        self._machine = Registration(uuid.uuid4().urn, tokens, expires_s=EXPIRES_S, now=now)
        self._sent: SipRequest | None = None

    @property
    def is_over(self) -> bool:
        """True after leaving, once nothing is bound and no answer is due."""
        return self._machine.state is RegistrationState.IDLE and self._machine.deadline() is None

    def deadline(self) -> float | None:
        """When a REGISTER is due."""
        return self._machine.deadline()

    def on_deadline(self, now: float) -> None:
        """Send it if it is due."""
        due_s = self._machine.deadline()
        if due_s is None or now < due_s:
            return
        contact = make_contact(self._flow, self._uri.user, EndpointSettings())
        headers = self._machine.request_headers(parse_name_addr(contact).uri)
        party = f"<{self._address}>"
        self._sent = self._endpoint.send_request(
            "REGISTER",
            str(registrar_of(self._uri)),
            self._flow,
            party,
            party,
            headers,
            now=now,
            call_id=self._machine.call_id,
            cseq=self._machine.cseq,
            auth=self._auth,
        )

    def leave(self, now: float) -> None:
        """Take the binding back."""
        self._machine.leave(now)

    def take(self, event: Event, now: float) -> str | None:
        """Take what became of a REGISTER.

        Returns:
            None if the event is about something else, else a sentence, "" if nothing is new.
        """
        if not isinstance(event, ResponseReceived | RequestTimedOut):
            return None
        if self._sent is None or event.request is not self._sent:
            return None
        before = self._machine.state
        if isinstance(event, RequestTimedOut):
            self._machine.on_no_response("no answer", now)
        else:
            self._machine.on_response(event.response, now)
        state = self._machine.state
        if state is RegistrationState.REGISTERED:
            new = before is RegistrationState.REGISTERING
            return f"registered as {self._address}" if new else ""
        if state is RegistrationState.WAITING and self._machine.reason:
            return f"not registered as {self._address}: {self._machine.reason}"
        return ""

    @property
    def _address(self) -> str:
        return f"{self._uri.scheme}:{self._uri.user}@{self._uri.host}"
