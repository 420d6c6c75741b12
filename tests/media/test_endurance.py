"""Keys by the thousand and hours of calls, in virtual time."""

from __future__ import annotations

import gc
import random
from typing import TYPE_CHECKING

import pytest

from ivrbench.media.messages import (
    CallClosed,
    CloseCall,
    CloseRecorder,
    ItemEnded,
    KeyPressed,
    KeyReleased,
    OpenCall,
    OpenRecorder,
    PlayItem,
    RecorderClosed,
    SendKeys,
    SetSwitches,
    UpdateCall,
)
from ivrbench.rtp.dtmf import DtmfReceiver, dtmf_packets
from ivrbench.rtp.packet import RtpPacket

from .lab import FAR_RTP, OUR_IP, FakeFile, FarEnd, Lab, octets, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.media.sockets import Address

    Impair = Callable[[bytes, Address, Address], list[bytes]]

LOSS = 0.05


def losing(source: random.Random, rate: float = LOSS) -> Impair:
    """A network that loses packets by chance."""

    def impair(data: bytes, origin: Address, to: Address) -> list[bytes]:
        return [] if source.random() < rate else [data]

    return impair


@pytest.mark.parametrize(
    ("clock_hz", "seed"),
    [
        (8000, 11),
        (48_000, 11),
        pytest.param(8000, 21, marks=pytest.mark.soak),
        pytest.param(8000, 31, marks=pytest.mark.soak),
        pytest.param(16_000, 41, marks=pytest.mark.soak),
    ],
)
def test_thousand_keys_in_under_loss(clock_hz: int, seed: int) -> None:
    """1000 keys pressed at 5 % loss: none is missing, none comes twice, all in order."""
    lab = Lab()
    source = random.Random(seed)
    lab.network.impair = losing(source)
    lab.open(dtmf_clock_rate_hz=clock_hz)
    far = FarEnd(lab)
    pressed = [source.randrange(16) for _ in range(1000)]
    step_ts = clock_hz // 50
    for key in pressed:
        start_ts = far.ts
        for packet in dtmf_packets(key, 80, clock_rate_hz=clock_hz):
            data = RtpPacket(
                101, far.seq & 0xFFFF, start_ts, far.ssrc, packet.payload, packet.marker
            )
            far.seq += 1
            far.ts += step_ts
            far.deliver(data.to_bytes())
            lab.run(20)
        far.ts += 3 * step_ts
        lab.run(60)
    lab.run(200)
    assert [event.key for event in lab.of(KeyPressed)] == pressed
    lengths = [event.duration_ms for event in lab.of(KeyReleased)]
    assert len(lengths) == len(pressed)
    # A key whose last three packets are all lost is short by a packet time or two, never long.
    assert sum(length == 80 for length in lengths) > 985
    assert max(lengths) == 80


@pytest.mark.parametrize(
    ("clock_hz", "seed"),
    [
        (8000, 12),
        (16_000, 42),
        pytest.param(8000, 22, marks=pytest.mark.soak),
        pytest.param(8000, 32, marks=pytest.mark.soak),
        pytest.param(48_000, 12, marks=pytest.mark.soak),
    ],
)
def test_thousand_keys_out_under_loss(clock_hz: int, seed: int) -> None:
    """1000 keys sent at 5 % loss: a receiver of RFC 4733 gets each once, in order."""
    lab = Lab()
    source = random.Random(seed)
    lab.open(dtmf_clock_rate_hz=clock_hz)
    pressed = tuple(source.randrange(16) for _ in range(1000))
    lab.apply(SendKeys(1, pressed, duration_ms=80, gap_ms=80))
    lab.network.impair = losing(source)
    lab.run(1000 * 170)
    receiver = DtmfReceiver(clock_hz)
    heard = []
    for packet in lab.sent:
        now = (packet.sequence - lab.sent[0].sequence & 0xFFFF) * 0.02
        receiver.on_deadline(now)
        if packet.payload_type == 101:
            receiver.receive(packet.payload, packet.timestamp, now)
    receiver.reset()
    while (event := receiver.next_event()) is not None:
        if type(event).__name__ == "KeyPressed":
            heard.append(event.key)
    assert tuple(heard) == pressed


@pytest.mark.parametrize(
    ("n_calls", "seconds"),
    [
        (40, 10),
        pytest.param(500, 120, marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
        pytest.param(500, 7200, marks=[pytest.mark.soak, pytest.mark.timeout(6 * 3600)]),
    ],
)
def test_calls_that_come_and_go_leave_nothing(n_calls: int, seconds: int) -> None:
    """Calls with prompts, recordings and codec changes that end at random: nothing is left."""
    lab = Lab(seed=3)
    source = random.Random(4)
    hang_up = 0.25 / n_calls
    """In each 20 ms; as many calls end as come, when all of them are up."""
    gc.collect()
    n_objects = len(gc.get_objects())
    clip = lab.clip(octets(4000))
    open_calls: dict[int, FarEnd] = {}
    files: list[FakeFile] = []
    opened = 0
    wav = 0
    far_source: Address = FAR_RTP
    for tick in range(seconds * 50):
        if tick % 4 == 0 and len(open_calls) < n_calls:
            opened += 1
            codec = source.choice(("PCMU", "PCMA"))
            pt, ptime_ms = {"PCMU": 0, "PCMA": 8}[codec], source.choice((10, 20, 30))
            params = stream(codec=codec, payload_type=pt, ptime_ms=ptime_ms)
            port = 4000 + 2 * (opened % 20_000)
            lab.apply(OpenCall(opened, params), *lab.network.pair(OUR_IP, port))
            far = open_calls[opened] = FarEnd(lab, ssrc=opened)
            far.payload_type = pt
            wav += 1
            files.append(FakeFile())
            lab.apply(OpenRecorder(wav), files[-1])
            lab.apply(PlayItem(opened, 1, clip, wav if source.random() < 0.5 else 0))
            lab.apply(PlayItem(opened, 2, None, 0))
        for call, far in list(open_calls.items()):
            lab.network.send(far.packet(b"\x7f" * 160), far_source, (OUR_IP, _port(call)))
            chance = source.random()
            if chance < hang_up:
                lab.apply(CloseCall(call))
                lab.apply(CloseRecorder(call))
                del open_calls[call]
            elif chance < 2 * hang_up:
                codec = source.choice(("PCMU", "PCMA"))
                lab.apply(UpdateCall(call, stream(codec=codec, payload_type=far.payload_type)))
            elif chance < 3 * hang_up:
                lab.apply(SetSwitches(call, muted=source.random() < 0.5))
        lab.run(20)
        lab.sent.clear()
        while lab.rtcp.receive() is not None:
            pass
        if tick % 1000 == 0:
            lab.events = [e for e in lab.events if isinstance(e, CallClosed | RecorderClosed)]
            files = [file for file in files if not file.closed]
    for call in open_calls:
        lab.apply(CloseCall(call))
        lab.apply(CloseRecorder(call))
    lab.run(100)
    assert len(lab.of(CallClosed)) == len(lab.of(RecorderClosed)) == opened
    assert all(file.closed for file in files)
    assert_empty(lab)
    assert not [event for event in lab.of(ItemEnded) if event.reason == "error"]
    del open_calls, far, files
    lab.events.clear()
    gc.collect()
    # The lanes keep their rows for the next calls.
    assert len(gc.get_objects()) < n_objects + 2000 + 20 * n_calls


def assert_empty(lab: Lab) -> None:
    """No call, recorder, socket or row is left but the far end's own."""
    assert (lab.plane.n_calls, lab.plane.n_recorders, len(lab.poller)) == (0, 0, 0)
    assert lab.network.n_sockets == 2
    assert all(len(lane) == 0 for lane in lab.plane._lanes)


def _port(call: int) -> int:
    return 4000 + 2 * (call % 20_000)
