"""The file of users: who may call, and with which password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError

from .syntax import read_pairs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_users"]


def read_users(path: Path) -> dict[str, str]:
    """Read `name = password` lines, written as in `ivr.conf`.

    Args:
        path: the file.

    Returns:
        password by user name.

    Raises:
        ConfigError: it cannot be read, has a line that is none, or has nobody in it.
    """
    users = {}
    for pair in read_pairs(path):
        if not pair.value:
            raise ConfigError("the password is missing", file=pair.file, line=pair.line)
        users[pair.key] = pair.value
    if not users:
        raise ConfigError("there is no user in it: nobody could call", file=str(path))
    return users
