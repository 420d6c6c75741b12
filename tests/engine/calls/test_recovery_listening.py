"""What becomes of rooms, whole-call recordings and silence when a media worker dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import Caller

from .test_conference import LOUD, ROOM, heard
from .test_listening import TELLS, ended, sides
from .test_recovery import change
from .texts import script
from .workers import second_worker

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench


@pytest.mark.parametrize("workers", [1, 2])
def test_members_of_a_room_meet_again(make_bench: MakeBench, workers: int) -> None:
    """On the next worker, and with those at another one, whose trunk is made anew."""
    bench = make_bench(script(ROOM))
    if workers == 2:
        second_worker(bench)
    callers = []
    for number in range(3):
        caller = Caller(bench, (f"192.0.2.{90 + number}", 5060), rtp_port=40_010 + 10 * number)
        caller.dial()
        callers.append(caller)
    bench.wait(0.3)
    change(bench)
    for speaker in callers:
        since_s = bench.clock.now()
        speaker.speak(0.5, LOUD)
        bench.wait(0.2)
        for other in callers:
            assert heard(other, LOUD, since_s) == (other is not speaker)
    for caller in callers:
        caller.bye()
    bench.wait(0.3)
    assert len(bench.board.media.rooms) == 0
    assert bench.board.media.ports_in_use == 0
    assert not any(worker.trunks for worker in bench.board.media.workers)


def test_whole_call_recording_ends_and_silence_goes_on(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    """The file is whole as far as it goes, both sides of it; the script hears of it."""
    path = tmp_path / "call.wav"
    body = f"""
def onSessionStart(self):
    self.record_call({str(path)!r})
    self.detect_silence(400)
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    caller.speak(2.5, LOUD)
    change(bench)
    assert bench.said() == [(str(path), "the media worker ended")]
    left, right = sides(path)
    assert len(left) == len(right) > 7000
    assert ended(bench) == [(len(left) // 8, "the media worker ended")]
    caller.speak(0.3, LOUD)
    bench.wait(1.0)
    assert bench.said()[-1] == 400
    caller.bye()
