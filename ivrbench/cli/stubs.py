"""`ivrbench --stubs`: tell editors and type checkers what scripts import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError
from ivrbench.scriptapi.stubs import write_stubs

from . import exits
from .arguments import settings_from

if TYPE_CHECKING:
    import argparse

__all__ = ["stubs"]


def stubs(options: argparse.Namespace) -> int:
    """Write `ivr.pyi` and `log.pyi` into the script folder, and print their names.

    Returns:
        the exit code.

    Raises:
        ConfigError: they cannot be written.
    """
    folder = settings_from(options).script_path
    try:
        for path in write_stubs(folder):
            print(path)
    except OSError as exc:
        raise ConfigError(f"{folder}: {exc.strerror or exc}", key="script_path") from exc
    return exits.OK
