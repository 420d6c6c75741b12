"""The log's lines."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from ivrbench import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.logs import LogLine


@pytest.fixture(autouse=True)
def _undo() -> Iterator[None]:
    logger = logging.getLogger("ivrbench")
    before = (logger.handlers[:], logger.propagate, logger.level)
    yield
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def test_line_has_time_level_source_and_leg() -> None:
    """A line reads from left to right: when, how bad, where, which call, what."""
    stream = io.StringIO()
    logs.configure(2, stream)
    log = logging.getLogger("ivrbench.sip")
    logs.for_leg(log, "c12", "menu").info("INVITE from %s", "bob")
    log.debug("not shown")
    line = stream.getvalue()
    assert line[8] == "."
    assert line[12:] == " INFO  sip    c12 INVITE from bob\n"


def test_traceback_is_indented_below() -> None:
    """A traceback belongs to its line and does not look like a line of its own."""
    stream = io.StringIO()
    logs.configure(3, stream)
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("ivrbench.script").exception("onDtmf raised")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR script onDtmf raised")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == "    KeyError: 'x'"


def test_tee_gets_every_line_until_it_is_ended() -> None:
    """The workbench's log and stderr show the same lines."""
    logs.configure(1, io.StringIO())
    seen: list[LogLine] = []
    end = logs.tee(seen.append)
    log = logs.for_leg(logging.getLogger("ivrbench.rtp"), "c3")
    log.warning("late")
    logs.set_level(0)
    log.warning("below the level")
    end()
    log.error("after the end")
    assert [(line.level, line.source, line.leg, line.text) for line in seen] == [
        (1, "rtp", "c3", "late")
    ]
