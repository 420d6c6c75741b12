"""Argument lists of all generations of the API (ivr-api §2.3, §11)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.scriptapi.compat import fit_arguments

if TYPE_CHECKING:
    from collections.abc import Callable


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Handlers:
    def none(self) -> None: ...
    def one(self, a: object) -> None: ...
    def one_default(self, a: object = None) -> None: ...
    def two(self, a: object, b: object) -> None: ...
    def three(self, a: object, b: object, c: object) -> None: ...
    def any(self, *args: object) -> None: ...
    def keyword(self, a: object, *, b: int = 1) -> None: ...

    @_wrapped
    def decorated_one(self, a: object) -> None: ...

    @staticmethod
    def static_none() -> None: ...

    partial = staticmethod(functools.partial(print))
    builtin = max
    number = 5


@pytest.mark.parametrize(
    ("handler", "gets"),
    [
        ("none", ()),
        ("one", ("hdrs",)),
        ("one_default", ()),
        ("any", ()),
        ("decorated_one", ("hdrs",)),
        ("static_none", ()),
        ("keyword", ("hdrs",)),
        ("two", ()),
        ("partial", ()),
        ("number", ()),
    ],
)
def test_on_session_start(handler: str, gets: tuple[object, ...]) -> None:
    """No argument since 1.5, the headers before; today's form whenever it fits."""
    assert fit_arguments(getattr(Handlers(), handler), (), ("hdrs",)) == gets


@pytest.mark.parametrize(
    ("handler", "gets"),
    [
        ("one", ("reply",)),
        ("one_default", ("reply",)),
        ("two", ("req", "reply")),
        ("any", ("req", "reply")),
        ("three", ("req", "reply")),
        ("decorated_one", ("reply",)),
        ("builtin", ("req", "reply")),
    ],
)
def test_on_sip_reply(handler: str, gets: tuple[object, ...]) -> None:
    """Request and reply since 1.7, the reply alone before; `*args` gets today's form."""
    assert fit_arguments(getattr(Handlers(), handler), ("req", "reply"), ("reply",)) == gets
