"""What all tests share: hypothesis without clock and dice, so that a run is like any other."""

from __future__ import annotations

from hypothesis import settings

# A deadline would measure the machine; random examples would make a red run hard to repeat.
settings.register_profile("ivrbench", deadline=None, derandomize=True, database=None)
settings.load_profile("ivrbench")
