"""Service-Route (RFC 3608): calls of an account go the way its registrar named."""

from __future__ import annotations

from dataclasses import replace

from tests.engine.provider import Provider


def test_calls_of_an_account() -> None:
    """By whom the call is from; the outbound proxy stays the first hop."""
    provider = Provider(1)
    route_from = provider.registrations.route_from
    assert route_from("<sip:u0@192.0.2.50>") == (), "not registered yet"
    provider.wait(1.0)
    assert route_from('"Us" <sip:u0@192.0.2.50;x=y>') == ("<sip:192.0.2.60;lr>",)
    for other in ("<sip:u1@192.0.2.50>", "<sip:u0@far.example>", "nonsense"):
        assert route_from(other) == ()
    provider.board.apply(replace(provider.settings, outbound_proxy="sip:192.0.2.70"))
    assert route_from("sip:u0@192.0.2.50") == ("<sip:192.0.2.70;lr>", "<sip:192.0.2.60;lr>")
    provider.registrations.apply(replace(provider.settings, register=()))
    assert route_from("sip:u0@192.0.2.50") == ("<sip:192.0.2.70;lr>",)
    provider.close()
