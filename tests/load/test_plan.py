"""How many calls, how fast, how long."""

from __future__ import annotations

from typing import Any

import pytest

from ivrbench.errors import ConfigError
from ivrbench.load.plan import LoadPlan

URI = "sip:menu@127.0.0.1"


def test_calls_last_as_long_as_keeps_all_of_them_up() -> None:
    """500 at once, 50 new ones a second: each lasts 10 s."""
    assert LoadPlan(uri=URI, at_once=500, rate_per_s=50).lasts_s == 10
    assert LoadPlan(uri=URI, at_once=500, rate_per_s=50, call_s=3).lasts_s == 3


def test_what_is_due() -> None:
    """The first call at once, one each tenth of a second, none after the time."""
    plan = LoadPlan(uri=URI, rate_per_s=10, for_s=2)
    assert [plan.due(after_s) for after_s in (0, 0.05, 0.1, 1.95, 2.0, 9.0)] == [
        1,
        1,
        2,
        20,
        20,
        20,
    ]


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"at_once": 0}, "--calls"),
        ({"rate_per_s": 0.0}, "--rate"),
        ({"for_s": -1.0}, "--for"),
        ({"call_s": -1.0}, "--call-s"),
        ({"rate_per_s": float("nan")}, "--rate"),
    ],
)
def test_numbers_that_make_no_sense(wrong: dict[str, Any], option: str) -> None:
    """The sentence names the option."""
    with pytest.raises(ConfigError, match=option):
        LoadPlan(uri=URI, **wrong)
