"""Which password answers a challenge to a call of ours."""

from __future__ import annotations

import pytest

from ivrbench.config import Account, Settings
from ivrbench.engine.signalling.logins import login_of

PROVIDER = Account("sip:4912@provider.example", "", "secret")
OFFICE = Account("sip:ivr@office.example", "desk", "")


@pytest.mark.parametrize(
    ("addresses", "realm", "login"),
    [
        (["sip:ann@provider.example"], "asterisk", ("4912", "secret")),
        (["sip:ann@far.example", '"Us" <sip:4912@PROVIDER.example>'], "x", ("4912", "secret")),
        (["sip:ann@far.example"], "provider.example", ("4912", "secret")),
        (["sip:ann@far.example"], "far.example", None),
        (["", "nonsense", "<<"], "x", None),
        (["sip:ann@office.example"], "x", ("desk", "general")),
    ],
)
def test_accounts(addresses: list[str], realm: str, login: tuple[str, str] | None) -> None:
    """An account answers for its host, as realm or as where the call comes from or goes."""
    settings = Settings(register=(PROVIDER, OFFICE), password="general")
    assert login_of(settings, addresses)(realm) == login


def test_without_accounts() -> None:
    """`user` and `password` alone are for calls out, whoever asks; nothing is nothing."""
    assert login_of(Settings(user="me", password="pw"), [])("any") == ("me", "pw")
    assert login_of(Settings(user="me"), [])("any") is None
    account = Account("sip:a@b.example")
    assert login_of(Settings(register=(account,), user="me"), ["sip:x@b.example"])("r") is None
