"""`ivrbench call`: the test phone without a screen."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.config.users import read_users
from ivrbench.errors import ConfigError, RemoteProtocolError
from ivrbench.phone import agent
from ivrbench.phone.callee import read_answers
from ivrbench.phone.level_test import run_level_test
from ivrbench.phone.options import CallOptions
from ivrbench.sip.uri import parse_uri

from .arguments import settings_of_file
from .save_test import save_test
from .sockets import engine_socket

if TYPE_CHECKING:
    import argparse

    from ivrbench.config import Settings

__all__ = ["call", "login_of"]

PASSWORD_VARIABLE: Final = "IVRBENCH_PASSWORD"
"""Not an option: everybody on the machine can read the command line of a process."""


def call(options: argparse.Namespace) -> int:
    """Make one call and tell on stdout what happens.

    Returns:
        the exit code: 0 answered, 1 refused, 2 options, 3 nobody there, 130 interrupted.

    Raises:
        ConfigError: the settings cannot be used.
        ControlError: the call cannot be saved as a test.
    """
    if options.level_test:
        return run_level_test(
            CallOptions(
                "",
                microphone=options.microphone,
                speaker=options.speaker,
                from_workbench=options.from_workbench,
            )
        )
    settings = settings_of_file(options)
    call_id = f"{secrets.token_hex(12)}@ivrbench" if options.save_test else ""
    control_socket = engine_socket(options, settings)
    if options.save_test and control_socket is None:
        raise ConfigError("--save-test: no engine runs here that could tell what the call was")
    chosen = _call_options(options, settings)
    code = agent.run(replace(chosen, call_id=call_id, control_socket=control_socket))
    if options.save_test and control_socket is not None:
        print(_save(control_socket, call_id, options), file=sys.stderr)
    return code


def _save(control_socket: Path, call_id: str, options: argparse.Namespace) -> str:
    said = options.wav or options.say
    if isinstance(said, Path) and said.resolve().is_relative_to(Path.cwd()):
        said = said.resolve().relative_to(Path.cwd())  # where pytest is run, too
    return save_test(
        control_socket, call_id, options.save_test, said=said, masks=options.mask_numbers
    )


def _call_options(options: argparse.Namespace, settings: Settings) -> CallOptions:
    user, password = login_of(options, settings)
    return CallOptions(
        target=options.target,
        register=options.register,
        answers=read_answers(options.wait) if options.wait else "",
        keys=options.keys,
        keys_by=options.keys_by,
        wav=options.wav,
        loop_wav=options.loop_wav,
        tone_hz=options.tone,
        say=options.say,
        language=options.language,
        record=options.record,
        for_s=options.for_s,
        sound=options.sound or bool(options.microphone or options.speaker),
        silent=options.silent,
        microphone=options.microphone,
        speaker=options.speaker,
        codec=options.codec,
        network=options.network,
        user=user,
        password=password,
        listen=settings.listeners,
        json=options.json,
        from_workbench=options.from_workbench,
    )


def login_of(options: argparse.Namespace, settings: Settings) -> tuple[str, str]:
    """Who the phone is where a password is asked for, and that password; ("", "") for nobody.

    Scripts of our own engine are called as the first of its users, if it has any.

    Raises:
        ConfigError: the file of users cannot be used, or there is no password.
    """
    users: dict[str, str] = {}
    register, waits = getattr(options, "register", ""), getattr(options, "wait", "")
    if settings.users is not None and (register or ":" not in options.target):
        users = read_users(settings.users)
    user = options.user or ("" if waits else next(iter(users), ""))
    if register:
        user = options.user or _user_of(register)
    password = users.get(user) or os.environ.get(PASSWORD_VARIABLE, "")
    if user and not password and sys.stdin.isatty():
        password = getpass(f"Password of {user}: ")
    if user and not password and not register:
        raise ConfigError(f"there is no password of {user}: give it in {PASSWORD_VARIABLE}")
    return user, password


def _user_of(address: str) -> str:
    try:
        return parse_uri(address).decoded_user
    except RemoteProtocolError as exc:
        raise ConfigError(f"{address} cannot be registered as: {exc.reason}") from exc
