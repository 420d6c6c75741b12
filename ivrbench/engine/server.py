"""The engine process: one loop, its signals and its exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from ivrbench.clock import SystemClock
from ivrbench.errors import ConfigError, EngineGone, MediaError

from .engine import Engine
from .signalling.transports import PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.config.settings import Settings

__all__ = ["serve"]

log = logging.getLogger("ivrbench.engine")

GC_THRESHOLDS: Final = (10_000, 10, 10)
"""A call leaves some 50 objects in cycles: the oldest are looked through every 10 000 calls, not
every 70, which spares pauses of 100 ms; what waits meanwhile is about 100 MB at most."""
SWITCH_INTERVAL_S: Final = 0.001
"""How long a script's thread may compute before it gives way: 5 ms, Python's own, are added to the
loop's every turn by each thread that computes."""
EXIT_OK: Final = 0
EXIT_CONFIG: Final = 2
EXIT_NO_PORT: Final = 3
EXIT_INTERRUPTED: Final = 130


def serve(
    settings: Settings,
    ready: Callable[[Engine], None] | None = None,
    leash: int | None = None,
) -> int:
    """Run an engine until it is told to stop.

    SIGTERM and SIGINT drain it (a second one ends it at once), SIGHUP loads all scripts again,
    SIGUSR1 and SIGUSR2 call `onUser1` and `onUser2` of every session.

    Args:
        settings: what to serve and where.
        ready: called once calls can come in.
        leash: descriptor of a pipe from the workbench whose engine this is; when it ends without
            a byte the workbench was killed, and this engine drains.

    Returns:
        the exit code: 0 told to stop, 2 configuration, 3 no port, 130 interrupted twice.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # uvloop is an optional speed-up; it does not exist for every platform.
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    except ImportError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            return runner.run(_serve(settings, ready, leash))
        except (PortTaken, MediaError, EngineGone) as exc:
            log.error("%s", exc)
            return EXIT_NO_PORT
        except ConfigError as exc:
            log.error("%s", exc)
            return EXIT_CONFIG
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED


async def _serve(
    settings: Settings, ready: Callable[[Engine], None] | None, leash: int | None
) -> int:
    engine = Engine(settings, asyncio.get_running_loop(), SystemClock())
    interrupted = 0

    def interrupt() -> None:
        nonlocal interrupted
        interrupted += 1
        if interrupted == 1:
            engine.drain()
        else:
            engine.stop()

    try:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, interrupt)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGHUP, engine.reload)
        loop.add_signal_handler(signal.SIGUSR1, engine.board.tell_all, "onUser1")
        loop.add_signal_handler(signal.SIGUSR2, engine.board.tell_all, "onUser2")
        if leash is not None:
            loop.add_reader(leash, _feel_leash, engine, loop, leash)
        # After the signals: whoever sees the control socket may end us from that moment on.
        await engine.open()
        _spare_the_collector()
        log.info("ready: %d scripts can be called", len(engine.registry.names()))
        if ready is not None:
            ready(engine)
        await engine.ended()
    finally:
        await engine.close()
    return EXIT_INTERRUPTED if interrupted > 1 else EXIT_OK


def _feel_leash(engine: Engine, loop: asyncio.AbstractEventLoop, leash: int) -> None:
    """The workbench let go of us (a byte), or it is gone (the end)."""
    loop.remove_reader(leash)
    if not os.read(leash, 1):
        log.info("the workbench is gone: this engine ends with its last call")
        engine.drain()


def _spare_the_collector() -> None:
    """What start-up made lives as long as the process: it need not be looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
