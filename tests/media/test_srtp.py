"""Encrypted calls: SDES keys, DTLS handshakes, what an attacker cannot do."""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ivrbench.media.messages import (
    CallClosed,
    DtlsParams,
    FlushQueue,
    KeysAgreed,
    KeysFailed,
    SrtpParams,
    StreamCounts,
    UpdateCall,
    UseCertificate,
)
from ivrbench.media.srtp import SrtpContext, is_dtls
from ivrbench.rtp.rtcp import SenderReport, parse_rtcp

from .lab import FAR_RTCP, FAR_RTP, OUR_IP, FarEnd, Lab, decoded, octets, stream, wav_audio

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}


def keys(suite: str, seed: int = 1) -> tuple[SrtpParams, SrtpContext]:
    """Our keys, and the peer's side of them."""
    source = random.Random(seed)
    ours, theirs = source.randbytes(SUITES[suite]), source.randbytes(SUITES[suite])
    return SrtpParams(suite, ours, theirs), SrtpContext(SrtpParams(suite, theirs, ours))


def secured(suite: str = "AES_CM_128_HMAC_SHA1_80", **changes: Any) -> tuple[Lab, SrtpContext]:
    """A call with keys, and the peer's context; any stream field may change, hence Any."""
    params, peer = keys(suite)
    lab = Lab()
    lab.raw = True
    lab.open(srtp=params, **changes)
    return lab, peer


def counts(lab: Lab) -> StreamCounts:
    lab.run(100)
    lab.close()
    result: StreamCounts = lab.of(CallClosed)[0].counts
    return result


@pytest.mark.parametrize("suite", SUITES)
def test_audio_and_reports_are_encrypted_both_ways(suite: str) -> None:
    """What the peer decrypts is the prompt; what it encrypted is recorded; RTCP likewise."""
    lab, peer = secured(suite)
    prompt, said = octets(1600, 1), octets(1600, 2)
    lab.play(lab.clip(prompt))
    file = lab.record()
    lab.play(None, recorder=1)
    lab.run(200)
    assert lab.datagrams
    for data in lab.datagrams:
        assert prompt[:40] not in data
    assert b"".join(peer.unprotect(data)[12:] for data in lab.datagrams) == prompt
    far = FarEnd(lab)
    for start in range(0, 1600, 160):
        far.deliver(peer.protect(far.packet(said[start : start + 160])))
        lab.run(20)
    lab.run(100)
    lab.apply(FlushQueue(1))
    assert decoded(said) in wav_audio(file)
    lab.run(6000)
    datagram = lab.rtcp.receive()
    assert datagram is not None
    assert parse_rtcp(datagram.data) is None or b"ivr" not in datagram.data
    reports = parse_rtcp(peer.unprotect(datagram.data))
    assert reports is not None
    assert isinstance(reports[0], SenderReport)


def test_what_is_not_the_peers_never_gets_in() -> None:
    """Plain, forged and repeated packets are dropped and counted, and disturb nothing."""
    lab, peer = secured()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    _, stranger = keys("AES_CM_128_HMAC_SHA1_80", seed=9)
    said = octets(1600)
    before = b""
    for start in range(0, 1600, 160):
        packet = far.packet(said[start : start + 160])
        sealed = peer.protect(packet)
        far.deliver(packet)
        far.deliver(stranger.protect(packet))
        far.deliver(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        far.deliver(sealed)
        if before:
            far.deliver(before)
        before = sealed
        lab.run(20)
    lab.run(100)
    lab.apply(FlushQueue(1))
    assert wav_audio(file).startswith(decoded(said))
    result = counts(lab)
    assert (result.received, result.lost, result.invalid) == (10, 0, 39)


def test_garbage_is_dropped() -> None:
    """Datagrams of any length raise nothing."""
    lab, _ = secured()
    source = random.Random(5)
    for n in range(0, 80):
        lab.network.send(source.randbytes(n), FAR_RTP, lab.ours)
        lab.network.send(source.randbytes(n), FAR_RTCP, (OUR_IP, 4001))
        lab.network.send(bytes([22]) + source.randbytes(n), FAR_RTP, lab.ours)
        lab.run(20)
    assert counts(lab).received == 0


def test_new_keys_of_a_later_offer_are_taken() -> None:
    """A re-INVITE may bring new keys, or none; audio goes on."""
    lab, _ = secured()
    params, peer = keys("AEAD_AES_128_GCM", seed=3)
    lab.apply(UpdateCall(1, stream(srtp=params)))
    lab.datagrams.clear()
    lab.run(100)
    assert [len(peer.unprotect(data)) for data in lab.datagrams] == [172] * 5
    lab.apply(UpdateCall(1, stream()))
    lab.datagrams.clear()
    lab.run(100)
    assert {len(data) for data in lab.datagrams} == {172}


def test_sequence_wraps_under_encryption() -> None:
    """The rollover counter follows the sequence number over 65535 (RFC 3711 §3.3.1)."""
    lab, peer = secured()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab, seq=65_530)
    said = octets(3200)
    for start in range(0, 3200, 160):
        far.deliver(peer.protect(far.packet(said[start : start + 160])))
        lab.run(20)
    lab.run(100)
    lab.apply(FlushQueue(1))
    assert wav_audio(file).startswith(decoded(said))


def test_keys_are_not_shown() -> None:
    """A message in a log gives no key away."""
    params, _ = keys("AES_CM_128_HMAC_SHA1_80")
    assert repr(stream(srtp=params)).count("SrtpParams(AES_CM_128_HMAC_SHA1_80)") == 1
    assert "key" not in repr(UseCertificate(b"a", b"secret"))


# -- DTLS


def certificate() -> tuple[UseCertificate, str]:
    """A fresh certificate and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    digest = made.fingerprint(hashes.SHA256()).hex(":").upper()
    return UseCertificate(made.public_bytes(serialization.Encoding.PEM), pem), f"sha-256 {digest}"


class TwoPlanes:
    """Two calls that talk to each other over one network, in two planes."""

    def __init__(self, *, wrong: bool = False, latch: bool = False) -> None:
        self.ours, self.theirs = Lab(seed=1), Lab(seed=2)
        self.theirs.network = self.ours.network
        self.certificates = (certificate(), certificate())
        (certificate_a, print_a), (certificate_b, print_b) = self.certificates
        self.ours.apply(certificate_a)
        self.theirs.apply(certificate_b)
        a, b = (OUR_IP, 4000), (OUR_IP, 6000)
        told = ("192.0.2.99", 9) if latch else b
        expected = print_a if wrong else print_b
        self.ours.open(port=4000, remote_rtp=told, latch=latch, dtls=DtlsParams(False, expected))
        self.theirs.open(port=6000, remote_rtp=a, dtls=DtlsParams(True, print_a))

    def run(self, n_ms: int) -> None:
        for _ in range(n_ms // 5):
            self.ours.run(5)
            self.theirs.run(5)

    def replace(self, lab: Lab, port: int, peer: int, **stream: Any) -> Lab:
        """A plane dies without a word; another one comes in its place, at the same port."""
        for call in lab.plane._calls.values():
            call.keying.close()
        fresh = Lab(seed=9)
        fresh.network, fresh.now = lab.network, lab.now
        fresh.apply(self.certificates[port == 6000][0])
        fresh.open(port=port, remote_rtp=(OUR_IP, peer), **stream)
        return fresh


@pytest.mark.parametrize("latch", [False, True])
def test_dtls_agrees_on_keys(latch: bool) -> None:
    """After the handshake over the media port both hear each other; also from behind a NAT."""
    both = TwoPlanes(latch=latch)
    prompt = octets(16_000)
    both.theirs.play(both.theirs.clip(prompt))
    file = both.ours.record()
    both.ours.play(None, recorder=1)
    both.run(3000)
    both.ours.apply(FlushQueue(1))
    assert decoded(prompt)[4000:] in wav_audio(file)
    assert not both.ours.of(KeysFailed) + both.theirs.of(KeysFailed)


def in_bulk(lab: Lab) -> bool:
    """Whether the packets of a plane's only call are encrypted with those of its lane."""
    (call,) = lab.plane._calls.values()
    return call.lane.secure_rows is not None and call.row in call.lane.secure_rows


def test_packets_of_a_handshake_are_read_whole() -> None:
    """A call joins the others of its lane when both have keys: DTLS needs more than a row's room,
    also to repeat the last of a handshake."""
    both = TwoPlanes()
    (_, _), (_, print_b) = both.certificates
    both.ours.network.impair = lambda data, source, to: [data] if is_dtls(data) else []
    both.run(1000)
    (agreed,) = both.ours.of(KeysAgreed)
    assert not in_bulk(both.ours)
    assert not in_bulk(both.theirs)
    both.ours.network.impair = None
    both.run(100)
    assert in_bulk(both.ours)
    assert in_bulk(both.theirs)
    waits = DtlsParams(False, print_b)
    both.ours = both.replace(both.ours, 4000, 6000, srtp=agreed.keys, dtls=waits)
    both.run(100)
    assert not in_bulk(both.ours)


def test_keys_outlive_the_plane_that_agreed_on_them() -> None:
    """A peer that makes no new handshake is heard with the old keys, one that does with its own."""
    both = TwoPlanes()
    (_, print_a), (_, print_b) = both.certificates
    prompt = octets(16_000)
    both.theirs.play(both.theirs.clip(prompt, loop=True))
    both.run(500)
    (agreed,) = both.ours.of(KeysAgreed)
    waits, begins = DtlsParams(False, print_b), DtlsParams(True, print_a)
    both.ours = both.replace(both.ours, 4000, 6000, srtp=agreed.keys, dtls=waits)
    for anew in (False, True):
        if anew:
            both.theirs = both.replace(both.theirs, 6000, 4000, dtls=begins)
            both.theirs.play(both.theirs.clip(prompt, loop=True))
            both.run(1000)
        file = both.ours.record(recorder=1 + anew)
        both.ours.play(None, recorder=1 + anew)
        both.run(3000)
        both.ours.apply(FlushQueue(1))
        both.run(20)
        assert decoded(prompt)[8000:24_000] in wav_audio(file)
    assert not both.ours.of(KeysFailed)
    (new,) = both.ours.of(KeysAgreed)
    assert new.keys != agreed.keys


def test_wrong_certificate_gets_no_audio() -> None:
    """RFC 5763 §5: a certificate that is not the SDP's ends the handshake, and that is told."""
    both = TwoPlanes(wrong=True)
    both.run(1000)
    (failed,) = both.ours.of(KeysFailed)
    assert failed.reason == "DTLS failed: the peer's certificate is not the one its SDP names"
    both.ours.close()
    assert both.ours.of(CallClosed)[0].counts.received == 0


def test_without_a_certificate_dtls_is_refused_aloud() -> None:
    """A call that was to use DTLS in a plane without certificate is silent and says why."""
    lab = Lab()
    lab.open(dtls=DtlsParams(True, "sha-256 AB"))
    lab.run(1000)
    assert lab.of(KeysFailed)[0].reason == "there is no certificate for DTLS"
    assert not lab.sent
