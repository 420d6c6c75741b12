"""All recorders of a plane: opened, finished, and what the disk says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media import messages
from ivrbench.media.recorder import Recorder
from ivrbench.media.reels import Reels

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.media.disk import DirectWriter, DiskReport, RecordingFile
    from ivrbench.media.outbox import Outbox

__all__ = ["RecorderTable"]


class RecorderTable:
    """The recorders by number.

    Args:
        writer: writes the files.
        outbox: where events go.
    """

    def __init__(self, writer: DirectWriter, outbox: Outbox) -> None:
        self._writer = writer
        self._outbox = outbox
        self._recorders: dict[int, Recorder] = {}
        self._reels: dict[tuple[int, int], Reels] = {}
        self.stopped: Callable[[Recorder, str], None] = lambda recorder, reason: None
        """Called when somebody may be recording into one that is over."""

    def __repr__(self) -> str:
        return f"RecorderTable({len(self)} recorders)"

    def __len__(self) -> int:
        return len(self._recorders)

    def get(self, number: int) -> Recorder | None:
        """A recorder that is open."""
        return self._recorders.get(number)

    def open(self, command: messages.OpenRecorder, file: RecordingFile) -> None:
        """Make a file ready."""
        if command.recorder in self._recorders:
            file.close()
            return
        self._recorders[command.recorder] = Recorder(
            command.recorder,
            file,
            command.law,
            command.rate_hz,
            command.limit_ms,
            self._writer,
            self._shelf,
            command.channels,
            command.container,
        )

    def _shelf(self, rate_hz: int, channels: int) -> Reels:
        """Where recorders of one kind keep their samples."""
        key = (rate_hz, channels)
        reels = self._reels.get(key)
        if reels is None:
            reels = self._reels[key] = Reels(rate_hz, channels)
        return reels

    def pause(self, number: int, paused: bool) -> None:
        """Let a recorder record nothing, or go on."""
        recorder = self._recorders.get(number)
        if recorder is not None:
            recorder.paused = paused

    def seal(self, number: int) -> None:
        """Have what is recorded so far written; `RecorderSealed` follows."""
        sealed = messages.RecorderSealed(number)
        recorder = self._recorders.get(number)
        if recorder is None:
            self._outbox.say_in_order(-number, sealed)
            return
        token = self._outbox.token()
        self._outbox.say_in_order(-number, sealed, token)
        recorder.seal(token)

    def close(self, number: int) -> None:
        """Have a file finished; `RecorderClosed` follows."""
        recorder = self._recorders.get(number)
        if recorder is not None:
            recorder.error = "the file to record into is closed"
            self._finish(recorder, "recorded")

    def close_all(self) -> None:
        """Have every file finished."""
        for number in list(self._recorders):
            self.close(number)

    def settle(self) -> None:
        """Hear what the disk says."""
        for report in self._writer.reports():
            self._outbox.confirm(report)
            if report.error:
                self._failed(report)

    def _failed(self, report: DiskReport) -> None:
        for recorder in self._recorders.values():
            if recorder.sink is report.sink:
                recorder.error = report.error
                self._finish(recorder, "error")
                return

    def _finish(self, recorder: Recorder, reason: str) -> None:
        """End what records into it, then complete the file."""
        del self._recorders[recorder.number]
        if recorder.in_use:
            self.stopped(recorder, reason)
        token = self._outbox.token()
        closed = messages.RecorderClosed(recorder.number, 0)
        self._outbox.say_in_order(-recorder.number, closed, token)
        recorder.close(token)
