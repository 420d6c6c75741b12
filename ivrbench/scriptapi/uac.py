"""IvrUAC: calls that a script places."""

from __future__ import annotations

from typing import NoReturn

from ivrbench.scriptapi.ivr import not_yet

__all__ = ["IvrUAC"]


class IvrUAC:
    """Starts outgoing calls (ivr-api §3.7)."""

    def dialout(self, *args: object) -> NoReturn:
        """Start a session of an application and send its INVITE.

        Raises:
            NotImplementedError: always, in this version.
        """
        not_yet("IvrUAC.dialout")
