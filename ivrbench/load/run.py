"""Run: an engine of our own that calls out, again and again, until the time is over."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.config import Listen, Settings
from ivrbench.engine import server
from ivrbench.engine.uac import dial_out
from ivrbench.scriptapi.uac import DialRequest

from .figures import Figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.engine.engine import Engine
    from ivrbench.engine.switchboard import Switchboard

    from .plan import LoadPlan

__all__ = ["Load", "run"]

CALLER: Final = "load_caller"
TURN_S: Final = 0.005
"""Between two looks at what is due."""
MAX_A_TURN: Final = 50
"""Calls begun in one turn of the loop: answers are not kept waiting for the rest."""
PROGRESS_S: Final = 1.0
NO_ANSWER_S: Final = 30.0
PORTS: Final = (40_000, 65_000)
"""Where a server on the same machine, with the ports of `ivr.conf`, has none."""


def run(plan: LoadPlan, host: str, tell: Callable[[Figures, float], None]) -> Figures:
    """Place the calls and wait for the last one; ctrl+c lets those that are up end.

    Args:
        plan: what to do.
        host: our own address.
        tell: called each second with the figures so far and the seconds since the start.

    Raises:
        ConfigError: a setting cannot be used.
    """
    low, high = PORTS
    caller = Path(str(resources.files("ivrbench.load") / "caller"))
    settings = Settings(
        script_path=caller,
        watch=False,
        sip_ip=host,
        listen=(Listen("udp", host, 0), Listen("tcp", host, 0)),
        rtp_low_port=low,
        rtp_high_port=high,
        max_shutdown_time=math.ceil(plan.lasts_s + NO_ANSWER_S),
    )
    figures = Figures()

    def begin(engine: Engine) -> None:
        engine.hub.on_event = figures.take
        Load(engine.board, plan, figures, tell, engine.stop).begin()

    server.serve(settings, ready=begin)
    return figures


class Load:
    """The calls of one run. Everything happens on the engine's loop.

    Args:
        board: the engine that calls.
        plan: what to do.
        figures: gets all events of that engine.
        tell: as in `run`.
        done: called when the last call is over.
    """

    def __init__(
        self,
        board: Switchboard,
        plan: LoadPlan,
        figures: Figures,
        tell: Callable[[Figures, float], None],
        done: Callable[[], None],
    ) -> None:
        self._board = board
        self._plan = plan
        self._figures = figures
        self._tell = tell
        self._done = done
        self._began_s = 0.0
        self._told_s = 0.0
        self._params = {
            "call_s": str(plan.lasts_s),
            "keys": plan.keys,
            "wav": str(plan.wav.absolute()) if plan.wav else "",
        }

    def begin(self) -> None:
        """Place the first call, and go on from there."""
        self._began_s = self._board.now()
        self._turn()

    def _turn(self) -> None:
        after_s = self._board.now() - self._began_s
        if after_s - self._told_s >= PROGRESS_S:
            self._told_s = after_s
            self._tell(self._figures, after_s)
        if after_s < self._plan.for_s and not self._board.admission.draining:
            self._place_due(after_s)
        elif not self._figures.live:
            self._done()
            return
        self._board.loop.call_later(TURN_S, self._turn)

    def _place_due(self, after_s: float) -> None:
        figures, plan = self._figures, self._plan
        missing = min(plan.due(after_s) - figures.placed, plan.at_once - figures.live, MAX_A_TURN)
        for _ in range(missing):
            self._place()
        if missing > 0:
            self._board.settle()

    def _place(self) -> None:
        request = DialRequest(
            application=CALLER,
            r_uri=self._plan.uri,
            session_params=self._params,
            login=self._plan.login,
            no_answer_s=NO_ANSWER_S,
        )
        dial_out(self._board, request)
