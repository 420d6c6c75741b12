"""baresip as a phone: dials, presses keys, and keeps what it sends and hears as WAV files.

Facts of version 1.0.0 that shape this driver: a file as audio source must have exactly the source
rate and ends the call when it ends; a player is needed for anything to be decoded, `aubridge` needs
no sound card; the account must have a password, else baresip asks for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any, Self

from .network import IP, free_port
from .processes import PATIENCE_S, always_in_time

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Baresip"]

_MODULES = (
    *("g711.so", "g722.so", "gsm.so", "opus.so", "srtp.so", "dtls_srtp.so"),
    *("aufile.so", "aubridge.so", "sndfile.so"),
)
_CONFIG = """\
poll_method epoll
net_interface {ip}
sip_listen {ip}:{sip_port}
call_local_timeout 120
call_max_calls 4
audio_player aubridge,heard
audio_source aufile,{says}
audio_alert aubridge,alert
ausrc_srate {rate_hz}
auplay_srate {rate_hz}
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 20-160
rtp_ports 21000-21998
rtp_stats yes
jitter_buffer_type fixed
jitter_buffer_delay 5-10
module_path {modules}
{loads}
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {ip}:{control_port}
snd_path {folder}
"""
_ACCOUNT = (
    "<sip:{address};transport={transport}>;auth_user={user};auth_pass={password};regint={regint};"
    "audio_codecs={codec};ptime={ptime_ms};answermode=manual{more}\n"
)
MODULE_PATH = "/usr/lib/baresip/modules"


class Baresip:
    """One phone with one account; `async with` starts and stops it.

    Args:
        folder: an empty folder for its files.
        says: 16-bit mono WAV at `rate_hz`, longer than the call.
        codec: "PCMU", "PCMA", "GSM", "G722/16000/1" or "opus/48000/2"; in full, or all are taken.
        transport: "udp", "tcp" or "tls"; for the last it takes any certificate.
        rate_hz: of its microphone and ear; what the codec has.
        encryption: "" or one of baresip's: "srtp", "srtp-mand", "dtls_srtp".
        ptime_ms: packet length.
        address: `USER@IP:PORT` to register, with password `secret`; "": it registers nowhere.
        more: further parameters of its account.
    """

    def __init__(
        self,
        folder: Path,
        says: Path,
        codec: str = "PCMU",
        transport: str = "udp",
        rate_hz: int = 8000,
        encryption: str = "",
        ptime_ms: int = 20,
        address: str = "",
        more: str = "",
    ) -> None:
        self.folder = folder
        self._transport = transport
        self._rate_hz = rate_hz
        self._control_port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tokens = 0
        self.port = free_port(socket.SOCK_DGRAM)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text(
            _CONFIG.format(
                ip=IP,
                sip_port=self.port,
                says=says,
                modules=MODULE_PATH,
                loads="\n".join(f"module {name}" for name in _MODULES),
                control_port=self._control_port,
                folder=folder,
                rate_hz=rate_hz,
            )
        )
        (folder / "accounts").write_text(
            _ACCOUNT.format(
                address=address or f"caller@{IP}:{self.port}",
                user=address.partition("@")[0] or "caller",
                password="secret" if address else "x",
                regint=600 if address else 0,
                transport=transport,
                codec=codec,
                ptime_ms=ptime_ms,
                more=(f";mediaenc={encryption}" if encryption else "") + more,
            )
        )
        (folder / "contacts").write_text("")
        (folder / "uuid").write_text(f"8dcb79a4-3bd2-4cb7-a3d1-{self.port:012}")

    async def __aenter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("baresip", "-4", "-f", str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=always_in_time,
            )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reader, self._writer = await asyncio.open_connection(IP, self._control_port)
                    break
                except OSError:
                    assert self._process.returncode is None, self.log()
                    await asyncio.sleep(0.02)
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._process is not None, "entered before"
        self._reading.cancel()
        self._writer.close()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_S):  # killed, it leaves recordings without a header
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def registered(self) -> None:
        """Wait until its registrar took it."""
        async with asyncio.timeout(PATIENCE_S):
            # It may have happened before anybody listened to its events.
            while "200 OK" not in self.log():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def start_call(self, script: str, port: int) -> str:
        """Call a script, wait for nothing, and return the URI that this call's events name."""
        while not self._events.empty():
            self._events.get_nowait()
        peer = f"sip:{script}@{IP}:{port}"
        suffix = "" if self._transport == "udp" else f";transport={self._transport}"
        await self.command("dial", peer + suffix)
        return peer

    async def dial(self, script: str, port: int) -> None:
        """Call a script and return when the call is up."""
        peer = await self.start_call(script, port)
        # The end of the call before this one may be told only now: it names another peer.
        event = await self.event("CALL_ESTABLISHED", "CALL_CLOSED", peer=peer)
        assert event["type"] == "CALL_ESTABLISHED", f"{event}\n{self.log()}"

    async def answer(self) -> None:
        """Wait for a call and answer it."""
        await self.event("CALL_INCOMING")
        await self.command("accept")
        await self.event("CALL_ESTABLISHED")

    async def press(self, keys: str) -> None:
        """Press keys one after the other, each long enough to be a key of its own."""
        for key in keys:
            await self.command("sndcode", key)
            await asyncio.sleep(0.3)  # baresip's key lasts as long as nothing else comes

    async def hang_up(self) -> None:
        """End the call from this side."""
        await self.command("hangup")
        await self.event("CALL_CLOSED")

    async def event(self, *kinds: str, peer: str = "") -> dict[str, Any]:
        """Wait for one of baresip's events, of a call with this peer if one is named."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    event = await self._events.get()
                    if event["type"] in kinds and event.get("peeruri", "").startswith(peer):
                        return event
        except TimeoutError:
            raise AssertionError(f"{kinds} not told within {PATIENCE_S} s\n{self.log()}") from None

    async def hears(self, seconds: float) -> None:
        """Wait until it has heard so much more: its recordings grow with each packet."""
        wanted = self._heard_bytes() + int(seconds * self._rate_hz * 2)
        async with asyncio.timeout(PATIENCE_S):
            while self._heard_bytes() < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another process: there is no event

    def _heard_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("dump-*-dec.wav"))

    def heard(self) -> Path:
        """The recording of what it heard in its first call; complete once the call is over."""
        return min(self.folder.glob("dump-*-dec.wav"))  # their names begin with the time

    def log(self) -> str:
        """Everything it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-4_000:]

    async def command(self, name: str, parameters: str = "") -> None:
        """Give it one command and wait for its answer."""
        self._tokens += 1
        token = str(self._tokens)
        message = {"command": name, "params": parameters, "token": token}
        body = json.dumps(message).encode()
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        self._writer.write(b"%d:%s," % (len(body), body))
        async with asyncio.timeout(PATIENCE_S):
            await answer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                if message.get("event"):
                    self._events.put_nowait(message)
                elif answer := self._answers.pop(message.get("token", ""), None):
                    answer.set_result(message)
