"""The phone as a process, on real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import wave
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from ivrbench.config import Listen
from ivrbench.errors import ConfigError, DeviceError
from ivrbench.observe import phones
from ivrbench.phone import sound
from ivrbench.phone.agent import Agent, CallOptions, run
from ivrbench.phone.sockets import DatagramPort, open_rtp_pair
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sip.events import ByeReceived, CancelReceived, ReinviteReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.framer import StreamFramer

from ..media.own_address import OWN_IP
from .peer import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ivrbench.sip.flow import Address

HOST = "127.0.0.1"
TIMER_B_S = 32.0
pytestmark = pytest.mark.net


class Uas:
    """`Peer` on real sockets, talking back packet for packet.

    Args:
        answer_code: what it answers; 0 lets it ring.
    """

    def __init__(self, answer_code: int = 200) -> None:
        self._loop = asyncio.get_running_loop()
        self._rtp, self._rtcp = open_rtp_pair(HOST, self._on_rtp, lambda data, source: None)
        self._rtp.start(self._loop)
        self._rtcp.start(self._loop)
        self.peer = Peer(answer_code, LocalMedia(HOST, self._rtp.local[1], 1))
        self._udp = DatagramPort(HOST, 0, self._on_datagram)
        self._udp.start(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.rang = asyncio.Event()

    @property
    def udp(self) -> Address:
        """Its SIP address."""
        return self._udp.local

    async def listen_tcp(self) -> int:
        """Take SIP over TCP too; the port."""
        self._server = await asyncio.start_server(self._on_connection, HOST, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Free everything."""
        for port in (self._udp, self._rtp, self._rtcp):
            port.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._server.close()
            self._writer.close()
            await self._writer.wait_closed()

    def _on_datagram(self, data: bytes, source: Address) -> None:
        self.peer.receive(data, Flow("udp", self.udp, source), self._loop.time())
        self._pump()

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        framer = StreamFramer()
        flow = Flow("tcp", writer.get_extra_info("sockname"), writer.get_extra_info("peername"), 1)
        while data := await reader.read(65_536):
            framer.receive(data)
            while (message := framer.next_message()) is not None:
                self.peer.receive(message, flow, self._loop.time())
            self._pump()

    def _on_rtp(self, data: bytes, source: Address) -> None:
        self.peer.receive_rtp(data, self._loop.time())
        self._rtp.send(self.peer.say(), source)

    def _on_timer(self) -> None:
        self.peer.endpoint.on_deadline(self._loop.time())
        self.peer.take_events(self._loop.time())
        self._pump()

    def _pump(self) -> None:
        if self.peer.called:
            self.rang.set()
        for data, flow in self.peer.endpoint.to_send():
            if flow.transport == "udp":
                self._udp.send(data, flow.remote)
            elif self._writer is not None:
                self._writer.write(data)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.peer.endpoint.deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_timer)


@asynccontextmanager
async def uas(answer_code: int = 200) -> AsyncIterator[Uas]:
    side = Uas(answer_code)
    try:
        yield side
    finally:
        await side.close()


async def test_call_over_udp(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys arrive, the recording holds what the other side said, and the figures are told."""
    path = tmp_path / "heard.wav"
    async with uas() as side:
        options = CallOptions(
            "hello",
            keys="7",
            record=path,
            for_s=2.0,
            json=True,
            listen=(Listen("udp", *side.udp),),
        )
        assert await Agent(options).run() == 0
        assert side.peer.keys_heard() == [("7", 100)]
        assert side.peer.of(ByeReceived)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("calling sip:hello@127.0.0.1:")
    figures = json.loads(lines[-1])
    assert figures["code"] == 200
    assert figures["keys"] == "7"
    assert figures["received"] > 5
    with wave.open(str(path), "rb") as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert int(heard.max()) == pytest.approx(6000, abs=200)


async def test_call_over_tcp() -> None:
    """`;transport=tcp` connects, and hangs up over the same connection."""
    async with uas() as side:
        port = await side.listen_tcp()
        options = CallOptions(f"sip:hello@127.0.0.1:{port};transport=tcp", for_s=0.1)
        assert await Agent(options).run() == 0
        assert side.peer.of(ByeReceived)
        assert ";transport=tcp" in side.peer.call.invite_request.header("contact").lower()


async def test_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the refusal is the last line."""
    async with uas(486) as side:
        options = CallOptions("hello", listen=(Listen("udp", *side.udp),))
        assert await Agent(options).run() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "486 Busy Here"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells about refused datagrams")
async def test_closed_udp_port_is_no_long_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody there: exit code 3 at once, not after timer B."""
    free = DatagramPort(OWN_IP, 0, lambda data, source: None)
    port = free.local[1]
    free.close()
    options = CallOptions(f"sip:hello@{OWN_IP}:{port}")
    assert await asyncio.wait_for(Agent(options).run(), TIMER_B_S) == 3
    assert "nobody listens there" in capsys.readouterr().out


async def test_engine_that_is_gone_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an engine to ask, the configuration says where to call."""
    async with uas(404) as side:
        options = CallOptions(
            "hello", control_socket=tmp_path / "none.sock", listen=(Listen("udp", *side.udp),)
        )
        assert await Agent(options).run() == 1
    assert "no engine at" in capsys.readouterr().out


async def test_no_sound_card_is_a_silent_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--sound without a card says so, and the call goes on: silence is sent."""

    def no_card(*_: object, **__: object) -> None:
        raise DeviceError("PortAudio is not installed")

    for opening in ("open_microphone", "open_speaker"):
        monkeypatch.setattr(sound, opening, no_card)
    async with uas() as side:
        options = CallOptions("hello", sound=True, for_s=1.0, listen=(Listen("udp", *side.udp),))
        assert await Agent(options).run() == 0
        assert {packet.payload for packet in side.peer.audio} == {b"\xff" * 160}
    assert "no sound card: the call is silent (PortAudio" in capsys.readouterr().out


def test_wrong_options_are_told_before_anything_rings() -> None:
    """Usage errors raise ConfigError, which the command line turns into exit code 2."""
    with pytest.raises(ConfigError, match="no key 'x'"):
        run(CallOptions("hello", keys="x"))
    with pytest.raises(ConfigError, match="neither"):
        run(CallOptions("mailto:x"))


async def start_phone(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ivrbench",
        "call",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_ctrl_c_while_ringing(tmp_path: Path) -> None:
    """SIGINT cancels the call properly: exit code 130, and the recording is a WAV file."""
    path = tmp_path / "heard.wav"
    async with uas(0) as side:
        phone = await start_phone(f"sip:hello@{HOST}:{side.udp[1]}", "--record", str(path))
        await side.rang.wait()
        assert phone.stdout is not None
        while b"100 Trying" not in await phone.stdout.readline():
            pass
        phone.send_signal(signal.SIGINT)
        await phone.communicate()
        assert phone.returncode == 130
        assert side.peer.of(CancelReceived)
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 0


async def test_sigterm_in_a_call_hangs_up(tmp_path: Path) -> None:
    """A phone that is told to end says BYE, and its recording holds what it heard."""
    path = tmp_path / "heard.wav"
    async with uas() as side:
        phone = await start_phone(f"sip:hello@{HOST}:{side.udp[1]}", "--record", str(path))
        assert phone.stdout is not None
        while b"first sound" not in await phone.stdout.readline():
            pass
        phone.send_signal(signal.SIGTERM)
        await phone.communicate()
        assert phone.returncode == 130
        assert side.peer.of(ByeReceived)
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() > 0


async def test_the_workbench_steers_and_is_told() -> None:
    """Lines on stdin steer the call, each fact is an event in JSON, and nothing else is said."""
    decoder = msgspec.json.Decoder(phones.PhoneEvent)
    told: list[phones.PhoneEvent] = []

    async def until(kind: type[phones.PhoneEvent], **fields: object) -> None:
        while True:
            told.append(decoder.decode(await reader.readline()))
            found = {name: getattr(told[-1], name, None) for name in fields}
            if isinstance(told[-1], kind) and found == fields:
                return

    async with uas() as side:
        phone = await start_phone(f"sip:hello@{HOST}:{side.udp[1]}", "--from-workbench")
        assert phone.stdin is not None
        assert phone.stdout is not None
        reader = phone.stdout
        phone.stdin.write(b"4?\npress 5\n")
        await until(phones.PhoneProgressed, step="200")
        await until(phones.PhoneKeyPressed, name="5", way="RFC 4733")
        phone.stdin.write(b"mute on\nkeys-by info\nnetwork 0 5 1\nsay tone 440\nhold on\n")
        await until(phones.PhoneChanged, muted=True, keys_by="info", voice="tone 440 Hz", held=True)
        await until(phones.PhoneMeasured)
        phone.stdin.write(b"hangup\n")
        await until(phones.PhoneEnded, answered=True)
        await phone.communicate()
        assert phone.returncode == 0
        assert side.peer.of(ByeReceived)
        assert side.peer.of(ReinviteReceived)
    notes = [e.text for e in told if isinstance(e, phones.PhoneProgressed) and e.step == "note"]
    assert any("there is no key '?'" in text for text in notes)
    assert any(isinstance(e, phones.PhoneHeard) and e.sounding for e in told)
