"""Hearing: the received half of a call's audio: order, concealment, levels, keys."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import FRAME_MS
from ivrbench.rtp.dtmf import DtmfReceiver, KeyReleased
from ivrbench.rtp.packet import parse_rtp
from ivrbench.rtp.sequence import Arrival
from ivrbench.rtp.stats import ReceptionStats

from .facts import Figures
from .levels import SOUND_RMS, LevelWindow, SoundEdges, dbfs
from .voice import Frame

if TYPE_CHECKING:
    from ivrbench.rtp.rtcp import ReportBlock, SenderReport
    from ivrbench.sdp.negotiate import Agreement
    from ivrbench.sip.flow import Address

    from .codec import Line

__all__ = ["Ear", "Hearing"]

Ear = Callable[[Frame], None]
FRAMES_PER_S: Final = 1000 / FRAME_MS


class Hearing:
    """Takes RTP packets as they come, gives frames at an even pace to the ears.

    Args:
        ears: get each frame.
        frame_samples: length of the frames.
    """

    def __init__(self, ears: tuple[Ear, ...], frame_samples: int) -> None:
        self._ears = ears
        self._frame_samples = frame_samples
        self._agreement: Agreement | None = None
        self._line: Line | None = None
        self._keys = DtmfReceiver()
        self._stats: ReceptionStats | None = None
        self._earlier = Figures()
        self._frames = self._audio_frames = self._concealed_frames = self._peak = 0
        self._energy = 0.0
        self.window = LevelWindow()
        """Levels lately."""
        self._edges = SoundEdges()
        self._found_edges: deque[tuple[bool, float]] = deque()
        self.first_packet_s: float | None = None
        self.first_sound_s: float | None = None

    def agree(self, agreement: Agreement, line: Line) -> None:
        """Listen by what offer and answer agreed on."""
        before, self._agreement = self._agreement, agreement
        self._line = line
        if before is None or before.dtmf_clock_rate_hz != agreement.dtmf_clock_rate_hz:
            self._keys = DtmfReceiver(agreement.dtmf_clock_rate_hz)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram; one that is not RTP, or not from the other side, is dropped."""
        agreement, line = self._agreement, self._line
        packet = parse_rtp(data)
        if packet is None or agreement is None or line is None:
            return
        if source[0] != agreement.remote_rtp[0]:
            return
        if not agreement.direction.receives:
            return
        if packet.payload_type not in (agreement.receive_pt, agreement.dtmf_receive_pt):
            return
        stats = self._stats_of(packet.ssrc, line)
        arrival = stats.receive(packet.sequence, packet.timestamp, len(packet.payload), now)
        if arrival in (Arrival.SUSPECT, Arrival.DUPLICATE):
            return
        if packet.payload_type == agreement.dtmf_receive_pt:
            self._keys.receive(packet.payload, packet.timestamp, now)
            return
        if self.first_packet_s is None:
            self.first_packet_s = now
        line.put(packet.timestamp, packet.payload)

    def receive_report(self, report: SenderReport, now: float) -> None:
        """Take the other side's sender report."""
        if self._stats is not None and report.ssrc == self._stats.ssrc:
            self._stats.receive_report(report, now)

    def report(self, now: float) -> tuple[ReportBlock, ...]:
        """What RTCP tells the other side about its stream."""
        return () if self._stats is None else (self._stats.report(now),)

    def next_key(self) -> tuple[int, int] | None:
        """The next key that was released, as (key, milliseconds)."""
        while (event := self._keys.next_event()) is not None:
            if isinstance(event, KeyReleased):
                return event.key, event.duration_ms
        return None

    def run_frame(self, now: float) -> None:
        """Play one frame to the ears."""
        self._keys.on_deadline(now)
        frame = self._next_frame()
        energy = self.window.add(frame)
        self._frames += 1
        self._energy += energy
        self._peak = max(self._peak, int(np.abs(frame.astype(np.int32)).max()))
        is_loud = energy > SOUND_RMS**2 * len(frame)
        if self.first_sound_s is None and is_loud:
            self.first_sound_s = now
        edge = self._edges.hear(is_loud, now)
        if edge is not None:
            self._found_edges.append(edge)
        for ear in self._ears:
            ear(frame)

    def next_edge(self) -> tuple[bool, float] | None:
        """Where sound next began (True) or ended (False), and when; None if that was all."""
        return self._found_edges.popleft() if self._found_edges else None

    @property
    def buffer_ms(self) -> int:
        """Audio that waits to be played."""
        return round(self._line.buffer.waiting_frames * FRAME_MS) if self._line else 0

    def figures(self) -> Figures:
        """What was heard up to now."""
        figures = self._stream_figures()
        n_samples = self._frames * self._frame_samples
        return replace(
            figures,
            late=self._line.buffer.late if self._line else 0,
            level_dbfs=dbfs(math.sqrt(self._energy / n_samples) if n_samples else 0.0),
            peak_dbfs=dbfs(self._peak),
            audio_s=self._audio_frames / FRAMES_PER_S,
            concealed_s=self._concealed_frames / FRAMES_PER_S,
        )

    def _stats_of(self, ssrc: int, line: Line) -> ReceptionStats:
        """The counters of the stream; another SSRC begins a new one (RFC 3550 §8.2)."""
        if self._stats is None or self._stats.ssrc != ssrc:
            self._earlier = self._stream_figures()
            self._stats = ReceptionStats(ssrc, line.clock_hz)
            line.reset()
            self._keys.reset()
        return self._stats

    def _stream_figures(self) -> Figures:
        if self._stats is None:
            return self._earlier
        sequences = self._stats.sequences
        return replace(
            self._earlier,
            received=self._earlier.received + sequences.received,
            lost=self._earlier.lost + max(sequences.lost, 0),
            jitter_ms=self._stats.jitter_ms,
        )

    def _next_frame(self) -> Frame:
        if self._line is None:
            return np.zeros(self._frame_samples, np.int16)
        concealed_before = self._line.buffer.concealed
        frame, came = self._line.get()
        self._audio_frames += came
        self._concealed_frames += self._line.buffer.concealed > concealed_before
        return frame
