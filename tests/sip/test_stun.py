"""STUN on a SIP port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.sip.stun import StunMessage, is_stun, parse, request, response

ID = bytes(range(12))
# RFC 5769 §2.2: the sample response; its address is 192.0.2.1, port 32853.
SAMPLE_ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SAMPLE_MAPPED = bytes.fromhex("00200008 0001a147 e112a643")


def test_request_and_response() -> None:
    """Both ends agree; RFC 5769's masked address reads as it says."""
    assert parse(request(ID)) == StunMessage(True, ID)
    told = response(SAMPLE_ID, ("192.0.2.1", 32853))
    assert told == bytes.fromhex("0101000c 2112a442") + SAMPLE_ID + SAMPLE_MAPPED
    assert parse(told) == StunMessage(False, SAMPLE_ID, ("192.0.2.1", 32853))


@pytest.mark.parametrize("mapped", [("192.0.2.1", 1), ("2001:db8::1", 65_535)])
def test_addresses_of_both_versions(mapped: tuple[str, int]) -> None:
    """The mask of an IPv6 address takes the transaction id in."""
    message = parse(response(ID, mapped))
    assert message is not None
    assert message.mapped == mapped


def test_old_servers_and_other_attributes() -> None:
    """RFC 3489 servers send the address as it is; unknown attributes are stepped over, padded."""
    attributes = bytes.fromhex("80220005 4142434445000000 00010008 000113c4 c0000201")
    head = bytes.fromhex("0101") + len(attributes).to_bytes(2) + bytes.fromhex("2112a442")
    assert parse(head + ID + attributes) == StunMessage(False, ID, ("192.0.2.1", 5060))


def test_sip_is_never_taken_for_stun() -> None:
    """What a telephone sends begins with a letter or a line end."""
    assert is_stun(request(ID))
    assert not is_stun(b"\r\n\r\n")
    assert not is_stun(b"\0\0\0\0")
    assert not is_stun(b"OPTIONS sip:x SIP/2.0\r\n")


@given(st.binary(max_size=60))
def test_garbage_is_nothing(data: bytes) -> None:
    """No datagram raises."""
    for start in (b"", request(ID)[:8], response(ID, ("::1", 1))[:20]):
        parse(start + data)
