"""Hypothesis strategies for events: any sequence, sensible or not."""

from __future__ import annotations

import typing
from typing import Any

from hypothesis import strategies as st

from ivrbench.observe.events import Event, Stamped
from ivrbench.observe.inspection import AttributeChanged, InspectedValue
from ivrbench.observe.memory import MemoryUser

__all__ = ["events", "stamped_lists"]

_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "leg": st.sampled_from(["c1", "c1b", "c2", "c3", ""]),
    "callid": st.sampled_from(["t1", "t2"]),
    "pair": st.sampled_from(["", "c1"]),
    "script": st.sampled_from(["menu", "mailbox", ""]),
    "generation": st.integers(0, 4),
    "serving_generation": st.integers(0, 4),
    "item": st.integers(0, 4),
    "call": st.integers(0, 3),
    "key": st.integers(-1, 20),
    "level": st.integers(-1, 5),
    "line": st.integers(0, 5),
    "state": st.sampled_from(["trying", "early", "up", "held", "ending", "odd"]),
    "phone": st.sampled_from(["p1", "p2"]),
    "peer": st.sampled_from(["test phone", "sip:bob@10.0.0.8", ""]),
}
_VALUES: st.SearchStrategy[InspectedValue] = st.builds(
    InspectedValue,
    st.text(max_size=6),
    st.lists(st.tuples(st.text(max_size=3), st.builds(InspectedValue, st.text(max_size=3)))).map(
        lambda parts: tuple(parts[:2])
    ),
)
_CHANGES = st.builds(
    AttributeChanged,
    st.sampled_from(["self.keys", "self.state", "dialog.cseq", "timers.1", "odd"]),
    st.none() | _VALUES,
    st.text(max_size=4),
)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    bytes: st.binary(max_size=12),
    bool: st.booleans(),
    int: st.integers(-1, 70_000),
    float: st.floats(-100, 1e6),
    tuple[str, ...]: st.lists(st.text(max_size=5), max_size=2).map(tuple),
    tuple[AttributeChanged, ...]: st.lists(_CHANGES, max_size=3).map(tuple),
    tuple[MemoryUser, ...]: st.lists(
        st.builds(MemoryUser, st.sampled_from(["menu@3", "odd"]), st.integers(0, 5)), max_size=2
    ).map(tuple),
    tuple[tuple[str, int], ...]: st.lists(
        st.tuples(st.sampled_from(["onDtmf", "onBye"]), st.integers(0, 5)), max_size=2
    ).map(tuple),
}


def _of_class(event: type[Event]) -> st.SearchStrategy[Event]:
    hints = typing.get_type_hints(event)
    return st.builds(
        event,
        **{name: _BY_NAME.get(name, _BY_TYPE[hint]) for name, hint in hints.items()},
    )


events: st.SearchStrategy[Event] = st.one_of([_of_class(e) for e in typing.get_args(Event)])
"""Any event, with legs and scripts from a small set so that events meet."""


def stamped_lists(max_size: int = 40) -> st.SearchStrategy[list[Stamped]]:
    """Lists of events numbered from 1, a tenth of a second apart."""
    return st.lists(events, max_size=max_size).map(
        lambda some: [Stamped(n, 1e9 + n / 10, event) for n, event in enumerate(some, 1)]
    )
