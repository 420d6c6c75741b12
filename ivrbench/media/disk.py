"""Writing recordings: WAV files that are valid whenever an item has ended, off the media clock.

The tick only puts blocks into a queue; one thread does the writing. Every piece of data is
followed by a header that covers it, so a reader, or a crash, finds a playable file.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ivrbench.audio.files import WavSubtype, wav_header

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DirectWriter", "DiskReport", "DiskWriter", "FdFile", "RecordingFile", "Sink", "WavSink"]

SUBTYPES = {"pcm16": WavSubtype.PCM16, "alaw": WavSubtype.ALAW, "ulaw": WavSubtype.ULAW}
"""How samples are written, by the name that `OpenRecorder` uses."""


class RecordingFile(Protocol):
    """A file that recordings go to."""

    def write_at(self, data: bytes, offset: int) -> int:
        """Write and return how much was written. Raises OSError."""

    def close(self) -> None:
        """Give the file up."""


class FdFile:
    """`RecordingFile` on a descriptor, which it owns."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write_at(self, data: bytes, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def close(self) -> None:
        os.close(self._fd)


class Sink(Protocol):
    """A file being written. Used by the writing thread alone, but for `rate_hz`.

    Attributes:
        rate_hz: of the samples; may be set until the first of them is submitted.
        n_bytes: bytes of samples that were taken.
        error: why writing stopped, "" while all is well.
    """

    rate_hz: int
    n_bytes: int
    error: str

    def append(self, data: bytes) -> None:
        """Write samples, if any; what is in the file can be played then."""

    def close(self) -> None:
        """Give the file up."""


class WavSink:
    """One WAV file being written, or samples without a header."""

    def __init__(
        self,
        file: RecordingFile,
        sample_format: str,
        rate_hz: int,
        channels: int = 1,
        *,
        has_header: bool = True,
    ) -> None:
        self._file = file
        self._subtype = SUBTYPES[sample_format]
        self.rate_hz = rate_hz
        self._channels = channels
        self._header_bytes = len(wav_header(0, self._subtype, rate_hz)) if has_header else 0
        self.n_bytes = 0
        self.error = ""

    def append(self, data: bytes) -> None:
        """Write audio, if any, and then the header that covers it. After an error: nothing."""
        if not self.error:
            self._guarded(self._write_data, data)
            if self._header_bytes:
                self._guarded(self._write_header)

    def close(self) -> None:
        """Give the file up; its header is already right."""
        self._guarded(self._file.close)

    def _guarded(self, action: Callable[..., None], *args: bytes) -> None:
        try:
            action(*args)
        except OSError as exc:
            self.error = self.error or f"recording stopped: {exc.strerror or exc}"

    def _write_data(self, data: bytes) -> None:
        rest = memoryview(data)
        done = 0
        try:
            while done < len(rest):
                done += self._write(bytes(rest[done:]), self._header_bytes + self.n_bytes + done)
        finally:
            self.n_bytes += done - done % (self._subtype.sample_bytes * self._channels)

    def _write_header(self) -> None:
        self._write(wav_header(self.n_bytes, self._subtype, self.rate_hz, self._channels), 0)

    def _write(self, data: bytes, offset: int) -> int:
        written = self._file.write_at(data, offset)
        if written <= 0:
            raise OSError("nothing could be written")
        return written


class DiskReport(NamedTuple):
    """What the writer says about a sink."""

    sink: Sink
    token: int
    """Of the `submit` that asked for a report, 0 if the report is about an error."""
    n_bytes: int
    error: str


class DirectWriter:
    """Writes at once, in the caller's thread; for tests and virtual time."""

    def __init__(self) -> None:
        self._reports: deque[DiskReport] = deque()
        self._failed: set[int] = set()

    def submit(self, sink: Sink, data: bytes, *, token: int = 0, close: bool = False) -> None:
        """Have `data` written.

        Args:
            sink: the file.
            data: audio bytes in the file's sample format, may be empty.
            token: a number > 0 asks for a report when data and header are on disk.
            close: give the file up afterwards.
        """
        sink.append(data)
        if close:
            sink.close()
        if token or (sink.error and id(sink) not in self._failed):
            if sink.error:
                self._failed.add(id(sink))
            self._reports.append(DiskReport(sink, token, sink.n_bytes, sink.error))
        if close:
            self._failed.discard(id(sink))

    def reports(self) -> list[DiskReport]:
        """What was finished, or failed, since the last time."""
        taken = []
        while self._reports:
            taken.append(self._reports.popleft())
        return taken

    def close(self) -> None:
        """Finish everything that was submitted."""


class DiskWriter(DirectWriter):
    """Writes in a thread of its own. `submit` and `reports` never wait for the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: queue.SimpleQueue[tuple[Sink, bytes, int, bool] | None] = queue.SimpleQueue()
        # Started with the first recording: a process with one thread has cheaper system calls.
        self._thread: threading.Thread | None = None

    def submit(self, sink: Sink, data: bytes, *, token: int = 0, close: bool = False) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
            self._thread.start()
        self._jobs.put((sink, data, token, close))

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            sink, data, token, close = job
            super().submit(sink, data, token=token, close=close)
