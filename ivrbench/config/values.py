"""The values settings can have: from the text in the file to a checked Python value.

Each parser takes the text and raises `ValueError` with a sentence that says what is expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CODECS",
    "DIGEST_ALGORITHMS",
    "DIGEST_QOPS",
    "MAX_FLOWS",
    "TRANSPORTS",
    "Account",
    "CallLimit",
    "Listen",
    "Network",
    "parse_account",
    "parse_address",
    "parse_application",
    "parse_bool",
    "parse_codecs",
    "parse_digest_algorithms",
    "parse_digest_qop",
    "parse_limit",
    "parse_listen",
    "parse_log_level",
    "parse_memory",
    "parse_networks",
    "parse_socket",
    "parse_uri",
    "parse_uris",
    "one_of",
    "whole_number",
]

TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")
CODECS: Final = ("PCMU", "PCMA", "G722", "OPUS", "L16", "GSM")
DIGEST_ALGORITHMS: Final = ("MD5", "SHA-256", "SHA-512-256")
DIGEST_QOPS: Final = ("auth", "auth-int")
LEAST_MEMORY_MB: Final = 128
"""The engine alone uses about 60."""
MAX_FLOWS: Final = 4
"""Ways of one account to its provider; RFC 5626 §4.2 wants two at least, and up to four."""
LOG_LEVELS: Final = {"error": 0, "warn": 1, "warning": 1, "info": 2, "debug": 3}

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Listen:
    """One address to take SIP on."""

    transport: str
    """One of `TRANSPORTS`."""
    ip: str
    """IPv4 or IPv6, without brackets."""
    port: int
    """0: any free one."""

    def __str__(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.transport}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Account:
    """One address of ours at a registrar."""

    uri: str
    """`sip:user@host`, with the parameters that say how to get there."""
    user: str = ""
    """Name to log in with; "": the URI's user part."""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CallLimit:
    """A bound on calls and how a call beyond it is refused."""

    at_most: int = 0
    """0: no limit."""
    code: int = 503
    reason: str = "Server overload"


def parse_listen(text: str) -> Listen:
    """`udp:127.0.0.1:5060`, `tcp:[::1]:0`."""
    transport, _, rest = text.partition(":")
    if transport not in TRANSPORTS or not rest:
        raise ValueError(
            f"expected TRANSPORT:IP:PORT such as udp:127.0.0.1:5060, found {text!r} "
            f"(transports: {', '.join(TRANSPORTS)})"
        )
    ip, port = parse_socket(rest)
    return Listen(transport, ip, port)


def parse_socket(text: str) -> tuple[str, int]:
    """`127.0.0.1:9100`, `[::1]:9100`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"expected IP:PORT with a port from 0 to 65535, found {text!r}")
    bracketed = host.startswith("[") and host.endswith("]")
    if (":" in host) != bracketed:
        raise ValueError(f"an IPv6 address stands in brackets, [::1]:5060; found {text!r}")
    return parse_address(host.strip("[]")), int(port)


def parse_address(text: str) -> str:
    """An IPv4 or IPv6 address, in its canonical form."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(f"expected an IP address, found {text!r}") from None


def parse_networks(text: str) -> tuple[Network, ...]:
    """`127.0.0.0/8,192.0.2.7`: addresses and networks, comma between them."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as exc:
        raise ValueError(f"expected networks such as 10.0.0.0/8,127.0.0.1: {exc}") from None


def parse_bool(text: str) -> bool:
    """`yes` or `no`; also true/false, on/off, 1/0."""
    word = text.lower()
    if word in {"yes", "true", "on", "1"}:
        return True
    if word in {"no", "false", "off", "0"}:
        return False
    raise ValueError(f"expected yes or no, found {text!r}")


def parse_codecs(text: str) -> tuple[str, ...]:
    """`PCMU,PCMA`: codec names in the order they are preferred; nothing: all."""
    names = tuple(part.strip().upper() for part in text.split(",") if part.strip())
    for name in names:
        if name not in CODECS:
            raise ValueError(f"unknown codec {name!r} (known: {', '.join(CODECS)})")
    return names


def parse_digest_algorithms(text: str) -> tuple[str, ...]:
    """`SHA-256,MD5`: how passwords may be proved, in the order we prefer."""
    return _some_of(DIGEST_ALGORITHMS, text, text.upper())


def parse_digest_qop(text: str) -> tuple[str, ...]:
    """`auth,auth-int`: what the proof of a password may protect beside it."""
    return _some_of(DIGEST_QOPS, text, text.lower())


def _some_of(known: tuple[str, ...], text: str, spelled: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in spelled.split(",") if part.strip()))
    if not names or any(name not in known for name in names):
        raise ValueError(f"expected some of {', '.join(known)}; found {text!r}")
    return names


def parse_limit(text: str) -> CallLimit:
    """`100` or `100;503;Server overload`: how many, and the answer to a call beyond."""
    at_most, *rest = text.split(";", 2)
    limit = CallLimit(whole_number(0, 1_000_000)(at_most))
    if not rest:
        return limit
    code = whole_number(400, 699)(rest[0])
    return CallLimit(limit.at_most, code, rest[1] if len(rest) > 1 else limit.reason)


def parse_memory(text: str) -> int | None:
    """`auto` (None), 0 for no limit, or MiB."""
    if text.lower() == "auto":
        return None
    try:
        n_mib = whole_number(0, 16_777_216)(text)
        if 0 < n_mib < LEAST_MEMORY_MB:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"expected auto, 0 (no limit), or {LEAST_MEMORY_MB} and more (MB); found {text!r}"
        ) from None
    return n_mib


def parse_log_level(text: str) -> int:
    """0 error, 1 warning, 2 info, 3 debug; a number or a word."""
    if text.lower() in LOG_LEVELS:
        return LOG_LEVELS[text.lower()]
    try:
        return whole_number(0, 3)(text)
    except ValueError:
        raise ValueError(f"expected 0 to 3, or error, warn, info, debug; found {text!r}") from None


def parse_application(text: str) -> str:
    """A script's name, `auto`, or one of the `$(…)` ways to choose one."""
    if text.startswith("$") and text not in APPLICATION_WAYS:
        raise ValueError(f"expected one of {', '.join(APPLICATION_WAYS)}; found {text!r}")
    if not text:
        raise ValueError("expected a script's name, auto, or $(ruri.user)")
    return text


APPLICATION_WAYS: Final = ("$(ruri.user)", "$(ruri.param)", "$(apphdr)", "$(mapping)")


def parse_uri(text: str) -> str:
    """A SIP URI; checked closely where it is used."""
    if not text.lower().startswith(("sip:", "sips:")) or len(text.partition(":")[2]) == 0:
        raise ValueError(f"expected a SIP URI such as sip:proxy.example.org, found {text!r}")
    return text


def parse_uris(text: str) -> tuple[str, ...]:
    """SIP URIs with commas between them."""
    found = tuple(parse_uri(each.strip()) for each in text.split(","))
    if len(found) >= MAX_FLOWS:
        raise ValueError(f"expected at most {MAX_FLOWS - 1} SIP URIs, found {len(found)}")
    return found


def parse_account(text: str) -> Account:
    """`sip:user@registrar`."""
    before, at, host = parse_uri(text).partition("@")
    if not at or not host or before.endswith(":"):
        raise ValueError(f"expected sip:USER@REGISTRAR, found {text!r}")
    return Account(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser for whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit()) or not low <= int(digits) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}, found {text!r}")
        return int(digits)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """A parser for one of some words, in any case; gives the word as listed here."""

    def parse(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise ValueError(f"expected {' | '.join(words)}, found {text!r}")

    return parse
