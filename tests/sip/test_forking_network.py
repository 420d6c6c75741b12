"""A call of ours to three phones over a network that loses, doubles and reorders: every schedule
must come to an end, and no more than one phone may have the call.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.sip.events import Event, InviteReceived
from ivrbench.sip.hunt import Place
from ivrbench.sip.invite import CallState
from ivrbench.sip.settings import EndpointSettings, MergedRequestPolicy

from .test_network import AFTER_EVERYTHING_S, DELAYS, FATES, Story

if TYPE_CHECKING:
    from collections.abc import Sequence

PHONES = ("menu", "two", "three")
ANSWERS = st.lists(
    st.sampled_from(["accept", "reject", "ring", "early", "nothing"]), min_size=3, max_size=3
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["caller", *PHONES]),
        st.sampled_from("bye cancel reinvite drop reject accept ring early".split()),
        st.floats(min_value=0, max_value=40, allow_nan=False),
    ),
    max_size=8,
)
TURNS = st.lists(st.integers(0, 2), min_size=2, max_size=2)
# All three phones are one endpoint: what reaches it is one request by several paths.
AGREED = EndpointSettings(merged_request_policy=MergedRequestPolicy.ACCEPT)


class ForkedStory(Story):
    """One call to three phones, the second and third in their turn, each with that many ways."""

    def __init__(
        self,
        fates: Sequence[Sequence[float]],
        answers: Sequence[str],
        *,
        secret: bool,
        turns: Sequence[int] = (0, 0),
        n_ways: int = 1,
    ) -> None:
        super().__init__(fates, "", AGREED, secret=secret)
        self._answers = dict(zip(PHONES, answers, strict=True))
        self.calls["caller"] = call = self.network.call()
        for name, turn in zip(PHONES[1:], turns, strict=True):
            ways = [Place(f"sip:{name}@192.0.2.2:5060", call.dialog.flow)] * n_ways
            self.network.ends["caller"].also_invite(call, ways, turn, now=0.0)

    def act(self, who: str, what: str, now: float) -> None:
        # A phone does what the called side of a call can do.
        story_role = "caller" if who == "caller" else "called"
        call = self.calls.get(who)
        if call is None:
            return
        kept = self.calls.get(story_role)
        self.calls[story_role] = call
        super().act(story_role, what, now)
        del self.calls[story_role]
        if kept is not None:
            self.calls[story_role] = kept

    def _on_event(self, who: str, event: Event, now: float) -> None:
        if not isinstance(event, InviteReceived):
            super()._on_event(who, event, now)
            return
        phone = event.request.user
        self.calls.setdefault(phone, event.call)
        if event.call is self.calls[phone]:
            self.act(phone, self._answers[phone], now)
        else:
            event.call.reject(486, now=now)

    @property
    def up(self) -> list[str]:
        """Who is in the call."""
        return [name for name, call in self.calls.items() if call.state is CallState.CONNECTED]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    fates=FATES,
    answers=ANSWERS,
    actions=ACTIONS,
    secret=st.booleans(),
    turns=TURNS,
    n_ways=st.integers(1, 2),
)
def test_every_schedule_ends(
    fates: list[list[float]],
    answers: list[str],
    actions: list[tuple[str, str, float]],
    secret: bool,
    turns: list[int],
    n_ways: int,
) -> None:
    """One outcome for the caller, nothing left anywhere, whatever the network does."""
    story = ForkedStory(fates, answers, secret=secret, turns=turns, n_ways=n_ways)
    for who, what, when in actions:
        story.network.at(when, partial(story.act, who, what))
    for who in ("caller", *PHONES):
        story.network.at(60.0, partial(story.act, who, "bye"))
    story.network.run(AFTER_EVERYTHING_S)
    for name, end in story.network.ends.items():
        stats = end.stats()
        left = (stats.calls, stats.server_transactions, stats.client_transactions, stats.timers)
        assert left == (0, 0, 0, 0), (name, stats)
    assert story.calls["caller"].state is CallState.DISCONNECTED
    assert story.ends["caller"] == 1
    assert all(count == 1 for count in story.answers.values())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    fates=st.lists(st.lists(DELAYS, min_size=1, max_size=2), min_size=1, max_size=40),
    answers=ANSWERS,
    turns=TURNS,
)
def test_one_phone_has_the_call(
    fates: list[list[float]], answers: list[str], turns: list[int]
) -> None:
    """Where nothing is lost: one phone that answers has the call, all others are left alone."""
    story = ForkedStory(fates, answers, secret=False, turns=turns)
    story.network.run(50.0)
    if "accept" in answers:
        assert len(story.up) == 2, story.up
        assert "caller" in story.up
    else:
        assert story.up == []
    ringing = (CallState.EARLY, CallState.PROCEEDING, CallState.TRYING)
    left = [name for name, call in story.calls.items() if call.state in ringing]
    assert not ("accept" in answers and left)
