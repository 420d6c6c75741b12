"""Sending: one packet for each row that may send, all headers and payloads built at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media.lane import MAX_CODED_PAYLOAD_BYTES
from ivrbench.media.mixing import mix_in
from ivrbench.rtp.packet import HEADER_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ivrbench.media.lane import Lane

__all__ = ["MARKER", "audio_packet", "sent_pcm", "transmit"]

MARKER = 0x80
"""The marker bit in the second byte of the header (RFC 3550 §5.1)."""


def transmit(lane: Lane) -> int:
    """Send this period's packets and move every row on by a frame.

    Returns:
        Packets given to the kernel.
    """
    n = lane.n
    tx = lane.tx
    if lane.codec.law is not None:
        frames = tx["payload"]
        lane.tx_frames[:n] = lane.octet_windows[lane.pos[:n]]
    else:
        frames = lane.outgoing = lane.windows[lane.pos[:n]]
    for row in lane.patched:
        call = lane.calls[row]
        if call is not None:
            frames[row] = call.playlist.compose()
    if lane.mixes:
        mix_in(lane, frames)
    tx["seq"][:n] = lane.seq[:n]
    tx["ts"][:n] = lane.tx_ts[:n]
    for row in lane.marked:
        tx["b1"][row] |= MARKER
    n_packets = _send_coded(lane) if lane.codec.law is None else _send(lane)
    for row in list(lane.keying):
        call = lane.calls[row]
        if call is not None and lane.sends[row]:
            call.send_keying()
    for row in [row for row in lane.marked if lane.sends[row]]:
        tx["b1"][row] &= ~MARKER & 0xFF
        lane.marked.discard(row)
    _advance(lane, n)
    return n_packets


def audio_packet(lane: Lane, row: int) -> memoryview:
    """The packet of a row's present frame."""
    coder = lane.coders[row]
    view = lane.tx_views[row]
    if coder is None:
        return view
    payload = coder.encode(lane.outgoing[row])[:MAX_CODED_PAYLOAD_BYTES]
    end = HEADER_BYTES + len(payload)
    view[HEADER_BYTES:end] = payload
    lane.octets[row] += len(payload)
    return view[:end]


def sent_pcm(lane: Lane, row: int) -> NDArray[np.int16]:
    """The samples of a row's frame that was sent last."""
    if lane.codec.law is None:
        frame: NDArray[np.int16] = lane.outgoing[row]
        return frame
    return lane.codec.law.decode(lane.tx["payload"][row])


def _send(lane: Lane) -> int:
    lane.direct_senders.send(lane.tx, 0, lane.packet_bytes)
    for send, view in lane.senders:
        try:
            send(view)
        except OSError:  # an ICMP error of an earlier packet, or no buffer: the next one may pass
            continue
    n_secure = lane.secure_rows.send(lane) if lane.secure_rows is not None else 0
    return len(lane.direct_senders) + len(lane.senders) + n_secure


def _send_coded(lane: Lane) -> int:
    """Encode and send one by one. How many calls that can be, admission decides by weight."""
    for row, (send, _) in zip(lane.sender_rows, lane.senders, strict=True):
        packet = audio_packet(lane, row)
        # An encoder that gives nothing wants nothing sent: discontinuous transmission.
        if len(packet) > HEADER_BYTES:
            try:
                send(packet)
            except OSError:
                continue
    return len(lane.senders)


def _advance(lane: Lane, n: int) -> None:
    # Each column is looked up once: `lane.seq[:n] += x` would write it back as well.
    sends, runs = lane.sends[:n], lane.runs[:n]
    seq, sent, tx_ts = lane.seq[:n], lane.sent[:n], lane.tx_ts[:n]
    seq += sends
    sent += sends
    tx_ts += lane.frame_ts
    if lane.codec.law is not None:
        octets = lane.octets[:n]
        octets += sends * lane.frame
    pos, left, frames = lane.pos[:n], lane.left[:n], lane.frames[:n]
    pos += lane.step[:n] * runs
    left -= lane.frame * runs
    frames += runs
