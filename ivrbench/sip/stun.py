"""STUN: the binding request and its answer, all that keepalives over UDP need (RFC 5389, 5626)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .flow import Address

__all__ = ["StunMessage", "is_stun", "parse", "request", "response"]

HEADER_BYTES: Final = 20
MAGIC_COOKIE: Final = 0x2112A442
TRANSACTION_ID_BYTES: Final = 12
BINDING_REQUEST: Final = 0x0001
BINDING_RESPONSE: Final = 0x0101
MAPPED_ADDRESS: Final = 0x0001
XOR_MAPPED_ADDRESS: Final = 0x0020
_FAMILIES: Final = {4: 1, 6: 2}
_ADDRESS_BYTES: Final = {1: 4, 2: 16}


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A binding request or its success response."""

    is_request: bool
    transaction_id: bytes
    mapped: Address | None = None
    """In a response: where the request came from."""


def is_stun(data: bytes) -> bool:
    """True if a datagram on a SIP port is for STUN: no SIP message begins like that."""
    # RFC 5389 §6: the two highest bits are 0, and the magic cookie stands at byte 4.
    return data[:1] in (b"\0", b"\1") and data[4:8] == MAGIC_COOKIE.to_bytes(4)


def request(transaction_id: bytes) -> bytes:
    """A binding request; `transaction_id` has 12 bytes."""
    return pack("!HHI", BINDING_REQUEST, 0, MAGIC_COOKIE) + transaction_id


def response(transaction_id: bytes, mapped: Address) -> bytes:
    """The success response that tells `mapped`."""
    address = ip_address(mapped[0])
    # RFC 5389 §15.2: port and address are masked, so that no NAT rewrites them.
    port = mapped[1] ^ (MAGIC_COOKIE >> 16)
    masked = _mask(address.packed, transaction_id)
    value = pack("!BBH", 0, _FAMILIES[address.version], port) + masked
    return (
        pack("!HHI", BINDING_RESPONSE, 4 + len(value), MAGIC_COOKIE)
        + transaction_id
        + pack("!HH", XOR_MAPPED_ADDRESS, len(value))
        + value
    )


def parse(data: bytes) -> StunMessage | None:
    """Read a datagram; None if it is neither a binding request nor its success response."""
    if len(data) < HEADER_BYTES:
        return None
    kind, length, cookie = unpack_from("!HHI", data)
    if cookie != MAGIC_COOKIE or len(data) != HEADER_BYTES + length:
        return None
    transaction_id = data[8:HEADER_BYTES]
    if kind == BINDING_REQUEST:
        return StunMessage(True, transaction_id)
    if kind != BINDING_RESPONSE:
        return None
    return StunMessage(False, transaction_id, _mapped(data, transaction_id))


def _mapped(data: bytes, transaction_id: bytes) -> Address | None:
    """The address in a response."""
    at = HEADER_BYTES
    while at + 4 <= len(data):
        kind, length = unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
        if kind not in (MAPPED_ADDRESS, XOR_MAPPED_ADDRESS) or len(value) < 4:
            continue
        _, family, port = unpack_from("!BBH", value)
        if len(value) != 4 + _ADDRESS_BYTES.get(family, -1):
            continue
        packed = value[4:]
        if kind == XOR_MAPPED_ADDRESS:
            packed, port = _mask(packed, transaction_id), port ^ (MAGIC_COOKIE >> 16)
        return str(ip_address(packed)), port
    return None


def _mask(packed: bytes, transaction_id: bytes) -> bytes:
    mask = MAGIC_COOKIE.to_bytes(4) + transaction_id
    return bytes(a ^ b for a, b in zip(packed, mask, strict=False))
