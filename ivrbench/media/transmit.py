"""Sending: one packet for each row that may send, all headers and payloads built at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.media.lane import Lane

__all__ = ["MARKER", "transmit"]

MARKER = 0x80
"""The marker bit in the second byte of the header (RFC 3550 §5.1)."""


def transmit(lane: Lane) -> int:
    """Send this period's packets and move every row on by a frame.

    Returns:
        Packets given to the kernel.
    """
    n = lane.n
    tx = lane.tx
    tx["payload"][:n] = lane.windows[lane.pos[:n]]
    for row in lane.patched:
        call = lane.calls[row]
        if call is not None:
            tx["payload"][row] = call.playlist.compose()
    tx["seq"][:n] = lane.seq[:n]
    tx["ts"][:n] = lane.tx_ts[:n]
    for row in lane.marked:
        tx["b1"][row] |= MARKER
    for send, view in lane.senders:
        try:
            send(view)
        except OSError:  # an ICMP error of an earlier packet, or no buffer: the next one may pass
            continue
    for row in list(lane.keying):
        call = lane.calls[row]
        if call is not None and lane.sends[row]:
            call.send_keying()
    for row in [row for row in lane.marked if lane.sends[row]]:
        tx["b1"][row] &= ~MARKER & 0xFF
        lane.marked.discard(row)
    _advance(lane, n)
    return len(lane.senders)


def _advance(lane: Lane, n: int) -> None:
    sends = lane.sends[:n]
    runs = lane.runs[:n]
    lane.seq[:n] += sends
    lane.sent[:n] += sends
    lane.tx_ts[:n] += lane.frame
    lane.pos[:n] += lane.step[:n] * runs
    lane.left[:n] -= lane.frame * runs
    lane.frames[:n] += runs
