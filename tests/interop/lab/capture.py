"""A packet capture on loopback, for RTP: what was on the wire, with the kernel's time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["Capture", "RtpPacket"]

ETH_P_IP: Final = 0x0800
SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h
SO_TIMESTAMPNS: Final = 35
PACKET_HOST: Final = 0  # linux/if_packet.h: the arriving copy; loopback shows each packet twice
UDP: Final = 17


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet."""

    at_s: float
    source_port: int
    destination_port: int
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int


class Capture:
    """`async with` records every RTP packet on loopback; needs root."""

    def __init__(self) -> None:
        self._packets: list[RtpPacket] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))

    async def __aenter__(self) -> Self:
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16_777_216)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._read()
        self._socket.close()

    def stream(self, source_port: int) -> list[RtpPacket]:
        """The packets sent from a port, as they came."""
        return [packet for packet in self._packets if packet.source_port == source_port]

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, address = self._socket.recvmsg(2_048, 64)
                if address[2] == PACKET_HOST:
                    self._take(data, ancillary)

    def _take(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        header = (data[0] & 15) * 4
        rtp = data[header + 8 :]
        if data[9] != UDP or len(rtp) < 12 or rtp[0] >> 6 != 2:
            return
        payload_type = rtp[1] & 127
        if 64 <= payload_type <= 95:  # RFC 5761 §4: RTCP
            return
        source, destination = struct.unpack_from("!HH", data, header)
        sequence, timestamp, ssrc = struct.unpack_from("!HII", rtp, 2)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        self._packets.append(
            RtpPacket(
                seconds + nanoseconds / 1e9,
                source,
                destination,
                payload_type,
                sequence,
                timestamp,
                ssrc,
            )
        )
