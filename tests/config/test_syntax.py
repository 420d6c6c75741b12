"""The `key = value` syntax, rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.config import Pair, as_dict, read_pairs
from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def pairs_of(tmp_path: Path, text: str | bytes) -> list[tuple[str, str]]:
    path = tmp_path / "x.conf"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [(pair.key, pair.value) for pair in read_pairs(path)]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("c=1", "1"),
        ("c = 1", "1"),
        ("\tc\t=\t1\t", "1"),
        ("c=1 2 # z", "1"),
        ("c=1#2", "1"),
        ("c=a=b", "a=b"),
        ("c=", ""),
        ('c=""', ""),
        ('c="1 2 # z" rest', "1 2 # z"),
        (r'c="q\"r"', r"q\"r"),
        (r'c="a\nb"', r"a\nb"),
        ("c=ü", "ü"),
    ],
)
def test_value_ends_where_the_rules_say(tmp_path: Path, line: str, value: str) -> None:
    """Blank, tab and `#` end a bare value, quotes keep them, a backslash stays in the value."""
    assert pairs_of(tmp_path, line) == [("c", value)]


def test_lf_and_crlf_comments_and_empty_lines(tmp_path: Path) -> None:
    """Both line ends are read; comments and empty lines are skipped; the last line needs no end."""
    assert pairs_of(tmp_path, "# c\r\n\r\na=1\r\n  # d\nb=2") == [("a", "1"), ("b", "2")]


def test_byte_order_mark_and_old_encoding(tmp_path: Path) -> None:
    """A byte order mark is no part of the first key; a file not in UTF-8 is read as Latin-1."""
    assert pairs_of(tmp_path, b"\xef\xbb\xbfa=1") == [("a", "1")]
    assert pairs_of(tmp_path, b"a=\xfc") == [("a", "ü")]


def test_long_line_is_read_like_any_other(tmp_path: Path) -> None:
    """We differ: the reference server stops reading at a line of 2048 bytes; we lose nothing."""
    assert pairs_of(tmp_path, f"a={'x' * 5000}\nb=2") == [("a", "x" * 5000), ("b", "2")]


@pytest.mark.parametrize("line", ["c", "c d = 1", "= 1", 'c="1', r'c="1\"', "@"])
def test_bad_line_fails_the_file_with_its_line(tmp_path: Path, line: str) -> None:
    """One bad line fails the whole file, and the error names file and line."""
    path = tmp_path / "x.conf"
    path.write_text(f"a=1\n{line}\nb=2\n")
    with pytest.raises(ConfigError) as caught:
        read_pairs(path)
    assert (caught.value.file, caught.value.line) == (str(path), 2)


def test_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"gone\.conf: cannot be read: No such file"):
        read_pairs(tmp_path / "gone.conf")


def test_include_comes_in_its_place(tmp_path: Path) -> None:
    """`@file` puts the other file's pairs where it stands and keeps their file and line."""
    (tmp_path / "a.conf").write_text("one=1\n@ b.conf\nthree=3\n")
    (tmp_path / "b.conf").write_text("\ntwo=2\n")
    assert read_pairs(tmp_path / "a.conf") == [
        Pair("one", "1", str(tmp_path / "a.conf"), 1),
        Pair("two", "2", str(tmp_path / "b.conf"), 2),
        Pair("three", "3", str(tmp_path / "a.conf"), 3),
    ]


def test_include_is_relative_to_the_folder_given(tmp_path: Path) -> None:
    """Scripts' files include relative to `plugin_config_path`, wherever they lie themselves."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "a.conf").write_text("@b.conf\n")
    (tmp_path / "etc" / "b.conf").write_text("two=2\n")
    assert [pair.key for pair in read_pairs(tmp_path / "a.conf", tmp_path / "etc")] == ["two"]
    with pytest.raises(ConfigError, match=r"a\.conf:1: no such file to include"):
        read_pairs(tmp_path / "a.conf")


def test_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    """A circle of includes ends with an error, not with the stack."""
    (tmp_path / "a.conf").write_text("@a.conf\n")
    with pytest.raises(ConfigError, match="include each other"):
        read_pairs(tmp_path / "a.conf")


def test_as_dict_sorts_and_lets_the_last_win(tmp_path: Path) -> None:
    """Scripts see sorted keys; a key written twice is told and the last one wins."""
    (tmp_path / "a.conf").write_text("b=1\na=2\nb=3\n")
    found, warnings = as_dict(read_pairs(tmp_path / "a.conf"))
    assert list(found.items()) == [("a", "2"), ("b", "3")]
    assert warnings == [f"{tmp_path}/a.conf:3: b is set again (before: line 1); this line wins"]
