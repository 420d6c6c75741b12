"""Two endpoints joined by a network that loses, doubles and reorders: every schedule must come to
an end.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.events import (
    CallEnded,
    Event,
    InviteReceived,
    ReinviteReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.invite import CallState, InviteCall
from ivrbench.sip.refer import ReferProgress, refer_headers
from ivrbench.sip.settings import EndpointSettings, RefreshMethod

from .helpers import SDP, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

# Long enough for INVITE, 2xx without ACK, BYE and CANCEL to give up one after another (64*T1 each).
AFTER_EVERYTHING_S = 400.0
DELAYS = st.sampled_from([0.0, 0.01, 0.3, 0.7, 2.0, 6.0])
FATES = st.lists(st.lists(DELAYS, max_size=2), min_size=1, max_size=40)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["caller", "called"]),
        st.sampled_from(
            "bye cancel reinvite info update refer drop reject accept ring early".split()
        ),
        st.floats(min_value=0, max_value=40, allow_nan=False),
    ),
    max_size=8,
)
# Session intervals of a few seconds, so that refreshes and their loss fall within the story.
SETTINGS = st.sampled_from(
    [
        EndpointSettings(),
        EndpointSettings(supported=()),
        EndpointSettings(session_expires_s=12, min_session_expires_s=6),
        EndpointSettings(
            session_expires_s=12,
            min_session_expires_s=6,
            session_refresh_method=RefreshMethod.INVITE,
        ),
    ]
)


class Story:
    """One call over one network, with what both users do to it."""

    def __init__(
        self,
        fates: Sequence[Sequence[float]],
        answer: str,
        agreed: EndpointSettings | None = None,
        *,
        secret: bool = False,
    ) -> None:
        self.network = Network(
            lambda number: fates[number % len(fates)], self._on_event, agreed, secret=secret
        )
        self.calls: dict[str, InviteCall] = {}
        self.ends: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self._answer = answer

    def act(self, who: str, what: str, now: float) -> None:
        call = self.calls.get(who)
        if call is None:
            return
        try:
            match what:
                case "bye":
                    call.bye(now=now)
                case "cancel":
                    call.cancel(now=now)
                case "reinvite":
                    call.reinvite(SDP, now=now)
                case "info":
                    call.request("INFO", now=now)
                case "update":
                    call.request("UPDATE", body=SDP, content_type="application/sdp", now=now)
                case "refer":
                    call.request("REFER", refer_headers("<sip:desk@192.0.2.3>"), now=now)
                case "early" if who == "called":
                    kind = "application/sdp"
                    call.provisional(183, body=SDP, content_type=kind, now=now)
                case "drop":
                    call.drop(now=now)
                case "ring" if who == "called":
                    call.provisional(180, now=now)
                case "reject" if who == "called":
                    call.reject(486, now=now)
                case "accept" if who == "called":
                    call.accept(body=SDP, content_type="application/sdp", now=now)
        except LocalProtocolError:
            pass  # The user asked for something the state does not allow, and was told.

    def _on_event(self, who: str, event: Event, now: float) -> None:
        match event:
            case InviteReceived(call=call):
                # A copy of an INVITE that comes after its transaction died is a new call; the first
                # one counts.
                self.calls.setdefault(who, call)
                if call is self.calls[who]:
                    self.act(who, self._answer, now)
                else:
                    call.reject(486, now=now)
            case ReinviteReceived(call=call, request=request):
                call.respond(request, 200, body=SDP, content_type="application/sdp", now=now)
            case RequestReceived(call=InviteCall() as call, request=request) if (
                request.method == "REFER"
            ):
                ReferProgress(call, request, now=now).report(200, now=now)
            case RequestReceived(call=InviteCall() as call, request=request):
                call.respond(request, 200, now=now)
            case ResponseReceived(request=request) | RequestTimedOut(request=request):
                self.answers[who + request.via.branch] += 1
            case CallEnded(call=call):
                assert call.state is CallState.DISCONNECTED
                if call is self.calls.get(who):
                    self.ends[who] += 1
            case _:
                pass


def play(
    fates: Sequence[Sequence[float]],
    answer: str,
    actions: Sequence[tuple[str, str, float]],
    agreed: EndpointSettings,
    secret: bool,
) -> Story:
    story = Story(fates, answer, agreed, secret=secret)
    story.calls["caller"] = story.network.call()
    for who, what, when in actions:
        story.network.at(when, partial(story.act, who, what))
    # Whatever happened, both users hang up in the end.
    for who in ("caller", "called"):
        story.network.at(60.0, partial(story.act, who, "bye"))
    story.network.run(AFTER_EVERYTHING_S)
    return story


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    fates=FATES,
    answer=st.sampled_from(["accept", "reject", "ring", "early", "bye", "nothing"]),
    actions=ACTIONS,
    agreed=SETTINGS,
    secret=st.booleans(),
)
def test_every_schedule_ends(
    fates: list[list[float]],
    answer: str,
    actions: list[tuple[str, str, float]],
    agreed: EndpointSettings,
    secret: bool,
) -> None:
    """No stuck call or transaction, one end per call, one outcome per request, whatever the network
    does.
    """
    story = play(fates, answer, actions, agreed, secret)
    for name, end in story.network.ends.items():
        stats = end.stats()
        left = (stats.calls, stats.server_transactions, stats.client_transactions, stats.timers)
        assert left == (0, 0, 0, 0), (name, stats)
        assert end.deadline() is None
    for who, call in story.calls.items():
        assert call.state is CallState.DISCONNECTED
        assert story.ends[who] == 1
    assert all(count == 1 for count in story.answers.values())


def test_perfect_network_connects() -> None:
    """Without loss the story is the one of the RFC's first page."""
    story = Story([[0.01]], "accept")
    story.calls["caller"] = story.network.call()
    story.network.run(5.0)
    assert {call.state for call in story.calls.values()} == {CallState.CONNECTED}
    caller, called = story.calls["caller"].dialog, story.calls["called"].dialog
    assert (caller.local_tag, caller.remote_tag) == (called.remote_tag, called.local_tag)


def test_heavy_loss_still_connects() -> None:
    """Two packets of three lost: retransmission brings the call up all the same."""
    story = Story([[], [], [0.02]], "accept")
    story.calls["caller"] = story.network.call()
    story.network.run(30.0)
    assert {call.state for call in story.calls.values()} == {CallState.CONNECTED}


def test_password_and_early_media_through_loss() -> None:
    """Every second packet lost, a password asked for, the description in a reliable 183: the call
    comes up.
    """
    story = Story([[], [0.02]], "early", secret=True)
    story.calls["caller"] = story.network.call()
    story.network.at(8.0, partial(story.act, "called", "accept"))
    story.network.run(40.0)
    assert {call.state for call in story.calls.values()} == {CallState.CONNECTED}
