"""Application: which script a call is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError
from ivrbench.scriptapi.headers import first_header

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.scriptapi.port import RequestView

__all__ = ["MAPPING_FILE", "Mapping", "choose_application", "read_mapping"]

MAPPING_FILE: Final = "app_mapping.conf"
_CLASSES: Final = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
}
"""POSIX character classes, which `re` does not have."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of `app_mapping.conf`."""

    pattern: re.Pattern[str]
    name: str
    """With `\\1` … `\\8` for groups of the pattern, `\\\\` for a backslash."""

    def apply(self, uri: str) -> str | None:
        """The application this line names for a URI; None if it does not match."""
        match = self.pattern.search(uri)
        if match is None:
            return None

        def replace(escape: re.Match[str]) -> str:
            what = escape[1]
            if not what.isdigit():
                return what
            return (match[int(what)] or "") if int(what) <= self.pattern.groups else ""

        return re.sub(r"\\([1-8\\])", replace, self.name)


def choose_application(
    setting: str, request: RequestView, mapping: tuple[Mapping, ...] = ()
) -> str:
    """Name the script a call is for.

    Args:
        setting: `application` of `ivr.conf`: a fixed name, `$(ruri.user)`, `$(ruri.param)`,
            `$(apphdr)`, `$(mapping)`, or `auto`: header, else URI parameter, else URI user.
        request: the initial INVITE.
        mapping: what `read_mapping` read, for `$(mapping)`.

    Returns:
        the name, "" if the request names none; whether there is such a script is not checked.
    """
    match setting:
        case "auto":
            return _from_header(request) or _from_parameter(request.r_uri) or request.user
        case "$(ruri.user)":
            return request.user
        case "$(ruri.param)":
            return _from_parameter(request.r_uri)
        case "$(apphdr)":
            return _from_header(request)
        case "$(mapping)":
            names = (line.apply(request.r_uri) for line in mapping)
            return next((name for name in names if name is not None), "")
    return setting


def read_mapping(path: Path) -> tuple[Mapping, ...]:
    """Read `app_mapping.conf`: lines `regex=>name`, searched in the R-URI, first match wins.

    Raises:
        ConfigError: the file cannot be read or a line is not understood.
    """
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError as exc:
        raise ConfigError(
            f"application = $(mapping) needs this file: {exc.strerror or exc}", file=str(path)
        ) from exc
    lines = enumerate(text.split("\n"), start=1)
    return tuple(
        _mapping_line(line.strip(), path, number)
        for number, line in lines
        if line.strip() and not line.lstrip().startswith("#")
    )


def _mapping_line(line: str, path: Path, number: int) -> Mapping:
    pieces = [piece.strip() for piece in line.split("=>")]
    if len(pieces) != 2 or not all(pieces):
        raise ConfigError(f"expected `regex=>name`, found {line!r}", file=str(path), line=number)
    try:
        pattern = re.compile(re.sub(r"\[:(\w+):\]", _posix_class, pieces[0]))
    except re.error as exc:
        raise ConfigError(
            f"{pieces[0]!r} is no regular expression: {exc}", file=str(path), line=number
        ) from exc
    return Mapping(pattern, pieces[1])


def _posix_class(match: re.Match[str]) -> str:
    return _CLASSES.get(match[1], match[0])


def _from_header(request: RequestView) -> str:
    # P-Iptel-App is the name the header had up to March 2007.
    for name in ("P-App-Name", "P-Iptel-App"):
        if value := first_header(request.hdrs, name).strip():
            return value
    return ""


def _from_parameter(uri: str) -> str:
    """The URI parameter `app`, case-sensitive as in the reference server."""
    # RFC 3261 §19.1.1: headers follow a "?"; parameters come after the host.
    address = uri.partition("?")[0]
    for parameter in address.rpartition("@")[2].split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key == "app":
            return value
    return ""
