"""Argument checks with the errors a script author expects: TypeError, naming the argument."""

from __future__ import annotations

import operator

__all__ = ["need_int", "need_number", "need_str"]


def need_str(function: str, position: int, value: object) -> str:
    """Return `value` if it is a str.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, str):
        raise _wrong(function, position, "str", value)
    return value


def need_int(function: str, position: int, value: object) -> int:
    """Return `value` as an int; a float is refused.

    Raises:
        TypeError: it is not a whole number.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]  # refused just below
    except TypeError:
        raise _wrong(function, position, "int", value) from None


def need_number(function: str, position: int, value: object) -> float:
    """Return `value` as a float.

    Raises:
        TypeError: it is neither int nor float.
    """
    if not isinstance(value, (int, float)):
        raise _wrong(function, position, "a number", value)
    return float(value)


def _wrong(function: str, position: int, wanted: str, value: object) -> TypeError:
    return TypeError(
        f"{function}() argument {position} must be {wanted}, not {type(value).__name__}"
    )
