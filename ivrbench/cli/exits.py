"""Exit codes: they are part of the interface."""

from __future__ import annotations

from typing import Final

__all__ = ["CHECK_FAILED", "CONFIG", "ENGINE", "INTERRUPTED", "OK"]

OK: Final = 0
CHECK_FAILED: Final = 1  # a script does not load; `call`: refused
CONFIG: Final = 2  # ivr.conf or the command line cannot be used
ENGINE: Final = 3  # no port, or the engine ended
INTERRUPTED: Final = 130  # 128 + SIGINT
