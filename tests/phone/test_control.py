"""Switches of the phone: what the workbench may turn while it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.codecs.g711 import LAWS
from ivrbench.clock import ManualClock
from ivrbench.errors import ConfigError
from ivrbench.phone import control as control_module
from ivrbench.phone.control import Control
from ivrbench.phone.facts import Heard, KeyPressed, MediaChanged, Noted
from ivrbench.phone.keys import parse_keys
from ivrbench.phone.levels import LevelWindow, SoundEdges
from ivrbench.phone.network import BadNetwork
from ivrbench.phone.sound import Sound
from ivrbench.phone.voice import tone_voice
from ivrbench.sip.events import ReinviteReceived, RequestReceived

from .peer import Network, Peer

if TYPE_CHECKING:
    from ivrbench.phone.keys import Step


def make_control(network: Network, bad: BadNetwork | None = None) -> Control:
    clock = ManualClock(now_s=network.now)
    stream = network.stream
    return Control(
        network.phone,
        stream,
        bad or BadNetwork(),
        clock,
        voice="silence",
        sound=Sound(),
    )


async def test_every_switch() -> None:
    """What was turned is told; the rest stays."""
    network = Network(Peer(200)).dial().run(0.1)
    control = make_control(network)
    for line in ("mute on", "keys-by inband", "network 5 200 20", "say tone 440", "hold on"):
        assert await control.do(line)
    switches = control.switches
    assert (switches.muted, switches.held, switches.keys_by) == (True, True, "inband")
    assert (switches.loss_percent, switches.delay_ms, switches.jitter_ms) == (5.0, 200, 20)
    assert switches.voice == "tone 440 Hz"
    assert not await control.do("press 1")
    assert not await control.do("2")
    assert not await control.do("hangup")
    with pytest.raises(ConfigError, match="no hold now"):
        await make_control(Network(Peer(0)).dial()).do("hold on")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("mute maybe", "on or off, not 'maybe'"),
        ("keys-by smoke", "auto, rfc4733, info, inband"),
        ("network a lot", "LOSS DELAY JITTER"),
        ("network 1 2 3 4", "LOSS DELAY JITTER"),
        ("network 101", "0 to 100"),
        ("say wav /no/such.wav", "cannot read it"),
        ("say tone high", "no frequency"),
        ("transfer a b", "A script's name or a SIP URI"),
        ("transfer tel:123", "A script's name or a SIP URI"),
        ("say something", "silence, tone HZ"),
        ("sing", "there is no key"),
    ],
)
async def test_what_cannot_be_done_is_a_sentence(line: str, sentence: str) -> None:
    """And turns nothing."""
    control = make_control(Network(Peer(200)).dial().run(0.1))
    before = control.switches
    with pytest.raises(ConfigError, match=sentence):
        await control.do(line)
    assert control.switches == before


def test_hold_is_a_reinvite_that_sends_only() -> None:
    """RFC 6337 §5.3: the held side hears us no more than we let it; taking it off asks again."""
    network = Network(Peer(200), talking=True).dial().run(0.1)
    network.do(lambda now: network.phone.hold(True, now)).run(0.1)
    (asked,) = network.peer.of(ReinviteReceived)
    assert isinstance(asked, ReinviteReceived)
    assert b"a=sendonly" in asked.request.body
    assert network.phone.held
    assert network.peer.offer_answer.agreement is not None
    assert b"a=recvonly" in network.peer.offer_answer.agreement.local_sdp
    network.do(lambda now: network.phone.hold(False, now)).run(0.1)
    assert not network.phone.held
    assert len(network.peer.of(ReinviteReceived)) == 2
    assert network.of(MediaChanged) == []


def test_muted_is_silence_but_keys_go_out() -> None:
    """Packets still flow, as of a caller who says nothing."""
    network = Network(Peer(200)).dial().run(0.1)
    network.stream.muted = True
    network.phone.keys.add(parse("5"))
    network.run(0.5)
    assert network.peer.keys_heard() == [("5", 100)]
    assert len(network.peer.audio) > 20


def parse(keys: str) -> tuple[Step, ...]:
    return parse_keys(keys)


@pytest.mark.parametrize(("by", "way"), [("inband", "in-band"), ("info", "SIP INFO")])
def test_ways_of_sending_keys(by: str, way: str) -> None:
    """As tones in the audio, or as INFO requests, whatever was agreed on."""
    network = Network(Peer(200)).dial().run(0.1)
    network.phone.keys.by = by
    network.phone.keys.add(parse("7"))
    network.run(0.5)
    (pressed,) = network.of(KeyPressed)
    assert isinstance(pressed, KeyPressed)
    assert (pressed.name, pressed.way) == ("7", way)
    infos = [e for e in network.peer.of(RequestReceived) if isinstance(e, RequestReceived)]
    assert [e.request.method for e in infos] == (["INFO"] if by == "info" else [])
    assert network.peer.keys_heard() == []


def test_only_rfc_4733_is_said_where_it_cannot_be() -> None:
    """Not sent otherwise: the choice was made to test exactly that."""
    network = Network(Peer(200, keys=False)).dial().run(0.1)
    network.phone.keys.by = "rfc4733"
    network.phone.keys.add(parse("7"))
    network.run(0.2)
    assert any("not sent" in str(note) for note in network.of(Noted))


def test_sound_has_a_beginning_and_an_end() -> None:
    """Short gaps are within a word; the end is told with the time it began."""
    edges = SoundEdges()
    frames = [False, True, True, False, True, *[False] * 6, True]
    found = [edge for n, loud in enumerate(frames) if (edge := edges.hear(loud, n * 0.02))]
    assert found == [(True, 0.02), (False, pytest.approx(0.1)), (True, pytest.approx(0.22))]
    network = Network(Peer(200), talking=True).dial().run(0.5)
    assert [fact.sounding for fact in network.of(Heard) if isinstance(fact, Heard)] == [True]


def test_levels_begin_anew_with_each_look() -> None:
    """A look gives what came since the last one."""
    window = LevelWindow()
    window.add(np.full(160, 16_384, np.int16))
    assert window.take() == pytest.approx((-6.02, -6.02), abs=0.01)
    assert window.take() == (-96.0, -96.0)


def test_a_bad_network_loses_and_delays() -> None:
    """As often and as long as it was told; a good one does neither."""
    network = BadNetwork(seed=1)
    assert {network.fate() for _ in range(100)} == {0.0}
    network.set("50 % 100 20")
    fates = [network.fate() for _ in range(1000)]
    assert 400 < fates.count(None) < 600
    delays = [fate for fate in fates if fate is not None]
    assert min(delays) >= 0.1
    assert max(delays) <= 0.12


async def test_texts_are_spoken_and_cards_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """`say text` speaks, `say microphone` and `speaker` open cards, also in a call without."""
    used: list[dict[str, str]] = []
    monkeypatch.setattr(Sound, "use", lambda self, **cards: used.append(cards))
    monkeypatch.setattr(control_module, "text_voice", lambda text, rate_hz: tone_voice(300))
    network = Network(Peer(200)).dial().run(0.1)
    control = make_control(network)
    assert await control.do("say text Good morning")
    assert control.switches.voice == "text Good morning"
    assert await control.do("say microphone")
    assert control.switches.voice == "microphone"
    assert await control.do("microphone USB Headset")
    assert await control.do("speaker default")
    assert used == [{"microphone": ""}, {"microphone": "USB Headset"}, {"speaker": ""}]
    assert not await control.do("transfer voicemail")
    assert "REFER" in network.do(lambda now: None).methods()
    with pytest.raises(ConfigError, match="no transfer now"):
        await make_control(Network(Peer(0)).dial()).do("transfer voicemail")


@pytest.mark.parametrize("by", ["rfc4733", "inband"])
async def test_key_that_repeats_is_one_long_key(by: str) -> None:
    """A key held on the keyboard comes as 30 of it a second: one key, as long as they came."""
    network = Network(Peer(200)).dial().run(0.1)
    network.phone.keys.by = by
    control = make_control(network)
    await control.do("press 5")
    for _ in range(20):
        network.run(0.03)
        await control.do("hold-on 5")
    network.run(0.5)
    if by == "rfc4733":
        ((name, duration_ms),) = network.peer.keys_heard()
        assert name == "5"
        assert duration_ms == pytest.approx(690, abs=40)
    else:
        loud = [LAWS["PCMU"].decode(np.frombuffer(p.payload, np.uint8)) for p in network.peer.audio]
        tone = np.concatenate([frame for frame in loud if np.abs(frame).max() > 1000])
        assert len(tone) / 8 == pytest.approx(690, abs=40)
        detector = np.abs(np.fft.rfft(tone.astype(float)))
        hz = np.sort(np.argsort(detector)[-2:]) * 8000 / len(tone)
        assert hz == pytest.approx([770, 1336], abs=3), "no jump in the tones"


async def test_keys_have_the_length_they_were_given() -> None:
    """`5(400)` is held for 400 ms."""
    network = Network(Peer(200)).dial().run(0.1)
    await make_control(network).do("press 5(400)6")
    network.run(1.0)
    assert network.peer.keys_heard() == [("5", 400), ("6", 100)]
