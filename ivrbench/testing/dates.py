"""What scripts under test import as `datetime`: `now()` and `today()` are those of virtual time.

All other ways to make a date are the real ones, and so are the dates that come out. Nobody but
scripts gets this module: libraries in C and Rust look closely at what type a date is of.
"""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

from ivrbench.testing.threads import here

__all__ = ["DATETIME", "REAL_DATE", "REAL_DATETIME", "Date", "Datetime"]

REAL_DATE = datetime.date
REAL_DATETIME = datetime.datetime


# Any: what stands here takes and gives what the classes it stands for do.
class _Stands(type):
    """A class that stands for another: real dates are instances of it."""

    real: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real)


class Date(REAL_DATE, metaclass=_Stands):
    """`datetime.date` for scripts."""

    real = REAL_DATE

    def __new__(cls, *args: Any, **more: Any) -> Any:
        return REAL_DATE(*args, **more)

    @classmethod
    def today(cls) -> Any:
        threads = here()
        if threads is None:
            return REAL_DATE.today()
        return REAL_DATE.fromtimestamp(threads.clock.wall())


class Datetime(REAL_DATETIME, metaclass=_Stands):
    """`datetime.datetime` for scripts."""

    real = REAL_DATETIME

    def __new__(cls, *args: Any, **more: Any) -> Any:
        return REAL_DATETIME(*args, **more)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        threads = here()
        if threads is None:
            return REAL_DATETIME.now(tz)
        return REAL_DATETIME.fromtimestamp(threads.clock.wall(), tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(datetime.UTC).replace(tzinfo=None)


def _module() -> ModuleType:
    module = ModuleType("datetime", datetime.__doc__)
    vars(module).update(vars(datetime), date=Date, datetime=Datetime)
    return module


DATETIME = _module()
"""What `import datetime` gives a script."""
