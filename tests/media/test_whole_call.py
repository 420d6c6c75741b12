"""Recording of whole calls, in stereo, with pauses; silence."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.media.messages import (
    CallRecorded,
    CloseCall,
    CloseRecorder,
    ConnectCalls,
    FlushQueue,
    ItemEnded,
    OpenRecorder,
    PauseRecorder,
    RecordCall,
    RecorderClosed,
    RecorderSealed,
    SealRecorder,
    SetSwitches,
    SilenceHeard,
    UpdateCall,
    WatchSilence,
)

from .lab import FakeFile, FarEnd, Lab, decoded, octets, wav_audio
from .phones import Phone, at_in, strength, talk, tone

PROMPT = g711.PCMU.encode(tone(1000, 8000, 1.0)).tobytes()


def record(lab: Lab, recorder: int = 1, limit_ms: int = -1, channels: int = 2) -> FakeFile:
    """Open a recorder."""
    file = FakeFile()
    lab.apply(OpenRecorder(recorder, "pcm16", limit_ms, 0, channels), file)
    return file


def sides(file: FakeFile) -> tuple[np.ndarray, np.ndarray]:
    """Left and right of a stereo file whose header must be valid."""
    data = bytes(file.data)
    channels, rate_hz, bytes_per_s, width = struct.unpack_from("<HIIH", data, 22)
    assert (channels, bytes_per_s, width) == (2, 4 * rate_hz, 4)
    (n_bytes,) = struct.unpack_from("<I", data, 40)
    assert n_bytes <= len(data) - 44
    assert n_bytes % 4 == 0
    both = np.frombuffer(data[44 : 44 + n_bytes], np.int16).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def test_caller_left_and_ivr_right_exactly() -> None:
    """From the switch on: what was played out on the left, what was sent on the right."""
    lab = Lab()
    lab.open()
    file = record(lab)
    lab.apply(RecordCall(1, 1))
    lab.play(lab.clip(PROMPT))
    said = octets(8000)
    FarEnd(lab).speak(said)
    lab.apply(RecordCall(1, 0))
    lab.run(20)
    (ended,) = lab.of(CallRecorded)
    assert (ended.recorder, ended.reason) == (1, "stopped")
    left, right = sides(file)
    assert len(left) == ended.recorded_ms * 8 == 8000
    assert (right == np.frombuffer(decoded(PROMPT), np.int16)[: len(right)]).all()
    at = at_in(left, np.frombuffer(decoded(said), np.int16)[:7200])
    assert 0 < at // 2 <= 640


def test_one_channel_has_both() -> None:
    """Added and saturated."""
    lab = Lab()
    ann = Phone(lab, 1)
    file = record(lab, channels=1)
    lab.apply(RecordCall(1, 1))
    lab.play(lab.clip(PROMPT))
    talk(lab, {ann: tone(400, 8000, 1.0)})
    lab.apply(RecordCall(1, 0))
    lab.run(20)
    audio = np.frombuffer(wav_audio(file), np.int16)
    for hz in (400, 1000):
        assert strength(audio, hz, 8000) == pytest.approx(6000, rel=0.05)


def test_a_stereo_item_begins_at_once() -> None:
    """Both sides from the item's start on, so that they keep together; while deaf too."""
    lab = Lab()
    lab.open()
    file = record(lab)
    lab.play(lab.clip(PROMPT), recorder=1)
    lab.run(300)
    lab.apply(SetSwitches(1, receiving=False))
    lab.run(1000)
    (ended,) = lab.of(ItemEnded)
    assert (ended.reason, ended.recorded_ms) == ("played", 1000)
    left, right = sides(file)
    assert not left.any()
    assert (right == np.frombuffer(decoded(PROMPT), np.int16)).all()


def test_the_other_party_is_on_the_right() -> None:
    """Of connected calls: what the caller hears, whoever says it; nothing while muted."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    file = record(lab)
    lab.apply(RecordCall(1, 1))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    lab.apply(SetSwitches(1, muted=True))
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(700, 8000, 0.2)})
    lab.apply(CloseCall(1))
    lab.run(20)
    left, right = sides(file)
    assert strength(left[:8000], 400, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(right[:8000], 700, 8000) == pytest.approx(6000, rel=0.05)
    assert not right[-1280:].any()
    assert [event.reason for event in lab.of(CallRecorded)] == ["closed"]


def test_pause_leaves_a_piece_out() -> None:
    """What is said meanwhile is not in the file, and the rest follows without a gap."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.speak(octets(3200))
    lab.apply(PauseRecorder(1, True))
    far.speak(octets(8000, 2))
    lab.apply(PauseRecorder(1, False))
    far.speak(octets(3200, 3))
    lab.apply(PauseRecorder(9, True))  # unknown
    lab.apply(SealRecorder(9))  # as well: there is nothing to wait for
    lab.apply(SealRecorder(1))
    far.speak(octets(160))
    assert lab.of(RecorderSealed) == [RecorderSealed(9), RecorderSealed(1)]
    lab.apply(FlushQueue(1))
    lab.run(20)
    (ended,) = lab.of(ItemEnded)
    assert len(wav_audio(file)) == ended.recorded_ms * 16
    assert ended.recorded_ms == 780  # the jitter buffer takes 40 of the first


@pytest.mark.parametrize("how", ["limit", "disk", "file", "other"])
def test_how_it_ends(how: str) -> None:
    """Limit, full disk, closed file, another recorder: a valid file, and the call is up."""
    lab = Lab()
    ann = Phone(lab, 1)
    file = record(lab, limit_ms=333 if how == "limit" else -1)
    file.room = 20_002 if how == "disk" else None
    lab.apply(RecordCall(1, 1))
    talk(lab, {ann: tone(400, 8000, 1.5)})
    if how == "file":
        lab.apply(CloseRecorder(1))
    elif how == "other":
        record(lab, 2)
        lab.apply(RecordCall(1, 2))
    talk(lab, {ann: tone(400, 8000, 1.5)})
    reasons = {"limit": "recorded", "disk": "error", "file": "recorded", "other": "stopped"}
    assert [event.reason for event in lab.of(CallRecorded)] == [reasons[how]]
    left, _ = sides(file)
    assert len(left) == 2664 if how == "limit" else len(left) > 4900
    if how == "disk":
        assert lab.of(RecorderClosed)[0].error == "recording stopped: No space left on device"
    assert lab.plane.n_calls == 1
    ann.heard()
    talk(lab, {ann: tone(400, 8000, 0.2)})
    assert ann.packets


def test_what_cannot_be_recorded_into() -> None:
    """A recorder that an item has, or none: nothing changes."""
    lab = Lab()
    lab.open()
    lab.record()
    lab.play(None, recorder=1)
    lab.apply(RecordCall(1, 1))
    lab.apply(RecordCall(1, 7))
    lab.run(100)
    assert lab.of(CallRecorded) == []
    assert lab.of(ItemEnded) == []


def test_the_codec_changes_meanwhile() -> None:
    """The file keeps its rate, both sides go on together."""
    lab = Lab()
    ann = Phone(lab, 1)
    file = record(lab)
    lab.apply(RecordCall(1, 1))
    lab.apply(WatchSilence(1, 60_000))
    talk(lab, {ann: tone(400, 8000, 0.4)})
    wide = Phone(Lab(), 1, "G722")
    wide.lab, wide.socket, wide.ours = lab, ann.socket, ann.ours
    wide.follow(ann)
    lab.apply(UpdateCall(1, wide.stream))
    talk(lab, {wide: tone(400, 16_000, 1.0)})
    lab.apply(RecordCall(1, 0))
    lab.run(20)
    left, right = sides(file)
    assert len(left) == len(right)
    assert 9500 < len(left) <= 11_200
    assert strength(left[4000:9000], 400, 8000) == pytest.approx(6000, rel=0.2)


# --- silence ----------------------------------------------------------------------------------


def test_silence_is_told_once_each_time() -> None:
    """After the time asked for without a voice; again only after one."""
    lab = Lab()
    ann = Phone(lab, 1)
    lab.apply(WatchSilence(1, 500))
    quiet = np.zeros(8000, np.int16)
    talk(lab, {ann: quiet})
    talk(lab, {ann: quiet})
    (heard,) = lab.of(SilenceHeard)
    assert (heard.call, heard.silent_ms) == (1, 500)
    assert heard.at_s == pytest.approx(100.5, abs=0.03)
    talk(lab, {ann: tone(400, 8000, 1.0)})
    assert len(lab.of(SilenceHeard)) == 1
    talk(lab, {ann: quiet})
    assert len(lab.of(SilenceHeard)) == 2
    lab.apply(WatchSilence(1, 0))
    talk(lab, {ann: tone(400, 8000, 0.5)})
    talk(lab, {ann: quiet})
    assert len(lab.of(SilenceHeard)) == 2


def test_who_sends_nothing_is_silent_and_who_is_held_is_not() -> None:
    """No packets at all are silence; while we may not hear, nobody can tell."""
    lab = Lab()
    lab.open()
    lab.apply(WatchSilence(1, 500))
    lab.apply(SetSwitches(1, receiving=False))
    lab.run(1000)
    assert lab.of(SilenceHeard) == []
    lab.apply(SetSwitches(1))
    lab.run(1000)
    assert len(lab.of(SilenceHeard)) == 1


def test_silence_of_many_calls() -> None:
    """More rows than a lane begins with; each has its own time."""
    lab = Lab()
    for call in range(1, 81):
        lab.open(call, 4000 + 2 * call)
        lab.apply(WatchSilence(call, 100 * (call % 3 + 1)))
    lab.run(400)
    assert sorted(event.call for event in lab.of(SilenceHeard)) == list(range(1, 81))
    assert all(e.silent_ms == 100 * (e.call % 3 + 1) for e in lab.of(SilenceHeard))
