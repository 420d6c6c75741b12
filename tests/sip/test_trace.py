"""The observer: every message, in the order of the wire, with its call, its reason, and copies
marked.
"""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import InviteReceived
from ivrbench.sip.message import SipRequest
from ivrbench.sip.tokens import CountingTokens

from .helpers import SDP, UDP, request

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.trace import MessageSeen


def brief(seen: MessageSeen) -> tuple[bool, str, bool, bool]:
    first = seen.data.split(b"\r\n")[0].decode("utf-8", "replace")
    what = first.split()[1] if seen.data.startswith(b"SIP/2.0") else first.split()[0]
    return seen.sent, what, seen.call is not None, seen.retransmission


def play(endpoint: Endpoint) -> InviteCall:
    """A copied INVITE, a repeated 2xx, a copied ACK, garbage and a refusal."""
    invite = request("INVITE", branch="1", body=SDP)
    endpoint.receive(invite, UDP, 0.0)
    endpoint.receive(invite, UDP, 0.1)
    event = endpoint.next_event()
    assert isinstance(event, InviteReceived)
    event.call.accept(now=0.2)
    endpoint.on_deadline(0.8)
    ack = request("ACK", branch="a", to_tag=event.call.dialog.local_tag)
    endpoint.receive(ack, UDP, 0.9)
    endpoint.receive(ack, UDP, 1.0)
    endpoint.receive(b"garbage", UDP, 1.1)
    endpoint.receive(request("REGISTER", branch="r"), UDP, 1.2)
    return event.call


def test_observer() -> None:
    """Direction, call and retransmission flag of every message, in the order of the wire."""
    ladder: list[MessageSeen] = []
    play(Endpoint(tokens=CountingTokens(), observer=ladder.append))
    assert [brief(seen) for seen in ladder] == [
        (False, "INVITE", True, False),
        (True, "100", True, False),
        (False, "INVITE", True, True),
        (True, "100", True, True),
        (True, "200", True, False),
        (True, "200", True, True),
        (False, "ACK", True, False),
        (False, "ACK", True, True),
        (False, "garbage", False, False),
        (False, "REGISTER", False, False),
        (True, "405", False, False),
    ]


def test_observer_reasons() -> None:
    """What was refused says why; what could be parsed is there; time never goes back."""
    ladder: list[MessageSeen] = []
    call = play(Endpoint(tokens=CountingTokens(), observer=ladder.append))
    assert ladder[0].call is call.label
    assert isinstance(ladder[0].message, SipRequest)
    assert ladder[8].message is None
    assert "not a SIP message" in ladder[8].refused
    assert "REGISTER" in ladder[9].refused
    assert ladder[4].refused == ""
    assert [seen.at for seen in ladder] == sorted(seen.at for seen in ladder)


def test_call_that_is_over() -> None:
    """What comes after a call is its own still, and the trace does not keep the call."""
    ladder: list[MessageSeen] = []
    endpoint = Endpoint(tokens=CountingTokens(), observer=ladder.append)
    endpoint.receive(request("INVITE", branch="1", body=SDP), UDP, 0.0)
    event = endpoint.next_event()
    assert isinstance(event, InviteReceived)
    event.call.label.name = "c1"
    event.call.reject(404, now=0.1)
    tag, call = event.call.dialog.local_tag, weakref.ref(event.call)
    while endpoint.next_event() is not None:
        pass
    del event
    gc.collect()
    assert call() is None
    endpoint.receive(request("ACK", branch="1", to_tag=tag), UDP, 0.2)
    assert [brief(seen)[1] for seen in ladder] == ["INVITE", "100", "404", "ACK"]
    assert {seen.call.name for seen in ladder if seen.call} == {"c1"}
    assert all(seen.call for seen in ladder)
