"""DigestServer: the side that asks who somebody is (RFC 7616 §3.3, RFC 8760, RFC 3261 §22.1)."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError, RemoteProtocolError
from .auth import QOPS, digest, hash_name, parse_auth, same, split_algorithm
from .grammar import check_text, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .message import SipRequest
    from .tokens import Tokens

__all__ = ["AuthOutcome", "DigestServer", "Verdict"]

NONCE_LIFE_S = 300.0  # Long enough for one call set-up with a slow user, short for a thief.
MAX_NONCES = 65_536  # Nonces in use at a time: 200 a second over their life.
_NO_PASSWORD = "\0"  # Nobody can have it: no message of SIP holds a NUL.

# nonce = 1*LHEX "." 1*16LHEX "." 32LHEX: milliseconds, salt, code
_NONCE = re.compile(r"([0-9a-f]{1,16})\.([0-9a-zA-Z\-]{1,64})\.([0-9a-f]{32})")
_NC = re.compile(r"[0-9a-fA-F]{8}")


class AuthOutcome(StrEnum):
    """What a request proved."""

    PROVED = "it is who it says"
    MISSING = "no credentials for our realm"
    STALE = "right password, old or used nonce"
    WRONG = "unknown user or wrong password"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one request."""

    outcome: AuthOutcome
    user: str
    """Who it is, or claims to be; "" if it does not say."""


class DigestServer:
    """Challenges and checks, without memory of those it challenged.

    A nonce carries its time and a code made with a secret key, so any nonce of ours is known by
    itself. Only nonces that were used with a right password are kept, for the replay check, and no
    more than `MAX_NONCES` of them.

    Args:
        realm: shown to the other side.
        password_of: user name -> password, None for an unknown user.
        key: secret, at least 16 bytes; with a new key all nonces are stale.
        tokens: where salt comes from.
        algorithms: the ones to offer, preferred first.
        qops: those of `QOPS` to offer.
        nonce_life_s: how long a nonce is good.

    Raises:
        LocalProtocolError: an algorithm is not known, or the key is short.
    """

    def __init__(
        self,
        realm: str,
        password_of: Callable[[str], str | None],
        key: bytes,
        tokens: Tokens,
        *,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        qops: Sequence[str] = QOPS[:1],
        nonce_life_s: float = NONCE_LIFE_S,
    ) -> None:
        check_text(realm, "realm")
        unknown = [each for each in algorithms if split_algorithm(each) is None]
        unknown += [each for each in qops if each not in QOPS]
        if unknown or not algorithms or not qops or len(key) < 16:
            raise LocalProtocolError(f"bad algorithm or qop {unknown}, or a key under 16 bytes")
        self.realm = realm
        self.algorithms = tuple(algorithms)
        self._qops = tuple(qops)
        self._names: dict[str, str] = {}
        self._password_of = password_of
        self._key = key
        self._tokens = tokens
        self._life_ms = int(nonce_life_s * 1000)
        # Nonce -> (highest count, issued); in the order of first use, so the head is the oldest.
        self._used: dict[str, tuple[int, int]] = {}
        self._forgotten_ms = -1

    def know(self, names: Iterable[str]) -> None:
        """Let users hide their names (RFC 7616 §3.4.4): from now on these may come hashed.

        Only challenges that are not MD5 offer it: what knows MD5 alone is older than that.
        """
        hashes = [each for each in self.algorithms if split_algorithm(each) != ("MD5", False)]
        self._names = {hash_name(each, n, self.realm): n for n in names for each in hashes}

    def challenge(self, now: float, *, stale: bool = False) -> str:
        """WWW-Authenticate lines, one for each algorithm (RFC 8760 §2.4)."""
        issued = f"{int(now * 1000):x}.{self._tokens.tag()}"
        nonce = f"{issued}.{self._code(issued)}"
        end = f', qop="{",".join(self._qops)}"' + (", stale=true" if stale else "")
        hidden = ", userhash=true" if self._names else ""
        return "".join(
            f'WWW-Authenticate: Digest realm={quote(self.realm)}, nonce="{nonce}", '
            f"algorithm={algorithm}{end}{'' if algorithm.upper() == 'MD5' else hidden}\r\n"
            for algorithm in self.algorithms
        )

    def check(self, request: SipRequest, now: float) -> Verdict:
        """What the Authorization of `request` proves; `challenge` answers everything but PROVED.

        An unknown user and a wrong password are one outcome and take the same steps.

        Raises:
            RemoteProtocolError: 400, it cannot be read.
        """
        for value in request.headers("authorization"):
            scheme, params = parse_auth(value)
            if scheme == "digest" and params.get("realm") == self.realm:
                return self._check(request, params, now)
        return Verdict(AuthOutcome.MISSING, "")

    def _check(self, request: SipRequest, params: dict[str, str], now: float) -> Verdict:
        user, nonce, nc = self._user(params), params.get("nonce", ""), params.get("nc", "")
        qop = params.get("qop", "")
        issued_ms = self._issued_ms(nonce)
        known = self._password_of(user)
        algorithm = params.get("algorithm", "")
        if qop not in ("", *QOPS) or (qop and not _NC.fullmatch(nc)):
            raise RemoteProtocolError("bad qop or nc in Authorization")
        offered = (qop or "auth") in self._qops and algorithm.upper() in self._accepted()
        if issued_ms is None or not offered:
            return Verdict(AuthOutcome.MISSING, user)
        expected = digest(
            algorithm,
            user,
            self.realm,
            known if known is not None else _NO_PASSWORD,
            request.method,
            params.get("uri", ""),
            nonce,
            cnonce=params.get("cnonce", ""),
            nc=nc,
            qop=qop,
            body=request.body,
        )
        right = same(expected, params.get("response", "").lower())
        if not right or known is None or not _same_user(params.get("uri", ""), request.uri):
            return Verdict(AuthOutcome.WRONG, user)
        fresh = self._use(nonce, issued_ms, int(nc, 16) if qop else 1, int(now * 1000))
        return Verdict(AuthOutcome.PROVED if fresh else AuthOutcome.STALE, user)

    def _user(self, params: dict[str, str]) -> str:
        name = params.get("username", "")
        # RFC 7616 §3.4.4; a hash that is nobody's is as good as an unknown name.
        return self._names.get(name.lower(), name) if params.get("userhash") == "true" else name

    def _accepted(self) -> set[str]:
        # RFC 3261 §22.4: a missing algorithm is MD5.
        plain = {each.upper() for each in self.algorithms}
        return plain | {""} if "MD5" in plain else plain

    def _code(self, issued: str) -> str:
        text = f"{issued}.{self.realm}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, "sha256").hex()[:32]

    def _issued_ms(self, nonce: str) -> int | None:
        """When a nonce of ours was made; None for a nonce that is not ours."""
        match = _NONCE.fullmatch(nonce)
        if match is None or not same(self._code(f"{match[1]}.{match[2]}"), match[3]):
            return None
        return int(match[1], 16)

    def _use(self, nonce: str, issued_ms: int, count: int, now_ms: int) -> bool:
        """Note one use; False if the nonce is too old, or was used with this count before."""
        last, _ = self._used.get(nonce, (0, 0))
        too_old = now_ms - issued_ms > self._life_ms
        # RFC 7616 §3.4: a count that does not grow is a replay. What was forgotten may be one too.
        if too_old or count <= last or (not last and issued_ms <= self._forgotten_ms):
            return False
        while self._used and (len(self._used) >= MAX_NONCES or self._head_is_old(now_ms)):
            _, forgotten_ms = self._used.pop(next(iter(self._used)))
            self._forgotten_ms = max(self._forgotten_ms, forgotten_ms)
        self._used[nonce] = (count, issued_ms)
        return True

    def _head_is_old(self, now_ms: int) -> bool:
        _, issued_ms = next(iter(self._used.values()))
        return now_ms - issued_ms > self._life_ms


def _same_user(signed: str, requested: str) -> bool:
    # We differ from RFC 7616 §3.4.6: a proxy on the way may have put its host or port in the
    # Request-URI, so only the user part must be what was signed.
    return _before_host(signed) == _before_host(requested)


def _before_host(uri: str) -> str:
    return uri.partition(":")[2].rpartition("@")[0]
