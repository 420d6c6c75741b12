"""Configuration: `ivr.conf` and the `NAME.conf` of scripts."""

from .parse import load_settings
from .settings import NEEDS_RESTART, Settings, differences
from .syntax import Pair, as_dict, read_pairs
from .users import read_users
from .values import Account, CallLimit, Listen, parse_listen

__all__ = [
    "NEEDS_RESTART",
    "Account",
    "CallLimit",
    "Listen",
    "Pair",
    "Settings",
    "as_dict",
    "differences",
    "load_settings",
    "parse_listen",
    "read_pairs",
    "read_users",
]
