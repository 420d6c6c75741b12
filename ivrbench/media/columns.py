"""The columns of a lane: what every row has, and is worked on for all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COLUMNS", "Columns"]

COLUMNS: dict[str, type[Any]] = {
    # What is sent: read position in the arena, samples left, advance a frame (0: the same silence
    # again), 1 while the call is attached, frames since the item began.
    "pos": np.int64,
    "left": np.int64,
    "step": np.int64,
    "runs": np.int64,
    "frames": np.int64,
    "sends": np.uint16,
    "seq": np.uint16,
    "tx_ts": np.uint32,
    "sent": np.int64,
    "octets": np.int64,
    # What is received. `rx_head`: first two bytes of an ordinary packet, 0 while none is one.
    # `play` is the position of the playout in ticks of the RTP clock, `play_ts` the same as the
    # peer's timestamp; `end` is one past the newest tick in the buffer. `room`: how many ticks
    # before its turn the latest packet of this window came; `calm`: windows without a late one.
    # Bit i of `history`: packet `max_seq` - i came.
    "hears": np.bool_,
    "synced": np.bool_,
    "rx_pt": np.uint8,
    "rx_head": np.uint16,
    "rx_ssrc": np.uint32,
    "play_ts": np.uint32,
    "play": np.int64,
    "end": np.int64,
    "room": np.int64,
    "calm": np.int64,
    "max_seq": np.uint16,
    "cycles": np.int64,
    "base_seq": np.int64,
    "history": np.uint64,
    "received": np.int64,
    "gap": np.int64,
    "last_rx": np.float64,
    "jitter": np.float64,
    "transit": np.uint32,
    "timeout_s": np.float64,
    "rtcp_at": np.float64,
    # SRTP (`rtp/srtp.py`): index of the packet sent last; of those received the SSRC, the highest
    # index that was authentic, bit i: packet `srtp_in` - i came.
    "srtp_out": np.int64,
    "srtp_ssrc": np.uint32,
    "srtp_in": np.int64,
    "srtp_seen": np.uint64,
}


class Columns:
    """The arrays of `COLUMNS`, by name."""

    pos: NDArray[np.int64]
    left: NDArray[np.int64]
    step: NDArray[np.int64]
    runs: NDArray[np.int64]
    frames: NDArray[np.int64]
    sends: NDArray[np.uint16]
    seq: NDArray[np.uint16]
    tx_ts: NDArray[np.uint32]
    sent: NDArray[np.int64]
    octets: NDArray[np.int64]
    hears: NDArray[np.bool_]
    synced: NDArray[np.bool_]
    rx_pt: NDArray[np.uint8]
    rx_head: NDArray[np.uint16]
    rx_ssrc: NDArray[np.uint32]
    play_ts: NDArray[np.uint32]
    play: NDArray[np.int64]
    end: NDArray[np.int64]
    room: NDArray[np.int64]
    calm: NDArray[np.int64]
    max_seq: NDArray[np.uint16]
    cycles: NDArray[np.int64]
    base_seq: NDArray[np.int64]
    history: NDArray[np.uint64]
    received: NDArray[np.int64]
    gap: NDArray[np.int64]
    last_rx: NDArray[np.float64]
    jitter: NDArray[np.float64]
    transit: NDArray[np.uint32]
    timeout_s: NDArray[np.float64]
    rtcp_at: NDArray[np.float64]
    srtp_out: NDArray[np.int64]
    srtp_ssrc: NDArray[np.uint32]
    srtp_in: NDArray[np.int64]
    srtp_seen: NDArray[np.uint64]
