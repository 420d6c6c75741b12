"""The bench of the engine's tests, for runs in virtual time."""

from tests.engine.calls.conftest import make_bench

__all__ = ["make_bench"]
