"""From `ivr.conf` to `Settings`."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from ivrbench.config import (
    NEEDS_RESTART,
    Account,
    CallLimit,
    Listen,
    Settings,
    differences,
    load_settings,
    parse_listen,
)
from ivrbench.config.parse import KEYS
from ivrbench.errors import ConfigError

COMMAND_LINE_ONLY = {"listen", "leashed", "next_free_port", "watch", "config_file", "notes"}
REPO = Path(__file__).parents[2]


def conf(tmp_path: Path, text: str) -> Path:
    (tmp_path / "scripts").mkdir(exist_ok=True)
    path = tmp_path / "ivr.conf"
    path.write_text(text)
    return path


def test_every_setting_has_a_key_and_every_key_a_setting() -> None:
    """A key without a field, or a field nobody can set, is a mistake."""
    names = {field.name for field in fields(Settings)}
    assert set(KEYS) == names - COMMAND_LINE_ONLY
    assert names >= NEEDS_RESTART


def test_shipped_file_is_clean_and_changes_nothing() -> None:
    """The shipped `ivr.conf` starts on any machine: no note, and only defaults."""
    shipped = load_settings(REPO / "ivr.conf", strict=True)
    assert shipped.notes == ()
    assert replace(shipped, script_path=Path("scripts"), config_file=None) == Settings()


def test_defaults_listen_on_loopback_only() -> None:
    """A public address is always a decision."""
    assert Settings().listeners == (
        Listen("udp", "127.0.0.1", 5060),
        Listen("tcp", "127.0.0.1", 5060),
    )


def test_values_are_read_with_their_types(tmp_path: Path) -> None:
    """Numbers, lists, limits, words in any case and networks come out as values."""
    settings = load_settings(
        conf(
            tmp_path,
            "sip_ip = ::1\nsip_port = 0\ncodec_order = pcma,PCMU\nsession_limit = 9;480;Busy\n"
            "cps_limit=5\nallow_from = 10.0.0.0/8,192.0.2.7\nnat=LATCH\nloglevel=debug\n"
            "dtmf_report = press\ndtmf_settle_ms = 200\napplication = $(ruri.user)\n",
        )
    )
    assert settings.listeners[0] == Listen("udp", "::1", 0)
    assert settings.codec_order == ("PCMA", "PCMU")
    assert settings.session_limit == CallLimit(9, 480, "Busy")
    assert settings.cps_limit == CallLimit(5)
    assert settings.allow_from == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"))
    assert (settings.nat, settings.loglevel, settings.dtmf_report) == ("latch", 3, "press")
    assert settings.notes == ()


@pytest.mark.parametrize(("text", "value"), [("auto", None), ("0", 0), ("128", 128)])
def test_memory(tmp_path: Path, text: str, value: int | None) -> None:
    """A word for the default, a number else; a running engine takes it over."""
    settings = load_settings(conf(tmp_path, f"max_memory_mb = {text}\n"))
    assert settings.max_memory_mb == value
    assert "max_memory_mb" not in NEEDS_RESTART


def test_logins_belong_to_the_registration_above_them(tmp_path: Path) -> None:
    """Several accounts, each with its own login; what stands before the first is for all."""
    settings = load_settings(
        conf(
            tmp_path,
            "user = all\npassword = everyone\n"
            "register = sip:one@a.example\n"
            "register = sip:two@b.example;transport=tls\nuser = second\npassword = s3cret\n"
            "register = sip:three@c.example\npassword = third\n",
        )
    )
    assert settings.register == (
        Account("sip:one@a.example"),
        Account("sip:two@b.example;transport=tls", "second", "s3cret"),
        Account("sip:three@c.example", "", "third"),
    )
    assert (settings.user, settings.password) == ("all", "everyone")
    assert settings.notes == ()
    assert "s3cret" not in repr(settings)
    assert "everyone" not in repr(settings)


def test_proxies_are_listed(tmp_path: Path) -> None:
    """Several proxies have commas between them."""
    text = "backup_proxies = sip:a.example;lr,sips:b.example\nregister_flows = 3\n"
    settings = load_settings(conf(tmp_path, text))
    assert settings.backup_proxies == ("sip:a.example;lr", "sips:b.example")
    assert settings.register_flows == 3


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A relative path means the folder of `ivr.conf`, whatever the current folder is."""
    (tmp_path / "ivr").mkdir()
    settings = load_settings(conf(tmp_path, "script_path = ivr\n"))
    assert settings.script_path == tmp_path / "ivr"
    assert settings.script_config_dirs == (tmp_path, tmp_path / "ivr")
    settings = load_settings(conf(tmp_path, "plugin_config_path = ivr\n"))
    assert settings.script_config_dirs == (tmp_path / "ivr",)


def test_command_line_wins(tmp_path: Path) -> None:
    """What is given on the command line replaces the file's; None stands for not given."""
    path = conf(tmp_path, "loglevel = 0\nsip_port = 5070\n")
    listen = (Listen("tcp", "127.0.0.1", 0),)
    settings = load_settings(path, {"loglevel": 3, "listen": listen, "script_path": None})
    assert settings.loglevel == 3
    assert settings.listeners == listen


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("sip_prot = 5060", "sip_prot: unknown key; did you mean sip_port?"),
        ("sip_port = 70000", "sip_port: expected a whole number from 0 to 65535, found '70000'"),
        ("sip_ip = localhost", "sip_ip: expected an IP address, found 'localhost'"),
        ("max_memory_mb = 127", "max_memory_mb: expected auto, 0 (no limit), or 128 and more (MB)"),
        ("max_memory_mb = some", "max_memory_mb: expected auto, 0 (no limit), or 128 and more"),
        ("srtp = maybe", "srtp: expected off | optional | required, found 'maybe'"),
        ("codec_order = G729", "codec_order: unknown codec 'G729'"),
        ("digest_algorithms = SHA-1", "digest_algorithms: expected some of MD5, SHA-256, SHA-"),
        ("digest_algorithms =", "digest_algorithms: expected some of MD5, SHA-256, SHA-512-256"),
        ("enable_session_timer = 2", "enable_session_timer: expected yes or no, found '2'"),
        ("session_limit = 3;200", "session_limit: expected a whole number from 400 to 699"),
        ("allow_from = 10.0.0.1/8", "allow_from: expected networks such as"),
        ("loglevel = loud", "loglevel: expected 0 to 3, or error, warn, info, debug"),
        ("application = $(from)", "application: expected one of $(ruri.user)"),
        ("register = example.org", "register: expected a SIP URI"),
        ("register = sip:example.org", "register: expected sip:USER@REGISTRAR, found"),
        ("backup_proxies = sip:a.example, sip:b", "backup_proxies: expected a SIP URI"),
        ("backup_proxies = sip:a,sip:b,sip:c,sip:d", "backup_proxies: expected at most 3 SIP URIs"),
        ("register_flows = 5", "register_flows: expected a whole number from 1 to 4, found '5'"),
        ("metrics_listen = 9100", "metrics_listen: expected IP:PORT"),
        ("script_path = gone", "script_path: no such folder"),
        ("script_path =", "script_path: expected a path"),
        ("plugin_config_path = gone", "plugin_config_path: no such folder"),
        ("rtp_high_port = 9000", "rtp_high_port: no room for a call"),
        ("sip_ip = 0.0.0.0", "sip_ip: listening on all addresses needs media_ip"),
    ],
)
def test_mistake_is_named_with_file_line_and_key(tmp_path: Path, line: str, sentence: str) -> None:
    """The error names file, line and key, and says what was expected."""
    path = conf(tmp_path, f"# first line\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, strict=True)
    assert str(caught.value).startswith(f"{path}:2: {sentence}")


def test_unknown_key_is_a_note_when_serving(tmp_path: Path) -> None:
    """A file of the reference server has keys we do not know: told, and the rest is used."""
    settings = load_settings(conf(tmp_path, "py_gc = 1\nsip_port = 5070\n"))
    assert settings.sip_port == 5070
    assert settings.notes == (f"{tmp_path}/ivr.conf:1: py_gc: unknown key; ignored",)


def test_key_written_twice_is_told(tmp_path: Path) -> None:
    """The last one wins, with a note."""
    settings = load_settings(conf(tmp_path, "loglevel=1\nloglevel=3\n"))
    assert settings.loglevel == 3
    assert "loglevel is set again" in settings.notes[0]


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("udp:127.0.0.1:5060", Listen("udp", "127.0.0.1", 5060)),
        ("tcp:[::1]:0", Listen("tcp", "::1", 0)),
    ],
)
def test_listen_round_trips(text: str, listen: Listen) -> None:
    """`--listen` is read with brackets for IPv6 and shown the same way."""
    assert parse_listen(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize(
    "text",
    ["5060", "udp:5060", "sctp:127.0.0.1:5060", "udp:::1:5060", "udp:127.0.0.1:x", "udp:h:1"],
)
def test_listen_refuses_what_is_no_address(text: str) -> None:
    """A listener that cannot be meant is refused with the form expected."""
    with pytest.raises(ValueError, match="expected|brackets"):
        parse_listen(text)


def test_differences_tell_what_needs_a_restart() -> None:
    """A changed file is never applied in part without saying which part."""
    old = Settings()
    new = replace(old, sip_port=5070, loglevel=3, notes=("x",))
    assert differences(old, new) == (("loglevel",), ("sip_port",))


def test_secure_listener_needs_a_certificate(tmp_path: Path) -> None:
    """Nobody waits at a port whose every handshake would fail."""
    listen = (Listen("tls", "127.0.0.1", 5061),)
    with pytest.raises(ConfigError, match="tls:127.0.0.1:5061 needs a certificate: .* tls_cert"):
        load_settings(conf(tmp_path, ""), {"listen": listen})
    settings = load_settings(conf(tmp_path, "tls_cert = our.pem"), {"listen": listen})
    assert settings.tls_cert == tmp_path / "our.pem"
    with pytest.raises(ConfigError, match=r"ivr.conf:1: tls_verify_client: needs tls_ca"):
        load_settings(conf(tmp_path, "tls_verify_client = yes"))


def test_every_key_is_in_the_manual() -> None:
    """`docs/configuration.md` lists every key."""
    rows = [
        line.split("|")
        for line in (REPO / "docs" / "configuration.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    keys = {key: row for row in rows for key in re.findall(r"`(\w+)`", row[1])}
    assert set(keys) == set(KEYS)
