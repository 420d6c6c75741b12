"""What can be written on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrbench import __version__
from ivrbench.config import Settings, load_settings, parse_listen
from ivrbench.observe.phones import ANSWERS, CODECS, KEYS_BY

if TYPE_CHECKING:
    from ivrbench.config import Listen

__all__ = [
    "ListDevices",
    "Mode",
    "config_file",
    "read_arguments",
    "settings_from",
    "settings_of_file",
]

DEFAULT_CONFIG = Path("ivr.conf")

_EPILOG = """\
also:
  ivrbench call NAME|sip:URI [options]   the test phone; see `ivrbench call --help`
  ivrbench dial NAME sip:URI [options]   let a script of the running engine call somebody
  ivrbench load NAME|sip:URI [options]   many calls at once, and what became of them

exit codes: 0 fine, 1 a script does not load, 2 configuration, 3 no port or no engine,
130 interrupted
"""


@dataclass(frozen=True, slots=True)
class Mode:
    """One run of `ivrbench`."""

    mode: str
    """`workbench`, `serve`, `attach`, `check`, `stubs`, `call`, `dial` or `load`."""
    options: argparse.Namespace


def read_arguments(argv: list[str]) -> Mode:
    """Understand the command line.

    Raises:
        SystemExit: it cannot be read, or only asks for help.
    """
    if argv[:1] == ["call"]:
        parser = _call_parser()
        options = parser.parse_args(argv[1:])
        if not options.target and not options.wait and not options.level_test:
            parser.error("whom to call? Give a script's name or a sip: URI, or --wait")
        if options.register and not options.wait:
            parser.error("--register is for being called: --wait says what to do then")
        return Mode("call", options)
    if argv[:1] == ["dial"]:
        return Mode("dial", _dial_parser().parse_args(argv[1:]))
    if argv[:1] == ["load"]:
        return Mode("load", _load_parser().parse_args(argv[1:]))
    options = _main_parser().parse_args(argv)
    modes = ("serve", "check", "stubs")
    mode = next((name for name in modes if getattr(options, name)), "workbench")
    return Mode("attach" if options.attach else mode, options)


def config_file(options: argparse.Namespace) -> Path | None:
    """The file of settings: the one that was named, else `ivr.conf` if it is here."""
    named: Path | None = options.config
    return named or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)


def settings_of_file(options: argparse.Namespace) -> Settings:
    """The settings of `ivr.conf` for those who only call; without a file nothing has to be here.

    Raises:
        ConfigError: the file or a value cannot be used.
    """
    file = config_file(options)
    return load_settings(file) if file else Settings()


def settings_from(options: argparse.Namespace, *, strict: bool = False) -> Settings:
    """The settings of `ivr.conf` with those of the command line on top.

    Args:
        options: as read by `read_arguments`.
        strict: an unknown key is an error.

    Raises:
        ConfigError: the file or a value cannot be used.
    """
    overrides: dict[str, Any] = {  # Any: fields of many types
        "script_path": _absolute(options.script_path),
        "control_socket": _absolute(options.control_socket),
        "listen": tuple(options.listen) or None,
        "next_free_port": options.next_free_port or None,
        "watch": False if options.no_watch else None,
        "leashed": options.leash or None,
    }
    return load_settings(config_file(options), overrides, strict=strict)


def _absolute(path: Path | None) -> Path | None:
    return path.expanduser().absolute() if path else None


def _listen(text: str) -> Listen:
    """`parse_listen`, with its sentence in argparse's error."""
    try:
        return parse_listen(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _main_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ivrbench",
        description="A workbench and server for telephone applications (IVR) written in Python. "
        "Without an option below: the workbench, with an engine of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ivrbench {__version__}")
    what = parser.add_argument_group("what to do").add_mutually_exclusive_group()
    what.add_argument("--serve", action="store_true", help="the engine only; log on stderr")
    what.add_argument(
        "--attach", type=Path, metavar="SOCKET", help="the workbench on a running engine"
    )
    what.add_argument(
        "--check", action="store_true", help="load every script, tell what happened, and end"
    )
    what.add_argument(
        "--stubs",
        action="store_true",
        help="write ivr.pyi and log.pyi beside the scripts, for editors and type checkers",
    )
    parser.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)
    _add_looks(parser.add_argument_group("how the workbench looks; also with --attach"))
    _add_settings(parser.add_argument_group("settings"))
    return parser


def _add_looks(group: argparse._ArgumentGroup) -> None:
    look = group.add_mutually_exclusive_group()
    look.add_argument("--plain", action="store_true", help="a line console instead of a screen")
    look.add_argument("--web", action="store_true", help="in a browser")
    look.add_argument("--in-browser", action="store_true", help=argparse.SUPPRESS)
    group.add_argument("--json", action="store_true", help="--plain: every line is a JSON object")
    group.add_argument(
        "--host", default="127.0.0.1", help="--web: where to listen; only this machine by default"
    )
    group.add_argument(
        "--port", type=int, default=8000, help="--web: 8000 by default, 0 for any free one"
    )


def _add_settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="settings; ./ivr.conf if there is one"
    )
    group.add_argument("--script-path", type=Path, metavar="DIR", help="folder of the scripts")
    group.add_argument(
        "--listen",
        type=_listen,
        action="append",
        default=[],
        metavar="TRANSPORT:IP:PORT",
        help="where to take SIP, udp:127.0.0.1:5060; may repeat; port 0: any free one",
    )
    group.add_argument(
        "--next-free-port",
        action="store_true",
        help="where a port is taken, say so and take the next (the workbench always does)",
    )
    group.add_argument(
        "--control-socket", type=Path, metavar="SOCKET", help="where workbenches may attach"
    )
    group.add_argument(
        "--no-watch", action="store_true", help="do not load scripts again when files change"
    )


def _dial_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ivrbench dial",
        description="Let a script of the running engine call somebody; ends when the call is "
        "answered (0) or has failed (1).",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("script", metavar="NAME", help="the script that has the call")
    add("uri", metavar="sip:URI", help="whom to call")
    add("--from", dest="from_", default="", metavar="sip:URI", help="who calls")
    add("--control-socket", type=Path, metavar="SOCKET", help="the engine")
    add("--config", type=Path, metavar="FILE", help="settings; ./ivr.conf if there is one")
    return parser


def _load_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ivrbench load",
        description="Many real calls with sound, at a script of the running engine or at any SIP "
        "server, and what became of them: exit code 0 if all were answered, 1 if not.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("target", metavar="NAME|sip:URI", help="a script of the running engine, or any SIP URI")
    add("--calls", type=int, default=10, metavar="N", help="calls at the same time, at most; 10")
    add("--rate", type=float, default=1.0, metavar="N", help="new calls a second; 1")
    add("--for", type=float, default=10.0, dest="for_s", metavar="SECONDS", help="how long; 10")
    add(
        "--call-s",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long each call lasts; without: --calls / --rate, which keeps all of them up",
    )
    add("--keys", default="", metavar="12#", help="keys each caller presses; , pauses")
    add("--wav", type=Path, metavar="IN.wav", help="what each caller says; without: nothing")
    add("--user", default="", help="as for `ivrbench call`")
    add("--json", action="store_true", help="the figures as one JSON object")
    add("--control-socket", type=Path, metavar="SOCKET", help="the engine to ask for NAME")
    add("--config", type=Path, metavar="FILE", help="settings; ./ivr.conf if there is one")
    return parser


def _call_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ivrbench call",
        description="The test phone: one real call to a script or a SIP address.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    _add_target(parser)
    add("--keys", default="", metavar="12#", help="keys pressed once the call is up; , pauses")
    add("--keys-by", choices=KEYS_BY, default="auto", help="how; auto: RFC 4733, else SIP INFO")
    add("--record", type=Path, metavar="OUT.wav", help="keep what the caller hears")
    add("--for", type=float, dest="for_s", metavar="SECONDS", help="hang up after so long")
    add("--json", action="store_true", help="the call's figures as one JSON object at the end")
    add(
        "--save-test",
        type=Path,
        metavar="FILE.py",
        help="add the call to a file of tests that pytest runs; NAME only, of a running engine",
    )
    add(
        "--mask-numbers",
        action="store_true",
        help="in that test other digits stand for what was pressed, from 3 keys in a row on",
    )
    add("--from-workbench", action="store_true", help=argparse.SUPPRESS)
    _add_ways(parser.add_argument_group("how it calls"))
    _add_voices(parser)
    return parser


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="NAME|sip:URI",
        nargs="?",
        default="",
        help="a script of the running engine, or any SIP URI; with --wait the address to wait at, "
        "127.0.0.1:5070",
    )
    parser.add_argument(
        "--wait",
        default="",
        metavar="|".join((*ANSWERS, "486")),
        help="wait for one call instead: let it ring, answer it, or refuse it with a code",
    )
    parser.add_argument(
        "--register",
        default="",
        metavar="sip:USER@HOST",
        help="with --wait: be called by this address, registered at HOST; --user if the name "
        "there is another",
    )


def _add_ways(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--network",
        default="",
        metavar="'LOSS DELAY JITTER'",
        help="what packets go through, '5 200 20': 5 %% lost, 200 ms late, up to 20 ms more",
    )
    add(
        "--user",
        default="",
        help="who logs in where a password is asked for; the password is that of the users file, "
        "of the environment variable IVRBENCH_PASSWORD, or is asked for",
    )
    add(
        "--codec",
        default="",
        choices=CODECS[1:],
        help="the only codec offered; without: G.711. g722 and opus are wideband",
    )
    add("--control-socket", type=Path, metavar="SOCKET", help="the engine to ask for NAME")
    add("--config", type=Path, metavar="FILE", help="settings; ./ivr.conf if there is one")


def _add_voices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the caller says; without: nothing")
    voice = group.add_mutually_exclusive_group().add_argument
    voice("--wav", type=Path, metavar="IN.wav", help="a sound file")
    voice("--tone", type=int, default=0, metavar="HZ", help="a tone")
    voice("--say", default="", metavar="TEXT", help="a text, by text to speech")
    voice("--silent", action="store_true", help="nothing, also with --sound")
    group.add_argument("--loop-wav", action="store_true", help="the file again and again")
    group.add_argument("--language", default="", metavar="de", help="of the text; en")
    group = parser.add_argument_group("sound card")
    add = group.add_argument
    add("--sound", action="store_true", help="hear the call; and speak, unless a voice is given")
    add("--microphone", default="", metavar="NAME", help="a part of its name")
    add("--speaker", default="", metavar="NAME", help="a part of its name")
    add(
        "--level-test",
        action="store_true",
        help="show the microphone's level for 15 s and let the loudspeaker beep, without a call",
    )
    add("--devices", action=ListDevices, nargs=0, help="list the sound cards, and end")


class ListDevices(argparse.Action):
    """`--devices`: an option that needs no NAME, as `--help` does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """List them.

        Raises:
            SystemExit: always.
        """
        from .devices import devices

        parser.exit(devices())
