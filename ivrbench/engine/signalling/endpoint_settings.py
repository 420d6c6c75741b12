"""Endpoint settings: what the keys of `ivr.conf` mean to the SIP core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.sip.settings import EndpointSettings, RefreshMethod

if TYPE_CHECKING:
    from ivrbench.config.settings import Settings

__all__ = ["endpoint_settings"]

MIN_SE_S: Final = 90
"""RFC 4028 §4: no interval is shorter than that."""

MAX_REDIRECTS: Final = 5
"""How many targets of 3xx answers one call of ours tries."""


def endpoint_settings(settings: Settings) -> EndpointSettings:
    """How the engine's endpoint behaves; fixed for the engine's life."""
    timers = settings.enable_session_timer
    methods, tags = EndpointSettings().allowed_methods, EndpointSettings().supported
    if settings.users is not None:
        methods += ("REGISTER",)  # Without passwords anybody could take anybody's calls.
        tags += ("path", "outbound", "gruu")  # A REGISTER may require them.
    return EndpointSettings(
        allowed_methods=methods,
        supported=tags,
        symmetric=settings.nat == "latch",
        public_host=settings.public_ip,
        max_redirects=MAX_REDIRECTS,
        session_expires_s=max(settings.session_expires, MIN_SE_S) if timers else 0,
        min_session_expires_s=max(settings.minimum_timer, MIN_SE_S),
        max_session_expires_s=max(settings.maximum_timer, settings.minimum_timer, MIN_SE_S),
        session_refresh_method=RefreshMethod(settings.session_refresh_method),
        accept_501_reply=settings.accept_501_reply,
    )
