"""Header search and parameters (ivr-api §1.4, §1.5)."""

from __future__ import annotations

import pytest

from ivrbench.scriptapi.headers import all_headers, app_params, first_header, session_param

BLOCK = (
    "Subject: first\r\n"
    "SUBJECT :  second \r\n"
    "Tabbed\t: never found\r\n"
    "X-Tab:\tkept\n"
    "Subject-Line: other\r\n"
    "Folded: a\r\n b\r\n"
    "Empty:\r\n"
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Subject", "first"),
        ("sUBJECT", "first"),
        ("Tabbed", ""),
        ("X-Tab", "\tkept"),
        ("Folded", "a"),
        ("Empty", ""),
        ("Missing", ""),
        ("Sub", ""),
        ("", ""),
    ],
)
def test_first_header(name: str, value: str) -> None:
    """Case does not matter, spaces before and after the colon go, tabs stay, nothing unfolds."""
    assert first_header(BLOCK, name) == value


def test_all_headers_are_joined_and_keep_trailing_blanks() -> None:
    """Every occurrence, joined with a comma; blanks at the end are part of the value."""
    assert all_headers(BLOCK, "subject") == "first, second "
    assert all_headers(BLOCK, "Missing") == ""
    assert all_headers(BLOCK, "") == ""


@pytest.mark.parametrize(
    ("header", "params"),
    [
        ("P-App-Param: a=1;b=2", {"a": "1", "b": "2"}),
        ("P-App-Param: a;b=", {"a": "", "b": ""}),
        ("P-App-Param: a=1=2;b=3", {"b": "3"}),
        ("P-App-Param: a=1;a=2", {"a": "1"}),
        ('P-App-Param: a="1"; b=2', {"a": '"1"', " b": "2"}),
        ("P-App-Param: a=1\r\nP-App-Param: b=2", {"a": "1"}),
        ("P-Iptel-Param: a=1", {"a": "1"}),
        ("P-Iptel-Param: a=1\r\nP-App-Param: a=2", {"a": "2"}),
        ("X: a=1", {}),
    ],
)
def test_app_params(header: str, params: dict[str, str]) -> None:
    """Split at ; and =, no trimming, values with = dropped, the first wins, old name as well."""
    assert app_params(header + "\r\n") == params


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("a=1;key=2", "2"),
        ("a=1; KEY = 2 ;b", "2"),
        ('key="a;b"', "a;b"),
        ("key='x'", "x"),
        ('key="a\\";b";c=1', 'a\\";b'),
        ("key=,key=2", "2"),
        ("key=;key=3", "3"),
        ("xkey=1", ""),
        ("key", ""),
    ],
)
def test_session_param(header: str, value: str) -> None:
    """The older way: case-insensitive keys, blanks skipped, quotes protect and fall away."""
    assert session_param(f"P-App-Param: {header}\r\n", "key") == value


def test_session_param_of_nothing() -> None:
    """No header and no name give no value."""
    assert session_param("", "key") == ""
    assert session_param("P-App-Param: =1\r\n", "") == ""
