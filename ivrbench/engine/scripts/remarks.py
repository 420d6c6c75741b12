"""Remarks: what the log says of a script that loaded, besides that it did."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.engine.scripts.loader import Load

__all__ = ["tell_remarks"]

log = logging.getLogger("ivrbench.load")


def tell_remarks(load: Load) -> None:
    """Log what was done to the sources of a script, and what `lint` found in it."""
    extra = {"script": load.script}
    for source in load.own.sources:
        if source.tabs_expanded:
            log.warning(
                "%s mixes tabs and blanks; a tab is taken to the next multiple of 8",
                source.path.name,
                extra=extra,
            )
        if source.difference:
            log.warning(
                "%s is written for Python 2 and was converted:\n%s",
                source.path.name,
                source.difference,
                extra=extra,
            )
    for sentence in load.warnings:
        log.warning("%s", sentence, extra=extra)
