"""Files of a leg: its ladder, and what its script recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.tui.outside import save_new
from ivrbench.tui.text import clock_time
from ivrbench.tui.views.ladder_files import ladder_file

if TYPE_CHECKING:
    from ivrbench.observe.ladder import Ladder
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.app import Workbench

__all__ = ["LADDERS", "export_recording", "recordings_of", "save_ladder"]

LADDERS: Final = (
    ("p", "pcap", "pcap: for Wireshark, tshark, sngrep"),
    ("t", "txt", "text, as it is shown"),
    ("m", "md", "Markdown, with every message"),
    ("v", "svg", "SVG picture"),
)
"""Key, extension and meaning of what a ladder can be saved as."""


def save_ladder(app: Workbench, legs: list[LegView], ladder: Ladder, extension: str) -> None:
    """Write the ladder of these legs beside where the workbench was started."""
    if not legs:
        app.say("there is no call to save", "warn")
        return
    at = clock_time(legs[0].at_s, app.model.zone).replace(":", "")
    _save(app, f"{legs[0].name}-{at}.{extension}", ladder_file(app.model, legs, ladder, extension))


def recordings_of(leg: LegView) -> list[str]:
    """Files of the recordings that are over, oldest first."""
    files = (item.enqueued.record for item in leg.items if item.is_over)
    return list(dict.fromkeys(file for file in files if file))


def export_recording(app: Workbench, file: str) -> None:
    """Copy a recording beside where the workbench was started."""
    path = Path(app.model.history.engine.script_path) / file  # an absolute one stays as it is
    try:
        data = path.read_bytes()
    except OSError as error:
        app.say(f"not saved: {error.strerror or error} ({path})", "bad")
    else:
        _save(app, path.name, data)


def _save(app: Workbench, name: str, data: bytes) -> None:
    try:
        path = save_new(Path.cwd(), name, data)
    except OSError as error:
        app.say(f"not saved: {error.strerror or error}", "bad")
    else:
        app.say(f"saved {path}", "ok")
