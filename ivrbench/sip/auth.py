"""Digest authentication: the arithmetic, and the side that is asked (RFC 7616, RFC 8760, RFC 3261
§22). The side that asks is in `auth_server`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from ..errors import LocalProtocolError, RemoteProtocolError
from .grammar import QUOTED, TOKEN, check_text, quote, split_commas, unquote

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from .message import SipResponse
    from .tokens import Tokens

__all__ = [
    "ALGORITHMS",
    "Attempts",
    "Challenge",
    "Credentials",
    "DigestClient",
    "QOPS",
    "digest",
    "hash_name",
    "parse_auth",
    "read_challenges",
    "same",
    "split_algorithm",
]

Credentials = Callable[[str], "tuple[str, str] | None"]
"""Realm -> (user name, password), None if that realm is not ours."""

ALGORITHMS: Final[dict[str, Callable[[bytes], Hash]]] = {
    # RFC 8760 §2.1. Strongest first: of several challenges the first that is here is answered.
    "SHA-512-256": partial(hashlib.new, "sha512_256"),
    "SHA-256": hashlib.sha256,
    "MD5": partial(hashlib.md5, usedforsecurity=False),
}
_STRENGTH = {name: place for place, name in enumerate(ALGORITHMS)}

QOPS: Final = ("auth", "auth-int")
"""Qualities of protection (RFC 7616 §3.4), the preferred one first: what stands between us and the
other side may change a body, and few servers can do auth-int.
"""

MAX_REALMS = 8  # Realms one call answers; a chain of challenging proxies has one or two.
MAX_STALE = 2  # Times one request follows `stale=true` of one realm.

# credentials and challenge = scheme 1*SP auth-param *( COMMA auth-param )
_SCHEME = re.compile(rf"\s*+({TOKEN})\s++(.*)", re.DOTALL)
_AUTH_PARAM = re.compile(rf"({TOKEN})\s*+=\s*+({QUOTED}|[^\s\",]*+)", re.DOTALL)

_ANSWERED_BY = {401: ("www-authenticate", "Authorization")}
_ANSWERED_BY[407] = ("proxy-authenticate", "Proxy-Authorization")
# RFC 7615 §3, §4: what the server that asked for each of these answers says later.
_TOLD_BY = {
    "Authorization": "authentication-info",
    "Proxy-Authorization": "proxy-authentication-info",
}


def parse_auth(value: str) -> tuple[str, dict[str, str]]:
    """Parse the value of any of the four authentication headers.

    Returns:
        the scheme in lower case, and the parameters, unquoted, by lower-case name.

    Raises:
        RemoteProtocolError: 400.
    """
    match = _SCHEME.fullmatch(value)
    if match is None:
        raise RemoteProtocolError(f"bad authentication header {value[:80]!r}")
    params: dict[str, str] = {}
    for item in split_commas(match[2]):
        param = _AUTH_PARAM.fullmatch(item)
        if param is None or param[1].lower() in params:
            raise RemoteProtocolError(f"bad authentication parameter {item[:80]!r}")
        params[param[1].lower()] = unquote(param[2])
    return match[1].lower(), params


def same(ours: str, theirs: str) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    encoded = (text.encode("utf-8", "surrogateescape") for text in (ours, theirs))
    return hmac.compare_digest(*encoded)


def split_algorithm(name: str) -> tuple[str, bool] | None:
    """(key of `ALGORITHMS`, session variant?) of an algorithm parameter; None: not known here."""
    plain = name.upper() or "MD5"
    session = plain.endswith("-SESS")
    plain = plain.removesuffix("-SESS")
    return (plain, session) if plain in ALGORITHMS else None


def digest(
    algorithm: str,
    user: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    cnonce: str = "",
    nc: str = "",
    qop: str = "",
    body: bytes = b"",
) -> str:
    """The response value (RFC 7616 §3.4.1).

    Args:
        algorithm: as written in the challenge, "" for MD5; must be known.
        user, realm, password: unquoted.
        method, uri: of the request.
        nonce: of the challenge.
        cnonce: ours; used with `qop` and by the `-sess` algorithms.
        nc: eight hex digits.
        qop: one of `QOPS`, or "" for a peer that knows no qop (RFC 2069).
        body: of the request; protected by auth-int alone.
    """
    make, session = _hash_of(algorithm)

    def hashed(text: str) -> str:
        return make(text.encode("utf-8", "surrogateescape")).hexdigest()

    secret = hashed(f"{user}:{realm}:{password}")
    if session:
        secret = hashed(f"{secret}:{nonce}:{cnonce}")
    # RFC 7616 §3.4.3.
    protected = f":{make(body).hexdigest()}" if qop == "auth-int" else ""
    asked = hashed(f"{method}:{uri}{protected}")
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return hashed(f"{secret}:{middle}:{asked}")


def hash_name(algorithm: str, user: str, realm: str) -> str:
    """What stands for a user name where `userhash` is true (RFC 7616 §3.4.4)."""
    make, _ = _hash_of(algorithm)
    return make(f"{user}:{realm}".encode("utf-8", "surrogateescape")).hexdigest()


def _hash_of(algorithm: str) -> tuple[Callable[[bytes], Hash], bool]:
    known = split_algorithm(algorithm)
    if known is None:
        raise LocalProtocolError(f"digest algorithm {algorithm!r} is not known")
    return ALGORITHMS[known[0]], known[1]


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge we can answer."""

    header: str
    """Name of the header the answer goes in."""
    realm: str
    nonce: str
    opaque: str | None
    """To be given back as it came; None if there was none."""
    algorithm: str
    """As written, "" if there was none."""
    qop: str
    """The one of `QOPS` to use; "" for an RFC 2069 peer."""
    stale: bool
    """True: the password was right, the nonce too old."""
    userhash: bool = False
    """True: the server knows users by the hash of their names too."""

    @property
    def place(self) -> int:
        """0 for the strongest algorithm."""
        known = split_algorithm(self.algorithm)
        return _STRENGTH[known[0]] if known is not None else len(_STRENGTH)


def read_challenges(response: SipResponse) -> list[Challenge]:
    """The challenges of a 401 or 407 that we can answer: of each realm the strongest."""
    asks, answers = _ANSWERED_BY.get(response.code, ("", ""))
    best: dict[str, Challenge] = {}
    for value in response.headers(asks) if asks else ():
        found = _challenge(value, answers)
        if found is None or (len(best) >= MAX_REALMS and found.realm not in best):
            continue
        other = best.get(found.realm)
        if other is None or found.place < other.place:
            best[found.realm] = found
    return list(best.values())


def _challenge(value: str, answers: str) -> Challenge | None:
    """A challenge, None for one not for us: another scheme, algorithm or qop."""
    try:
        scheme, params = parse_auth(value)
    except RemoteProtocolError:
        return None
    algorithm = params.get("algorithm", "")
    offered = params.get("qop")
    qops = [each.strip().lower() for each in offered.split(",")] if offered else []
    qop = next((each for each in QOPS if each in qops), "")
    usable = scheme == "digest" and "realm" in params and params.get("nonce")
    if not usable or split_algorithm(algorithm) is None or (qops and not qop):
        return None
    if any("\0" in text for text in params.values()):
        return None  # It would have to go back, and no message of ours holds a NUL.
    return Challenge(
        header=answers,
        realm=params["realm"],
        nonce=params["nonce"],
        opaque=params.get("opaque"),
        algorithm=algorithm,
        qop=qop,
        stale=params.get("stale", "").lower() == "true",
        userhash=params.get("userhash", "").lower() == "true",
    )


class _Realm:
    """One realm that challenged us: its newest nonce and how often we used it."""

    __slots__ = ("_cnonce", "_count", "_password", "_user", "challenge")

    def __init__(self, challenge: Challenge, user: str, password: str, cnonce: str) -> None:
        check_text(user, "user name")
        self.challenge = challenge
        self._user = user
        self._password = password
        # RFC 7616 §3.4.2: one cnonce for as long as the nonce is used, as -sess wants it.
        self._cnonce = cnonce
        self._count = 0

    def renew(self, nonce: str) -> None:
        """RFC 7616 §3.5: the server wants this nonce used from now on."""
        self.challenge = replace(self.challenge, nonce=nonce)
        self._count = 0

    def line(self, method: str, uri: str, body: bytes) -> str:
        """The header line that answers, for one request."""
        asked = self.challenge
        # RFC 7616 §3.4: the count is of the requests sent with this nonce.
        self._count += 1
        nc = f"{self._count:08x}"
        qop = asked.qop
        response = self._response(method, uri, nc, body)
        # RFC 7616 §3.4.4: who can hide the name does; the response is made with the name itself.
        name = self._user
        if asked.userhash:
            name = hash_name(asked.algorithm, self._user, asked.realm)
        parts = [f"username={quote(name)}", f"realm={quote(asked.realm)}"]
        parts += [f"nonce={quote(asked.nonce)}", f"uri={quote(uri)}", f'response="{response}"']
        if asked.algorithm:
            parts.append(f"algorithm={asked.algorithm}")
        if qop:
            parts.append(f'qop={qop}, nc={nc}, cnonce="{self._cnonce}"')
        elif asked.algorithm.lower().endswith("-sess"):
            parts.append(f'cnonce="{self._cnonce}"')
        if asked.opaque is not None:
            parts.append(f"opaque={quote(asked.opaque)}")
        if asked.userhash:
            parts.append("userhash=true")
        return f"{asked.header}: Digest {', '.join(parts)}\r\n"

    def _response(self, method: str, uri: str, nc: str, body: bytes) -> str:
        asked = self.challenge
        return digest(
            asked.algorithm,
            self._user,
            asked.realm,
            self._password,
            method,
            uri,
            asked.nonce,
            cnonce=self._cnonce,
            nc=nc,
            qop=asked.qop,
            body=body,
        )


class Attempts(dict[tuple[str, str], int]):
    """What one request answered already: (header, realm) -> times."""


class DigestClient:
    """What one call, or one request outside a call, knows of the realms that challenged it.

    Give it each 401 and 407 with `take`; if that says True, send the request again with `lines`.
    Later requests use the same nonces without being asked, so they cost no second round trip.

    Args:
        credentials: who we are in which realm.
        tokens: where client nonces come from.
    """

    def __init__(self, credentials: Credentials, tokens: Tokens) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._realms: dict[tuple[str, str], _Realm] = {}

    def take(self, response: SipResponse, attempts: Attempts) -> bool:
        """Take the challenges of a 401 or 407.

        Args:
            response: any final response.
            attempts: what the request it answers has answered before; grows.

        Returns:
            True if the request should be sent again: a realm we have credentials for asked for the
            first time, or called the nonce stale. A wrong password is not tried twice.
        """
        again = False
        for challenge in read_challenges(response):
            key = (challenge.header, challenge.realm)
            times = attempts.get(key, 0)
            if times and not (challenge.stale and times <= MAX_STALE):
                # RFC 3261 §22.2: the same credentials would be refused again.
                return False
            known = self._credentials(challenge.realm)
            if known is None or (key not in self._realms and len(self._realms) >= MAX_REALMS):
                continue
            attempts[key] = times + 1
            self._realms[key] = _Realm(challenge, *known, self._tokens.tag())
            again = True
        return again

    def learn(self, response: SipResponse) -> None:
        """Take the next nonce out of a 2xx, so that the next request is not challenged (RFC 7616
        §3.5). A header that cannot be read changes nothing.
        """
        for answers, told_by in _TOLD_BY.items():
            value = response.header(told_by)
            realms = [each for (header, _), each in self._realms.items() if header == answers]
            if not value or len(realms) != 1:
                continue  # It names no realm, so of several it is not known whose it is.
            try:
                nonce = parse_auth(f"Digest {value}")[1].get("nextnonce", "")
            except RemoteProtocolError:
                continue
            if nonce and "\0" not in nonce:
                realms[0].renew(nonce)

    def lines(self, method: str, uri: str, body: bytes = b"") -> str:
        """The header lines for a request about to be sent, "" before the first challenge."""
        return "".join(realm.line(method, uri, body) for realm in self._realms.values())
