"""An address of loopback that no other process has: tests run beside each other."""

from __future__ import annotations

import os

__all__ = ["OWN_IP"]

_PID = os.getpid()
OWN_IP = f"127.{64 + (_PID >> 16)}.{_PID >> 8 & 255}.{_PID & 255}"
"""From the number of this process, which has 22 bits at most."""
