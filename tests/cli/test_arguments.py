"""The command line is a contract: modes, settings, exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench import __version__
from ivrbench.cli import main
from ivrbench.cli.arguments import read_arguments, settings_from
from ivrbench.config import Listen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("argv", "mode"),
    [
        ([], "workbench"),
        (["--script-path", "x"], "workbench"),
        (["--serve"], "serve"),
        (["--attach", "/run/x.sock"], "attach"),
        (["--plain", "--json"], "workbench"),
        (["--plain", "--attach", "/run/x.sock"], "attach"),
        (["--check"], "check"),
        (["--stubs", "--script-path", "x"], "stubs"),
        (["call", "hello"], "call"),
        (["dial", "hello", "sip:ann@192.0.2.9"], "dial"),
    ],
)
def test_mode(argv: list[str], mode: str) -> None:
    """Without an option it is the workbench."""
    assert read_arguments(argv).mode == mode


def test_stubs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are written beside the scripts, and their names printed."""
    assert main(["--stubs", "--script-path", str(tmp_path)]) == 0
    files = [tmp_path / "ivr.pyi", tmp_path / "log.pyi"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in files]
    assert "class IvrDialogBase:" in files[0].read_text()
    (tmp_path / "file").write_text("")
    assert main(["--stubs", "--script-path", str(tmp_path / "file")]) == 2


@pytest.mark.parametrize(
    "argv",
    [["--serve", "--check"], ["--serv"], ["hello"], ["--listen", "5060"], ["call"], ["dial", "x"]],
)
def test_what_cannot_be_meant_ends_with_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two modes at once, abbreviations and half addresses are refused, on stderr."""
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ivrbench" in captured.err


@pytest.mark.parametrize(
    "argv", [["--help"], ["call", "--help"], ["dial", "--help"], ["--version"]]
)
def test_help_and_version_end_with_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked for is data: it goes to stdout."""
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Name and number, for people and for scripts."""
    main(["--version"])
    assert capsys.readouterr().out == f"ivrbench {__version__}\n"


def test_plain_needs_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The screen does, the line console only needs an engine."""
    assert main(["--attach", "/no/such.sock"]) == 2
    assert "--plain" in capsys.readouterr().err
    assert main(["--attach", "/no/such.sock", "--plain"]) == 3
    assert "no engine at /no/such.sock" in capsys.readouterr().err


def test_bad_settings_end_with_2_and_name_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in `ivr.conf` is told before anything starts, in every mode."""
    conf = tmp_path / "ivr.conf"
    conf.write_text("sip_port = many\n")
    for mode in ("--serve", "--check"):
        assert main([mode, "--config", str(conf)]) == 2
        assert capsys.readouterr().err.startswith(f"ivrbench: {conf}:1: sip_port: expected")


def test_check_does_not_know_an_unknown_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Serving ignores an unknown key with a note; `--check` is there to find it."""
    conf = tmp_path / "ivr.conf"
    conf.write_text("script_path = .\nsip_prot = 5060\n")
    assert main(["--check", "--config", str(conf)]) == 2
    assert "did you mean sip_port?" in capsys.readouterr().err


def test_command_line_settings_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options replace what `ivr.conf` says; relative paths mean the current folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "ivr.conf").write_text("script_path = gone\nloglevel = 3\n")
    monkeypatch.chdir(tmp_path)
    argv = ["--script-path", "mine", "--listen", "udp:[::1]:0", "--listen", "tcp:127.0.0.1:5070"]
    settings = settings_from(read_arguments([*argv, "--no-watch"]).options)
    assert settings.script_path == tmp_path / "mine"
    assert settings.listeners == (Listen("udp", "::1", 0), Listen("tcp", "127.0.0.1", 5070))
    assert settings.loglevel == 3
    assert not settings.watch
    assert not settings.next_free_port


def test_own_settings_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ivr.conf` of the current folder is used if it is there; without it, `./scripts` is."""
    (tmp_path / "scripts").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = settings_from(read_arguments([]).options)
    assert (settings.script_path, settings.config_file) == (tmp_path / "scripts", None)
    (tmp_path / "ivr.conf").write_text("sip_port = 5099\n")
    settings = settings_from(read_arguments([]).options)
    assert settings.sip_port == 5099
