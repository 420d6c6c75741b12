"""SilenceWatch: tells a developer of a caller that sends no audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.sip.flow import host_port

from ..part import Part

if TYPE_CHECKING:
    import asyncio

    from ..session import Session

__all__ = ["SilenceWatch"]

NO_AUDIO_S: Final = 3.0
"""A caller that sends nothing for so long from the start has trouble a developer wants to see."""


class SilenceWatch(Part):
    """Shows a warning at the leg until the first packet comes.

    Args:
        session: whose audio.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Audio is expected from now on."""
        self._timer = self.session.board.loop.call_later(NO_AUDIO_S, self._warn)

    def broken(self) -> None:
        """The first packet came."""
        self.stop()
        self.session.take_back(self._text())

    def stop(self) -> None:
        """Nothing is expected any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _warn(self) -> None:
        self._timer = None
        session = self.session
        if not session.warning and not session.leg.down:
            session.warn(self._text())

    def _text(self) -> str:
        agreement = self.session.leg.agreement
        where = host_port(*agreement.remote_rtp) if agreement is not None else "nowhere"
        return f"no audio in {NO_AUDIO_S:g} s: nothing came from {where}, the address in the SDP"
