"""Part: what belongs to one session and does not keep it alive.

A session has its parts; were they to hold it in turn, the memory of a call that is over would wait
for the garbage collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Part"]


class Part:
    """A part of a session.

    Args:
        session: whose; it outlives whatever is done here.
    """

    def __init__(self, session: Session) -> None:
        self._of = ref(session)

    @property
    def session(self) -> Session:
        """Whose part it is.

        Raises:
            ReferenceError: the call is over, and its session has been given back.
        """
        session = self._of()
        if session is None:
            raise ReferenceError("the call is over")
        return session

    @property
    def is_over(self) -> bool:
        """The call is over, and its session may have been given back."""
        session = self._of()
        return session is None or session.over
