"""What all tests share: hypothesis without clock and dice, so that a run is like any other."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline and the check for slow examples would measure the machine; random examples would make
# a red run hard to repeat.
settings.register_profile(
    "ivrbench",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ivrbench")
