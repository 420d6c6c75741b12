"""Hearing: the received half of a call's audio: order, concealment, levels, keys."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.codecs.g711 import LAWS
from ivrbench.audio.frame import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from ivrbench.rtp.dtmf import DtmfReceiver, KeyReleased
from ivrbench.rtp.jitter import JitterBuffer
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

__all__ = ["Ear", "Hearing"]

Ear = Callable[[Frame], None]
FADE: Final = 0.5  # -6 dB for each concealed frame in a row
FADED_OUT: Final = 0.1  # after three of them silence is better


class Hearing:
    """Takes RTP packets as they come, gives frames at an even pace to the ears.

    Args:
        ears: get each frame.
    """

    def __init__(self, ears: tuple[Ear, ...]) -> None:
        self._ears = ears
        self._agreement: Agreement | None = None
        self._jitter = JitterBuffer(FRAME_SAMPLES)
        self._keys = DtmfReceiver()
        self._stats: ReceptionStats | None = None
        self._earlier = Figures()
        self._last_frame = np.zeros(FRAME_SAMPLES, np.int16)
        self._gain = 0.0
        self._frames = self._audio_frames = self._concealed_frames = self._peak = 0
        self._energy = 0.0
        self.window = LevelWindow()
        """Levels lately."""
        self._edges = SoundEdges()
        self._found_edges: deque[tuple[bool, float]] = deque()
        self.first_packet_s: float | None = None
        self.first_sound_s: float | None = None

    def agree(self, agreement: Agreement) -> None:
        """Listen by what offer and answer agreed on."""
        before, self._agreement = self._agreement, agreement
        if before is not None and before.codec.name != agreement.codec.name:
            self._jitter.reset()

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram; one that is not RTP, or not from the other side, is dropped."""
        agreement = self._agreement
        packet = parse_rtp(data)
        if packet is None or agreement is None or source[0] != agreement.remote_rtp[0]:
            return
        if not agreement.direction.receives:
            return
        if packet.payload_type not in (agreement.receive_pt, agreement.dtmf_receive_pt):
            return
        stats = self._stats_of(packet.ssrc)
        arrival = stats.receive(packet.sequence, packet.timestamp, len(packet.payload), now)
        if arrival in (Arrival.SUSPECT, Arrival.DUPLICATE):
            return
        if packet.payload_type == agreement.dtmf_receive_pt:
            self._keys.receive(packet.payload, packet.timestamp, now)
            return
        if self.first_packet_s is None:
            self.first_packet_s = now
        self._jitter.put(packet.timestamp, packet.payload)

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
        return round(self._jitter.waiting_frames * FRAME_MS)

    def figures(self) -> Figures:
        """What was heard up to now."""
        figures = self._stream_figures()
        n_samples = self._frames * FRAME_SAMPLES
        return replace(
            figures,
            late=self._jitter.late,
            level_dbfs=dbfs(math.sqrt(self._energy / n_samples) if n_samples else 0.0),
            peak_dbfs=dbfs(self._peak),
            audio_s=self._audio_frames * FRAME_SAMPLES / SAMPLE_RATE_HZ,
            concealed_s=self._concealed_frames * FRAME_SAMPLES / SAMPLE_RATE_HZ,
        )

    def _stats_of(self, ssrc: int) -> ReceptionStats:
        """The counters of the stream; another SSRC begins a new one (RFC 3550 §8.2)."""
        if self._stats is None or self._stats.ssrc != ssrc:
            self._earlier = self._stream_figures()
            self._stats = ReceptionStats(ssrc, SAMPLE_RATE_HZ)
            self._jitter.reset()
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
        concealed_before = self._jitter.concealed
        payload = self._jitter.get()
        if payload is not None and self._agreement is not None:
            law = LAWS[self._agreement.codec.name]
            self._last_frame, self._gain = law.decode(np.frombuffer(payload, np.uint8)), 1.0
            self._audio_frames += 1
            return self._last_frame
        if self._jitter.concealed > concealed_before:
            self._concealed_frames += 1
        # A gap is filled with the last frame, ever softer; before the first frame that is silence.
        self._gain = self._gain * FADE if self._gain * FADE > FADED_OUT else 0.0
        return (self._last_frame * self._gain).astype(np.int16)
