"""Where in its sources a script is calling from."""

from __future__ import annotations

import sys

__all__ = ["script_line"]


def script_line(files: dict[str, str]) -> tuple[str, int]:
    """Where in its sources the script is calling from: file and line, ("", 0) if from elsewhere."""
    frame = sys._getframe(2)
    while frame is not None:
        file = files.get(frame.f_code.co_filename)
        if file is not None:
            return file, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return "", 0
