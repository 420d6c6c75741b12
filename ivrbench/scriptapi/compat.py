"""What lets scripts of every generation of the API run unmodified (ivr-api §11)."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import Final

__all__ = ["accepts", "fit_arguments"]

_CO_VARARGS: Final = 0x04


def fit_arguments(
    handler: object, newest: tuple[object, ...], oldest: tuple[object, ...]
) -> tuple[object, ...]:
    """Choose the arguments of the API generation a handler was written for.

    `onSessionStart` had one argument up to 1.4 and has none since; `onSipReply` had one and has
    two since 1.7. The newest form is taken whenever it fits, so `*args` and defaults get it.

    Args:
        handler: the bound handler.
        newest: arguments of today's form.
        oldest: arguments of the old form.
    """
    if accepts(handler, len(newest)) or not accepts(handler, len(oldest)):
        return newest
    return oldest


def accepts(handler: object, count: int) -> bool:
    """Whether the handler can be called with this many positional arguments."""
    function = handler
    if isinstance(handler, MethodType):
        function, count = handler.__func__, count + 1
    if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
        code = function.__code__
        if code.co_kwonlyargcount == 0:
            most = code.co_argcount
            least = most - len(function.__defaults__ or ())
            return least <= count and (count <= most or bool(code.co_flags & _CO_VARARGS))
    return _signature_accepts(function, count)


def _signature_accepts(function: object, count: int) -> bool:
    """The slow way, for anything that is not a plain function."""
    if not callable(function):
        return True  # calling it will tell
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True  # a built-in without a signature
    return True
