"""What people see of a message."""

from __future__ import annotations

import pytest

from ivrbench.engine.describe import without_keys

KEY = b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


@pytest.mark.parametrize(
    "line",
    [
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^31|1:4 KDR=0",
        b"a=crypto:2 F8_128_HMAC_SHA1_80 inline:%s|1:4;inline:%s|2:4",
        b"a=crypto:3 AEAD_AES_128_GCM inline:%s==",
    ],
)
def test_keys_are_struck_out(line: bytes) -> None:
    """No key is shown, nor kept in a trace; everything else stays, and so does the length."""
    message = (
        b"INVITE sip:a@b SIP/2.0\r\n\r\nv=0\r\n" + line.replace(b"%s", KEY) + b"\r\na=sendrecv"
    )
    shown = without_keys(message)
    assert KEY not in shown
    assert len(shown) == len(message)
    assert shown.replace(b"*", b"").replace(b"==", b"") == (
        message.replace(KEY, b"").replace(b"==", b"")
    )


def test_other_messages_are_left_alone() -> None:
    """Words that look like a key elsewhere are no key."""
    message = b"MESSAGE sip:a@b SIP/2.0\r\n\r\ninline:" + KEY
    assert without_keys(message) is message
