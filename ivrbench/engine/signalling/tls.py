"""TLS: what we show to peers and what we want to see of them (RFC 3261 §26.3.1, RFC 5922)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError

from .connections import Tls

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.config.settings import Settings

__all__ = ["tls_contexts"]


def tls_contexts(settings: Settings) -> Tls:
    """Both sides' contexts, as far as the settings need them.

    Raises:
        ConfigError: a certificate cannot be used.
    """
    secure = any(listen.transport in ("tls", "wss") for listen in settings.listeners)
    return Tls(_server_context(settings) if secure else None, _client_context(settings))


def _server_context(settings: Settings) -> ssl.SSLContext:
    """For connections that come in.

    Raises:
        ConfigError: a certificate cannot be used.
    """
    assert settings.tls_cert is not None, "the settings were checked"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, settings.tls_cert, settings.tls_key)
    if settings.tls_verify_client:
        assert settings.tls_ca is not None, "the settings were checked"
        _trust(context, settings.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client_context(settings: Settings) -> ssl.SSLContext:
    """For connections we make; our certificate is shown if the server asks for one.

    Raises:
        ConfigError: a certificate cannot be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_ca is not None:
        _trust(context, settings.tls_ca)
    if settings.tls_cert is not None:
        _show(context, settings.tls_cert, settings.tls_key)
    if not settings.tls_verify_server:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as exc:
        where = f"{cert} and {key}" if key else str(cert)
        why = exc.reason or str(exc)
        raise ConfigError(
            f"{where}: no certificate with its private key, PEM, without a password ({why})",
            key="tls_cert",
        ) from exc
    except OSError as exc:
        file = key if key is not None and not key.is_file() else cert
        name = "tls_key" if file == key else "tls_cert"
        raise ConfigError(f"{file}: {exc.strerror}", key=name) from exc


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as exc:
        raise ConfigError(f"{ca}: no certificates in PEM", key="tls_ca") from exc
    except OSError as exc:
        raise ConfigError(f"{ca}: {exc.strerror}", key="tls_ca") from exc
