"""From `ivr.conf` to `Settings`: every key known, every value checked, every complaint in words."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ivrbench.errors import ConfigError

from . import values
from .settings import Settings
from .syntax import as_dict, read_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .syntax import Pair

__all__ = ["KEYS", "load_settings"]

_port = values.whole_number(0, 65_535)
_seconds = values.whole_number(0, 86_400)

KEYS: Final[dict[str, Callable[[str], object]]] = {
    "accept_501_reply": values.parse_bool,
    "allow_from": values.parse_networks,
    "application": values.parse_application,
    "ban_time": _seconds,
    "b2b_media": values.one_of("auto", "direct", "anchored"),
    "cdr": Path,
    "codec_order": values.parse_codecs,
    "console": values.one_of("auto", "yes", "no"),
    "control_socket": Path,
    "cps_limit": values.parse_limit,
    "dead_rtp_time": _seconds,
    "digest_algorithms": values.parse_digest_algorithms,
    "digest_qop": values.parse_digest_qop,
    "dtmf_inband": values.one_of("auto", "on", "off"),
    "dtmf_report": values.one_of("release", "press"),
    "dtmf_settle_ms": values.whole_number(0, 5_000),
    "enable_session_timer": values.parse_bool,
    "inspect": values.one_of("watched", "all", "off"),
    "error_announcement": Path,
    "loglevel": values.parse_log_level,
    "max_shutdown_time": _seconds,
    "max_memory_mb": values.parse_memory,
    "maximum_timer": _seconds,
    "media_ip": values.parse_address,
    "media_capacity": values.whole_number(0, 1_000_000),
    "media_workers": values.whole_number(1, 64),
    "metrics_listen": values.parse_socket,
    "minimum_timer": _seconds,
    "nat": values.one_of("no", "latch"),
    "on_script_error": values.one_of("keep", "bye", "announce"),
    "outbound_proxy": values.parse_uri,
    "backup_proxies": values.parse_uris,
    "register_flows": values.whole_number(1, values.MAX_FLOWS),
    "gruu": values.parse_bool,
    "password": str,
    "plugin_config_path": Path,
    "prompt_memory_mb": values.whole_number(1, 65_536),
    "public_ip": values.parse_address,
    "python2_conversion": values.parse_bool,
    "register": values.parse_account,
    "rtp_high_port": values.whole_number(1_024, 65_535),
    "rtp_low_port": values.whole_number(1_024, 65_535),
    "script_path": Path,
    "script_threads": values.whole_number(1, 1_024),
    "session_expires": _seconds,
    "session_limit": values.parse_limit,
    "session_refresh_method": values.one_of("UPDATE_FALLBACK_INVITE", "UPDATE", "INVITE"),
    "sip_ip": values.parse_address,
    "sip_port": _port,
    "srtp": values.one_of("off", "optional", "required"),
    "srtp_offer": values.one_of("sdes", "dtls"),
    "tls_ca": Path,
    "tls_cert": Path,
    "tls_key": Path,
    "tls_verify_client": values.parse_bool,
    "tls_verify_server": values.parse_bool,
    "unknown_application_code": values.whole_number(400, 699),
    "user": str,
    "users": Path,
}
"""Each key and how its text is read."""

_FOLDERS_AND_FILES = (
    "script_path",
    "plugin_config_path",
    "control_socket",
    "cdr",
    "error_announcement",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "users",
)

_ACCOUNT_KEYS = ("register", "user", "password")
"""Keys that may be there for each account; a login belongs to the `register` above it."""


def load_settings(
    path: Path | None, overrides: Mapping[str, Any] | None = None, *, strict: bool = False
) -> Settings:
    """Read `ivr.conf` and let the command line win over it.

    Args:
        path: the file; None: defaults only.
        overrides: fields of `Settings` by name, already of their type; None values are ignored.
        strict: an unknown key is an error rather than a note.

    Raises:
        ConfigError: with file, line and key, what is wrong and what was expected.
    """
    pairs = read_pairs(path) if path else []
    notes = as_dict([pair for pair in pairs if pair.key not in _ACCOUNT_KEYS])[1]
    found: dict[str, Any] = {}
    written: dict[str, Pair] = {}
    for pair in pairs:
        if pair.key not in KEYS:
            unknown = _unknown(pair)
            if strict:
                raise unknown
            notes.append(f"{unknown}; ignored")
            continue
        value = _value(pair)
        written[pair.key] = pair
        accounts = found.get("register", ())
        if pair.key == "register":
            found["register"] = (*accounts, value)
        elif accounts and pair.key in _ACCOUNT_KEYS:
            found["register"] = (*accounts[:-1], replace(accounts[-1], **{pair.key: value}))
        else:
            found[pair.key] = value
    base = path.absolute().parent if path else Path.cwd()
    for key in _FOLDERS_AND_FILES:
        if key in found:
            found[key] = base / found[key].expanduser()
    found.setdefault("script_path", base / Settings().script_path)
    found |= {name: value for name, value in (overrides or {}).items() if value is not None}
    settings = Settings(**found, config_file=path.absolute() if path else None)
    _check_together(settings, written)
    return replace(settings, notes=tuple(notes))


def _unknown(pair: Pair) -> ConfigError:
    nearest = difflib.get_close_matches(pair.key, KEYS, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return ConfigError(f"unknown key{hint}", file=pair.file, line=pair.line, key=pair.key)


def _value(pair: Pair) -> object:
    try:
        if not pair.value and KEYS[pair.key] is Path:
            raise ValueError("expected a path, found nothing")
        return KEYS[pair.key](pair.value)
    except ValueError as exc:
        raise ConfigError(str(exc), file=pair.file, line=pair.line, key=pair.key) from exc


def _check_together(settings: Settings, written: Mapping[str, Pair]) -> None:
    """Rules that tie several settings; the complaint points at the line that can be changed."""
    if settings.rtp_high_port < settings.rtp_low_port + 1:
        raise _at(
            written,
            ("rtp_high_port", "rtp_low_port"),
            f"no room for a call between rtp_low_port {settings.rtp_low_port} "
            f"and rtp_high_port {settings.rtp_high_port}",
        )
    if not settings.media_ip and any(on.ip in {"0.0.0.0", "::"} for on in settings.listeners):
        raise _at(
            written,
            ("sip_ip",),
            "listening on all addresses needs media_ip: the address callers send their audio to",
        )
    for on in settings.listeners:
        if on.transport in ("tls", "wss") and settings.tls_cert is None:
            raise ConfigError(f"{on} needs a certificate: name its file with tls_cert in ivr.conf")
    if settings.tls_verify_client and settings.tls_ca is None:
        raise _at(
            written,
            ("tls_verify_client",),
            "needs tls_ca: the certificates that vouch for clients",
        )
    if not settings.script_path.is_dir():
        raise _at(written, ("script_path",), f"no such folder: {settings.script_path}")
    if settings.plugin_config_path and not settings.plugin_config_path.is_dir():
        raise _at(
            written, ("plugin_config_path",), f"no such folder: {settings.plugin_config_path}"
        )


def _at(written: Mapping[str, Pair], keys: tuple[str, ...], reason: str) -> ConfigError:
    for key in keys:
        if key in written:
            pair = written[key]
            return ConfigError(reason, file=pair.file, line=pair.line, key=key)
    return ConfigError(reason, key=keys[0])
