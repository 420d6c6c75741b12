"""From readings to what may be mapped, who is let in and who is stopped."""

from __future__ import annotations

import pytest

from ivrbench.engine.memory.budget import (
    LOOK_S,
    MIB,
    SHORTEST_LOOK_S,
    Level,
    MemoryBudget,
    Reading,
)

LIMIT_MB = 1000
"""So calls are refused from 900 on and come in again below 850; the reserve goes up to 1250."""


def mb(used: float, data: float = 3000) -> Reading:
    """A reading in MiB; much more is mapped than used, as threads' stacks are."""
    return Reading(int(used * MIB), int(data * MIB))


def test_levels() -> None:
    """Each level is left at less than it is entered at, so that it does not change all the time."""
    budget = MemoryBudget(LIMIT_MB * MIB)
    used = [100, 899, 900, 860, 849, 860, 900, 1100, 1124, 1125, 1001, 999, 851, 849, 1200, 100]
    levels = [budget.look(mb(each)).level.value for each in used]
    assert levels == [
        *("roomy", "roomy", "full", "full", "roomy", "roomy", "full", "full", "full", "spent"),
        *("spent", "full", "full", "roomy", "spent", "roomy"),
    ]


@pytest.mark.parametrize(
    ("used", "data", "may_mb"),
    [(100, 3000, 4150), (900, 3500, 3850), (1100, 3000, 3150), (1250, 3000, 3000), (1300, 9, 9)],
)
def test_as_much_as_is_left_may_be_mapped(used: float, data: float, may_mb: int) -> None:
    """The system's limit lies above what is mapped by what is left, and the reserve."""
    look = MemoryBudget(LIMIT_MB * MIB).look(mb(used, data))
    assert look.data_limit_bytes == may_mb * MIB


def test_a_small_limit_has_a_reserve_that_helps() -> None:
    """A quarter of little a script has filled before it can be stopped."""
    budget = MemoryBudget(128 * MIB)
    assert budget.look(mb(100)).data_limit_bytes == (3000 + 28 + 64) * MIB
    assert budget.look(mb(128 + 31)).level is Level.FULL
    assert budget.look(mb(128 + 32)).level is Level.SPENT


def test_scripts_are_stopped_at_the_limit() -> None:
    """Not before: what is there they may use."""
    budget = MemoryBudget(LIMIT_MB * MIB)
    assert [budget.look(mb(each)).is_over for each in (100, 999, 1000, 1200, 999)] == [
        *(False, False, True, True, False)
    ]


def test_looks_come_closer_to_each_other() -> None:
    """No thread gets from one look to the next over what is left."""
    budget = MemoryBudget(LIMIT_MB * MIB)
    times_s = [budget.look(mb(each)).next_s for each in (100, 900, 990, 1100)]
    assert times_s == [
        *(LOOK_S, pytest.approx(0.07, abs=0.001), SHORTEST_LOOK_S, SHORTEST_LOOK_S),
    ]
