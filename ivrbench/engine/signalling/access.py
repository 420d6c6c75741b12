"""Access: who may talk to us, who is kept away for a while, and who has to give a password."""

from __future__ import annotations

import logging
import re
import secrets
from typing import TYPE_CHECKING, Final

from ivrbench.config import read_users
from ivrbench.observe.events import SourceRefused
from ivrbench.sip.auth_server import DigestServer
from ivrbench.sip.guard import GuardLimits, Offence, SourceGuard
from ivrbench.sip.tokens import RandomTokens

from ..admission import is_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.config.settings import Settings
    from ivrbench.sip.flow import Flow

__all__ = ["REALM", "Access"]

log = logging.getLogger("ivrbench.sip")

REALM: Final = "ivrbench"
"""Shown to who has to give a password; telephones may remember passwords by it."""
_TO_TAG: Final = re.compile(
    rb"\r\n(?:to|t)[ \t]*+:(?:[^\r\n]|\r\n[ \t])*?;[ \t]*+tag[ \t]*+=", re.IGNORECASE
)


class Access:
    """The rules of `allow_from`, `users`, `digest_algorithms`, `digest_qop` and `ban_time`.

    Args:
        settings: the rules; `users`, `ban_time` and how to prove cannot be changed later, what
            the file of users says can.

    Attributes:
        guard: counts offences and bans; None with `ban_time = 0`.
        authority: asks for passwords; None without `users`.
        outside: messages that came from no network of `allow_from` and got no answer.
        trusts: tells of addresses that are never banned, beside our own: registrars.

    Raises:
        ConfigError: the file of users cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.outside = 0
        self.trusts: Callable[[str], bool] = lambda _: False
        self._settings = settings
        self._users: dict[str, str] = {}
        self.authority: DigestServer | None = None
        self.guard: SourceGuard | None = None
        if settings.ban_time:
            self.guard = SourceGuard(GuardLimits(ban_s=settings.ban_time), self._is_trusted)
        if settings.users is not None:
            key = secrets.token_bytes(32)
            self.authority = DigestServer(
                REALM,
                self._users.get,
                key,
                RandomTokens(),
                # We differ from RFC 8760 §2.4 unless told otherwise: phones that know MD5 alone
                # (libre before 2.0, SIPp) give up when they see another challenge beside it.
                algorithms=settings.digest_algorithms,
                qops=settings.digest_qop,
            )
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Take new settings over, and read the users again.

        Raises:
            ConfigError: their file cannot be read.
        """
        if settings.users is not None:
            users = read_users(settings.users)
            self._users.clear()
            self._users.update(users)
            if self.authority is not None:
                self.authority.know(users)
        self._settings = settings

    def takes(self, data: bytes, flow: Flow) -> bool:
        """True if a message is to be looked at at all.

        From outside `allow_from` come answers to our own requests and what belongs to our calls;
        an INVITE is refused with a word later on. Nothing else learns that we are here.
        """
        networks = self._settings.allow_from
        if not networks or is_within(flow.remote[0], networks):
            return True
        if data.startswith((b"SIP/2.0 ", b"INVITE ", b"ACK ", b"CANCEL ")) or _TO_TAG.search(data):
            return True
        self.outside += 1
        return False

    def takes_connection(self, ip: str, now: float) -> bool:
        """True if an address may connect."""
        networks = self._settings.allow_from
        if networks and not is_within(ip, networks):
            self.outside += 1
            return False
        return self.guard is None or not self.guard.is_banned(ip, now)

    def missed(self, ip: str, now: float) -> None:
        """Somebody called what is not here."""
        if self.guard is not None:
            self.guard.offend(ip, Offence.UNKNOWN_TARGET, now)

    @property
    def unanswered(self) -> int:
        """Messages that were not even looked at."""
        if self.guard is None:
            return self.outside
        stats = self.guard.stats()
        return self.outside + stats.refused_banned + stats.refused_rate

    def notices(self) -> list[SourceRefused]:
        """What happened since the last call; each is one line of the log too."""
        notices = []
        while self.guard is not None and (notice := self.guard.next_notice()) is not None:
            log.warning(
                "%s %s: %s",
                notice.source,
                notice.offence.value,
                f"banned for {notice.banned_s:.0f} s" if notice.banned_s else "slowed down",
            )
            notices.append(SourceRefused(notice.source, notice.offence.value, notice.banned_s))
        return notices

    def _is_trusted(self, ip: str) -> bool:
        """Peers that somebody decided for: this machine, `allow_from`, our registrars."""
        if ip.startswith("127.") or ip == "::1" or self.trusts(ip):
            return True
        networks = self._settings.allow_from
        return bool(networks) and is_within(ip, networks)
