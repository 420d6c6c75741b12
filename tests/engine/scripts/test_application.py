"""Which script a call is for (ivr-api §7, architecture §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.scripts.application import choose_application, read_mapping
from ivrbench.errors import ConfigError
from tests.scriptapi.fakes import FakeRequest

if TYPE_CHECKING:
    from pathlib import Path

URI = "sip:user@host:5070;app=param;transport=udp"


@pytest.mark.parametrize(
    ("setting", "uri", "hdrs", "name"),
    [
        ("$(ruri.user)", URI, "P-App-Name: header\r\n", "user"),
        ("$(ruri.param)", URI, "", "param"),
        ("$(ruri.param)", "sip:user@host;APP=x", "", ""),
        ("$(ruri.param)", "sip:user;app=x@host", "", ""),
        ("$(ruri.param)", "sip:user@host?app=x", "", ""),
        ("$(ruri.param)", "sip:user@host;lr;app=x?Subject=a;app=y", "", "x"),
        ("$(ruri.param)", "sip:user@host", "", ""),
        ("$(apphdr)", URI, "P-App-Name: header\r\n", "header"),
        ("$(apphdr)", URI, "P-App-Name: one\r\nP-App-Name: two\r\n", "one"),
        ("$(apphdr)", URI, "P-Iptel-App: old\r\n", "old"),
        ("$(apphdr)", URI, "P-Iptel-App: old\r\nP-App-Name: new\r\n", "new"),
        ("$(apphdr)", URI, "", ""),
        ("fixed", URI, "P-App-Name: header\r\n", "fixed"),
        ("auto", URI, "P-App-Name: header\r\n", "header"),
        ("auto", URI, "P-App-Name: \r\n", "param"),
        ("auto", "sip:user@host", "", "user"),
        ("$(mapping)", URI, "", ""),
    ],
)
def test_choice(setting: str, uri: str, hdrs: str, name: str) -> None:
    """Exactly one way is active, but for auto: header, then parameter, then user."""
    request = FakeRequest(r_uri=uri, user="user", hdrs=hdrs)
    assert choose_application(setting, request) == name


def test_mapping(tmp_path: Path) -> None:
    """Extended regular expressions searched anywhere, first match wins, groups filled in."""
    path = tmp_path / "app_mapping.conf"
    path.write_text(
        "# a comment\n\n"
        "^sip:([[:digit:]]+)@ => number_\\1\n"
        "sip:(a)(b)?c=>x\\1\\2\\8\\\\y\r\n"
        "host=>other\n"
    )
    mapping = read_mapping(path)

    def chosen(uri: str) -> str:
        return choose_application("$(mapping)", FakeRequest(r_uri=uri), mapping)

    assert chosen("sip:42@host") == "number_42"
    assert chosen("sip:ac@host") == "xa\\y"
    assert chosen("sip:zz@host") == "other"
    assert chosen("sip:zz@elsewhere") == ""


@pytest.mark.parametrize("line", ["no arrow", "a=>b=>c", "=>b", "a=>", "(=>b"])
def test_a_malformed_line_stops_the_start(tmp_path: Path, line: str) -> None:
    """ConfigError with file and line."""
    path = tmp_path / "app_mapping.conf"
    path.write_text(f"a=>b\n{line}\n")
    with pytest.raises(ConfigError, match=r"app_mapping\.conf:2: "):
        read_mapping(path)


def test_the_mapping_file_must_be_there(tmp_path: Path) -> None:
    """It says which setting needs it."""
    with pytest.raises(ConfigError, match=r"application = \$\(mapping\) needs this file"):
        read_mapping(tmp_path / "app_mapping.conf")
