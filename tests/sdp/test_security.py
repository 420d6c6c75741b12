"""Keys in offers and answers: SDES (RFC 4568) and DTLS-SRTP (RFC 5763)."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from ivrbench.errors import SdpError
from ivrbench.sdp.description import parse_sdp
from ivrbench.sdp.negotiate import Agreement, LocalMedia, answer, apply_answer, offer
from ivrbench.sdp.security import (
    KEY_BYTES,
    CryptoLine,
    DtlsParameters,
    DtlsRole,
    Keying,
    LocalSecurity,
)
from ivrbench.sdp.session import OfferAnswer

OURS = bytes(range(KEY_BYTES))
THEIRS = bytes(range(100, 100 + 44))
PRINT = "sha-256 " + ":".join(["AB"] * 32)
OPTIONAL = LocalSecurity(OURS)
REQUIRED = LocalSecurity(OURS, required=True)
WITH_DTLS = LocalSecurity(OURS, fingerprint=PRINT)
LOCAL = LocalMedia("127.0.0.1", 4000, session_id=77)
KEY30 = base64.b64encode(THEIRS[:30]).decode()
KEY28 = base64.b64encode(THEIRS[:28]).decode()
SDES = f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|2^31"


def sdp(*lines: str) -> bytes:
    """Return a description with one audio stream."""
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-", "c=IN IP4 192.0.2.7", "t=0 0"]
    return "".join(line + "\r\n" for line in [*head, *lines]).encode()


def answered(security: LocalSecurity | None, *lines: str) -> Agreement:
    return answer(parse_sdp(sdp(*lines)), replace(LOCAL, security=security))


def refusal(security: LocalSecurity | None, *lines: str) -> str:
    with pytest.raises(SdpError) as caught:
        answered(security, *lines)
    assert caught.value.status_hint == 488
    return str(caught.value)


@pytest.mark.parametrize("proto", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
@pytest.mark.parametrize("security", [OPTIONAL, REQUIRED])
def test_the_first_usable_key_is_answered_with_ours(proto: str, security: LocalSecurity) -> None:
    """The answer repeats tag and suite and brings our own key (RFC 4568 §5.1.2)."""
    agreement = answered(
        security,
        f"m=audio 5004 {proto} 0",
        "a=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        f"a=crypto:2 AEAD_AES_128_GCM inline:{KEY28}",
        SDES,
    )
    assert agreement.sdes is not None
    assert agreement.sdes.suite == "AEAD_AES_128_GCM"
    assert agreement.sdes.receive == THEIRS[:28]
    assert agreement.sdes.send == OURS[:28]
    ours = base64.b64encode(OURS[:28]).decode()
    assert f"a=crypto:2 AEAD_AES_128_GCM inline:{ours}\r\n".encode() in agreement.local_sdp
    assert f"m=audio 4000 {proto} 0\r\n".encode() in agreement.local_sdp


def test_optional_answers_plain_and_required_refuses_it() -> None:
    """`srtp = optional` takes both; `required` answers plain audio with 488."""
    plain = ("m=audio 5004 RTP/AVP 0",)
    agreement = answered(OPTIONAL, *plain)
    assert agreement.sdes is None
    assert b"crypto" not in agreement.local_sdp
    assert refusal(REQUIRED, *plain) == (
        "The offer has no encrypted audio, which is required (srtp = required)."
    )


def test_off_refuses_encrypted_audio_with_the_reason() -> None:
    """`srtp = off` is a decision the caller's 488 explains."""
    sentence = refusal(None, "m=audio 5004 RTP/SAVP 0", SDES)
    assert sentence == "The offer wants audio over RTP/SAVP; encryption is off (srtp = off)."


def test_of_two_streams_the_one_that_can_be_secured_is_taken() -> None:
    """A peer that offers both kinds gets encryption where it is required."""
    both = ("m=audio 5004 RTP/AVP 0", "m=audio 5006 RTP/SAVP 0", SDES)
    assert answered(REQUIRED, *both).remote_rtp[1] == 5006
    assert answered(None, *both).remote_rtp[1] == 5004


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30};inline:{KEY30}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30} KDR=1",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY28}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        "1 AES_CM_128_HMAC_SHA1_80 inline:A",
        "1 NULL_CIPHER inline:AAAA",
        "",
        "x",
    ],
)
def test_unusable_lines_are_passed_over(value: str) -> None:
    """What changes the packets in a way we do not know, or is no key, is not taken."""
    assert CryptoLine.parse(value) is None


@pytest.mark.parametrize("rest", ["", "|2^48", "|1048576", " WSH=64", " -ODD=1", "=="])
def test_harmless_parameters_are_ignored(rest: str) -> None:
    """A key's lifetime and hints do not change what is on the wire."""
    line = CryptoLine.parse(f"1 AES_CM_128_HMAC_SHA1_32 inline:{KEY30}{rest}")
    assert line == CryptoLine(1, "AES_CM_128_HMAC_SHA1_32", THEIRS[:30])


def test_keys_are_never_shown() -> None:
    """A log line with an agreement in it gives nothing away."""
    agreement = answered(OPTIONAL, "m=audio 5004 RTP/SAVP 0", SDES)
    assert "receive" not in repr(agreement.sdes)
    assert "key" not in repr(OPTIONAL)
    assert "key" not in repr(CryptoLine.parse(SDES.removeprefix("a=crypto:")))


@pytest.mark.parametrize("proto", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/SAVP"])
@pytest.mark.parametrize("level", ["session", "stream"])
@pytest.mark.parametrize(
    ("setup", "role"),
    [
        ("a=setup:actpass", DtlsRole.PASSIVE),
        ("a=setup:active", DtlsRole.PASSIVE),
        ("a=setup:passive", DtlsRole.ACTIVE),
    ],
)
def test_dtls_is_agreed_by_fingerprints(proto: str, level: str, setup: str, role: DtlsRole) -> None:
    """The answer has our fingerprint and our role; the peer's fingerprint is kept."""
    lines = [f"a=fingerprint:{PRINT.lower()}", setup]
    stream = [f"m=audio 5004 {proto} 0"]
    agreement = answered(WITH_DTLS, *(stream + lines if level == "stream" else lines + stream))
    assert agreement.dtls is not None
    assert agreement.dtls.role is role
    assert agreement.dtls.fingerprint == PRINT
    text = agreement.local_sdp.decode()
    assert f"a=fingerprint:{PRINT}\r\n" in text
    assert f"a=setup:{role.value}\r\n" in text


def test_dtls_needs_a_certificate_and_a_good_fingerprint() -> None:
    """Without our certificate, or with a hash that is no good any more, the offer is refused."""
    stream = "m=audio 5004 UDP/TLS/RTP/SAVP 0"
    assert "not supported" in refusal(OPTIONAL, stream, f"a=fingerprint:{PRINT}")
    sentence = refusal(WITH_DTLS, stream, "a=fingerprint:md5 " + ":".join(["AB"] * 16))
    assert sentence == "The offer's audio is encrypted with keys or in a way that cannot be used."


@pytest.mark.parametrize("security", [OPTIONAL, REQUIRED])
def test_our_offer_brings_keys_and_reads_the_peers(security: LocalSecurity) -> None:
    """Optional keys stand in a plain stream, required ones in RTP/SAVP."""
    ours = offer(replace(LOCAL, security=security))
    assert ours.media[0].proto == ("RTP/SAVP" if security.required else "RTP/AVP")
    peer = replace(LOCAL, rtp_port=6000, security=LocalSecurity(THEIRS))
    agreement = answer(parse_sdp(ours.to_bytes()), peer)
    back = apply_answer(ours, parse_sdp(agreement.local_sdp), replace(LOCAL, security=security))
    assert agreement.sdes is not None
    assert back.sdes is not None
    assert back.sdes.suite == agreement.sdes.suite
    assert back.sdes.send == agreement.sdes.receive
    assert back.sdes.receive == agreement.sdes.send


@pytest.mark.parametrize(
    ("setup", "role"),
    [
        ("a=setup:active", DtlsRole.PASSIVE),
        ("a=setup:passive", DtlsRole.ACTIVE),
        ("", DtlsRole.PASSIVE),
    ],
)
def test_our_offer_of_dtls(setup: str, role: DtlsRole) -> None:
    """It has fingerprint and actpass; the peer's answer says who begins (RFC 5763 §5)."""
    local = replace(LOCAL, security=replace(WITH_DTLS, offers=Keying.DTLS))
    ours = offer(local)
    assert ours.media[0].proto == "UDP/TLS/RTP/SAVP"
    assert ours.media[0].attribute_values("setup") == ["actpass"]
    assert ours.media[0].attribute_values("fingerprint") == [WITH_DTLS.fingerprint]
    assert ours.media[0].attribute_values("crypto") == []
    stream = ["m=audio 5004 UDP/TLS/RTP/SAVP 0", f"a=fingerprint:{PRINT}", setup]
    agreement = apply_answer(ours, parse_sdp(sdp(*filter(None, stream))), local)
    assert agreement.dtls is not None
    assert agreement.dtls == DtlsParameters(role, PRINT)
    with pytest.raises(SdpError):
        apply_answer(ours, parse_sdp(sdp("m=audio 5004 UDP/TLS/RTP/SAVP 0")), local)


def test_two_of_us_agree_on_dtls() -> None:
    """One begins the handshake, the other waits for it."""
    local = replace(LOCAL, security=replace(WITH_DTLS, offers=Keying.DTLS))
    ours = offer(local)
    peer = replace(LOCAL, rtp_port=6000, security=WITH_DTLS)
    theirs = answer(parse_sdp(ours.to_bytes()), peer)
    back = apply_answer(ours, parse_sdp(theirs.local_sdp), local)
    assert theirs.dtls is not None
    assert back.dtls is not None
    assert {theirs.dtls.role, back.dtls.role} == {DtlsRole.ACTIVE, DtlsRole.PASSIVE}


@pytest.mark.parametrize(
    ("proto", "keys", "name"),
    [
        ("RTP/AVP", [], ""),
        ("RTP/AVP", [SDES], "crypto"),
        ("RTP/SAVP", [SDES], "crypto"),
        ("UDP/TLS/RTP/SAVPF", [f"a=fingerprint:{PRINT}"], "fingerprint"),
    ],
)
@pytest.mark.parametrize("offers", [Keying.SDES, Keying.DTLS])
def test_later_offer_carries_what_was_agreed_on(
    proto: str, keys: list[str], name: str, offers: Keying
) -> None:
    """Whatever a new call would be offered: a plain call is not made to fail by a later offer."""
    call = OfferAnswer(replace(LOCAL, security=replace(WITH_DTLS, offers=offers)))
    call.receive_offer(sdp(f"m=audio 5004 {proto} 0", *keys))
    again = parse_sdp(call.make_offer()).media[0]
    assert again.proto == proto
    for attribute in ("crypto", "fingerprint"):
        assert bool(again.attribute_values(attribute)) == (attribute == name)


def test_answer_without_a_key_is_refused_where_one_is_required() -> None:
    """An answer in the clear to an encrypted offer is no agreement; optional takes it."""
    plain = parse_sdp(sdp("m=audio 5004 RTP/AVP 0"))
    optional = replace(LOCAL, security=OPTIONAL)
    assert apply_answer(offer(optional), plain, optional).sdes is None
    required = replace(LOCAL, security=REQUIRED)
    with pytest.raises(SdpError):
        apply_answer(offer(required), plain, required)


def test_key_of_a_line_never_offered_is_refused() -> None:
    """An answer's tag and suite must be those of one offered line (RFC 4568 §5.1.3)."""
    wrong = parse_sdp(sdp("m=audio 5004 RTP/SAVP 0", SDES.replace("crypto:3", "crypto:9")))
    required = replace(LOCAL, security=REQUIRED)
    with pytest.raises(SdpError):
        apply_answer(offer(required), wrong, required)
