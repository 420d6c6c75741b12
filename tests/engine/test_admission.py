"""Which calls get in."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ivrbench.config import CallLimit, Settings
from ivrbench.engine.admission import Admission


def test_no_limits_let_everybody_in() -> None:
    """The default has no limit and no list of networks."""
    admission = Admission(Settings())
    assert all(admission.check("203.0.113.9", 10_000, 5.0) is None for _ in range(1000))
    assert admission.refused == 0


@pytest.mark.parametrize(
    ("source", "gets_in"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::1", True), ("::1", False)],
)
def test_allow_from(source: str, gets_in: bool) -> None:
    """Calls come from the networks of `allow_from` only."""
    networks = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    refusal = Admission(Settings(allow_from=networks)).check(source, 0, 0.0)
    assert (refusal is None) == gets_in
    if refusal is not None:
        assert (refusal.code, refusal.headers) == (403, ())
        assert source in refusal.sentence


def test_session_limit() -> None:
    """A call beyond `session_limit` is refused with its code, and told when to come again."""
    admission = Admission(Settings(session_limit=CallLimit(2, 486, "Full")))
    assert admission.check("::1", 1, 0.0) is None
    refusal = admission.check("::1", 2, 0.0)
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (486, "Full")
    assert refusal.headers == (("Retry-After", "2"),)
    assert refusal.sentence == "at limit: 2 calls are up (session_limit)"


def test_cps_limit_is_of_any_one_second() -> None:
    """Only calls that got in count, and only those of the last second."""
    admission = Admission(Settings(cps_limit=CallLimit(2)))
    answers = [admission.check("::1", 0, at) is None for at in (0.0, 0.5, 0.9, 1.0, 1.2, 1.5)]
    assert answers == [True, True, False, True, False, True]
    assert admission.refused == 2


def test_draining() -> None:
    """An engine on its way out takes nobody in."""
    admission = Admission(Settings())
    admission.draining = True
    refusal = admission.check("::1", 0, 0.0)
    assert refusal is not None
    assert (refusal.code, refusal.headers) == (503, (("Retry-After", "30"),))
