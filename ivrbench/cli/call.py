"""`ivrbench call`: the test phone without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.config import Settings, load_settings
from ivrbench.phone import agent
from ivrbench.phone.options import CallOptions

from .arguments import DEFAULT_CONFIG
from .sockets import running_engine

if TYPE_CHECKING:
    import argparse

__all__ = ["call"]


def call(options: argparse.Namespace) -> int:
    """Make one call and tell on stdout what happens.

    Returns:
        the exit code: 0 answered, 1 refused, 2 options, 3 nobody there, 130 interrupted.

    Raises:
        ConfigError: the settings cannot be used.
    """
    config = options.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    settings = load_settings(config) if config else Settings()
    return agent.run(
        CallOptions(
            target=options.target,
            keys=options.keys,
            keys_by=options.keys_by,
            wav=options.wav,
            loop_wav=options.loop_wav,
            tone_hz=options.tone,
            record=options.record,
            for_s=options.for_s,
            sound=options.sound,
            control_socket=options.control_socket or settings.control_socket or running_engine(),
            listen=settings.listeners,
            json=options.json,
            from_workbench=options.from_workbench,
        )
    )
