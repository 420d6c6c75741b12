"""Recording: exact lengths, valid files at every end, disks that fail."""

from __future__ import annotations

import pytest

from ivrbench.media.disk import DirectWriter, DiskReport
from ivrbench.media.messages import (
    CloseRecorder,
    FlushQueue,
    ItemEnded,
    ItemStarted,
    QueueEmptied,
    RecorderClosed,
    SetSwitches,
)

from .lab import FakeFile, FarEnd, Lab, decoded, octets, wav_audio


def test_limit_is_exact() -> None:
    """A limit of 1000 ms gives exactly 16000 bytes, and the item ends by it."""
    lab = Lab()
    lab.open()
    file = lab.record(limit_ms=1000)
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(16000))
    audio = wav_audio(file)
    assert len(audio) == 16000
    assert len(file.data) == 16044
    (ended,) = lab.of(ItemEnded)
    assert (ended.reason, ended.recorded_ms) == ("recorded", 1000)
    assert len(lab.of(QueueEmptied)) == 1


def test_limit_need_not_be_whole_frames() -> None:
    """333 ms is 2664 samples."""
    lab = Lab()
    lab.open()
    file = lab.record(limit_ms=333)
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(8000))
    assert len(wav_audio(file)) == 2664 * 2


def test_limit_is_over_the_recorders_life() -> None:
    """Two items into one recorder share its limit; a full one ends its item at once."""
    lab = Lab()
    lab.open()
    file = lab.record(limit_ms=200)
    far = FarEnd(lab)
    lab.play(lab.clip(octets(960)), recorder=1)
    lab.play(None, recorder=1)
    lab.play(None, recorder=1)
    far.speak(octets(8000))
    assert len(wav_audio(file)) == 3200
    assert [event.reason for event in lab.of(ItemEnded)] == ["played", "recorded", "recorded"]
    assert sum(event.recorded_ms for event in lab.of(ItemEnded)) == 200


def test_recording_is_what_the_peer_sent() -> None:
    """It begins with the first received packet, sample for sample."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    lab.run(500)
    said = octets(8000)
    FarEnd(lab).speak(said)
    lab.apply(FlushQueue(1))
    lab.run(20)
    audio = wav_audio(file)
    assert audio == decoded(said)[: len(audio)]
    assert len(audio) >= 2 * (8000 - 3 * 160)


@pytest.mark.parametrize(("law", "tag"), [("alaw", 6), ("ulaw", 7)])
def test_g711_files(law: str, tag: int) -> None:
    """A-law and µ-law files have their format tag and one byte a sample."""
    lab = Lab()
    lab.open()
    file = lab.record(law=law, limit_ms=500)
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(8000))
    assert file.data[20:22] == tag.to_bytes(2, "little")
    assert file.data[-4008:-4004] == b"data"
    assert int.from_bytes(file.data[-4004:-4000], "little") == 4000


def test_gaps_are_filled() -> None:
    """After the first packet the length is the time that passed; a gap fades to silence."""
    lab = Lab()
    lab.open()
    file = lab.record(limit_ms=1000)
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(1600))
    lab.run(2000)
    audio = wav_audio(file)
    assert len(audio) == 16000
    assert audio[3200:3520] != bytes(320)
    assert audio[6400:] == bytes(16000 - 6400)


@pytest.mark.parametrize("how", ["played", "flushed", "closed"])
def test_file_is_valid_when_the_end_is_reported(how: str) -> None:
    """By item end, flush or call end: the header covers all data before ItemEnded."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(lab.clip(octets(1600)), recorder=1)
    FarEnd(lab).speak(octets(1120))
    if how == "closed":
        events = lab.close()
    else:
        if how == "flushed":
            lab.apply(FlushQueue(1))
        events = lab.run(80)
    (ended,) = lab.of(ItemEnded, events)
    assert ended.reason == how
    assert len(wav_audio(file)) == ended.recorded_ms * 16 > 0


class SlowWriter(DirectWriter):
    """A disk that reports only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False

    def reports(self) -> list[DiskReport]:
        return super().reports() if self.ready else []


def test_end_waits_for_the_disk_but_the_next_item_does_not() -> None:
    """A slow disk delays ItemEnded and QueueEmptied, in order, and nothing that is heard."""
    writer = SlowWriter()
    lab = Lab(writer)
    lab.open()
    lab.record()
    far = FarEnd(lab)
    lab.play(lab.clip(octets(480, 1)), recorder=1)
    lab.play(lab.clip(octets(320, 2)))
    far.speak(octets(1600))
    assert lab.audio()[: 5 * 160] == octets(480, 1) + octets(320, 2)
    assert len(lab.of(ItemStarted)) == 2
    assert not lab.of(ItemEnded)
    writer.ready = True
    events = lab.run(20)
    assert [type(event) for event in events] == [ItemEnded, ItemEnded, QueueEmptied]


@pytest.mark.parametrize("law", ["pcm16", "alaw"])
def test_full_disk_ends_the_recording_not_the_call(law: str) -> None:
    """ENOSPC: valid header for what is on disk, the item ends with a sentence, the call goes on."""
    lab = Lab()
    lab.open()
    file = lab.record(law=law)
    file.room = 20_001
    item = lab.play(None, recorder=1)
    lab.play(lab.clip(octets(160)))
    lab.audio()
    FarEnd(lab).speak(octets(40_000))
    (ended,) = [event for event in lab.of(ItemEnded) if event.item == item]
    assert ended.reason == "error"
    assert "No space left" in ended.error
    (closed,) = lab.of(RecorderClosed)
    assert "No space left" in closed.error
    assert file.closed
    if law == "pcm16":
        assert len(wav_audio(file)) == closed.n_bytes == 20_001 - 44 - 1
    assert octets(160) in lab.audio()
    assert lab.plane.n_recorders == 0


def test_disk_error_on_the_last_block() -> None:
    """EIO while the file is completed: ItemEnded says so."""
    lab = Lab()
    lab.open()
    file = lab.record()
    file.error = OSError(5, "Input/output error")
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(1600))
    file.room = 44
    lab.apply(FlushQueue(1))
    lab.run(40)
    (ended,) = lab.of(ItemEnded)
    assert (ended.reason, "Input/output" in ended.error) == ("error", True)
    assert wav_audio(file) == b""


def test_closing_the_recorder_ends_its_item() -> None:
    """The script closes the file it records into: RecorderClosed counts what was written."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(3200))
    lab.apply(CloseRecorder(1))
    lab.run(20)
    (ended,) = lab.of(ItemEnded)
    (closed,) = lab.of(RecorderClosed)
    assert ended.reason == "recorded"
    assert closed.n_bytes == len(wav_audio(file)) == ended.recorded_ms * 16
    assert file.closed


def test_item_for_a_closed_recorder() -> None:
    """Queued before or after the recorder was closed, the item ends with a sentence."""
    lab = Lab()
    lab.open()
    lab.record()
    lab.play(lab.clip(octets(160)))
    lab.play(None, recorder=1)
    lab.apply(CloseRecorder(1))
    lab.play(None, recorder=1)
    lab.run(60)
    errors = [event.error for event in lab.of(ItemEnded) if event.reason == "error"]
    assert errors == ["the file to record into is closed"] * 2


def test_one_recorder_in_two_calls() -> None:
    """The second item gets an error instead of mixing two callers into one file."""
    lab = Lab()
    lab.open(1, 4000)
    lab.open(2, 4002)
    lab.record()
    lab.play(None, recorder=1, call=1)
    lab.play(None, recorder=1, call=2)
    lab.run(40)
    (ended,) = lab.of(ItemEnded)
    assert (ended.call, ended.reason) == (2, "error")


def test_deaf_call_records_nothing() -> None:
    """disableReceiving: incoming audio is neither recorded nor filled in."""
    lab = Lab()
    lab.open()
    file = lab.record()
    far = FarEnd(lab)
    lab.play(None, recorder=1)
    far.speak(octets(1600, 1))
    lab.apply(SetSwitches(1, receiving=False))
    far.speak(octets(1600, 2))
    lab.apply(SetSwitches(1))
    far.speak(octets(1600, 3))
    lab.apply(FlushQueue(1))
    lab.run(20)
    audio = wav_audio(file)
    assert decoded(octets(1600, 3))[:1600] in audio
    assert decoded(octets(1600, 2))[:320] not in audio


def test_unplayable_format_name_is_pcm() -> None:
    """A format nobody knows is written as PCM16 rather than not at all."""
    lab = Lab()
    lab.open()
    file = lab.record(law="opus", limit_ms=100)
    assert isinstance(file, FakeFile)
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(3200))
    assert len(wav_audio(file)) == 1600
