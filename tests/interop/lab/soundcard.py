"""A sound card that is none: PulseAudio with two null sinks, no kernel module, no D-Bus.

What a program plays arrives at `speaker`; what is played to `mouth` is heard by its microphone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np

from .processes import PATIENCE_S, always_in_time
from .sound import RATE_HZ, Samples

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SoundCard"]

SETTINGS = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink sink_name=spk rate=48000 channels=2 format=s16le
load-module module-null-sink sink_name=micbus rate=48000 channels=2 format=s16le
load-module module-remap-source master=micbus.monitor source_name=mic
set-default-sink spk
set-default-source mic
"""
MONO = ("--raw", "--format=s16le", f"--rate={RATE_HZ}", "--channels=1")
# Without a permanent client of low latency a null sink works in blocks of 2 s, and PortAudio
# breaks on that.
KEEPERS = (
    ("parec", "--device=spk.monitor", "--latency-msec=5", *MONO),
    ("parec", "--device=mic", "--latency-msec=5", *MONO),
    ("pacat", "-p", "--device=spk", "--latency-msec=20", *MONO, "/dev/zero"),
)


class SoundCard:
    """One sound server; `async with` plugs it in, `unplug` and `plug_in` do it again.

    Args:
        folder: where its socket lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._before: dict[str, str | None] = {}

    async def __aenter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True)
        (self._folder / "card.pa").write_text(SETTINGS.format(folder=self._folder))
        values = {
            "PULSE_SERVER": f"unix:{self._folder}/native",
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_STATE_PATH": str(self._folder),
        }
        self._before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        await self.plug_in()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.unplug()
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    async def plug_in(self) -> None:
        """Start the server, and wait until it works."""
        self._start(
            *("pulseaudio", "-n", "-F", str(self._folder / "card.pa"), "--daemonize=no"),
            *("--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"),
            *("--realtime=no", "--high-priority=no", f"--log-target=file:{self._folder}/log"),
        )
        async with asyncio.timeout(PATIENCE_S):
            while _told("info") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # another process: there is no event
            for keeper in KEEPERS:
                self._start(*keeper)
            while _n_streams() < len(KEEPERS):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def unplug(self) -> None:
        """The card is gone from one moment to the next."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def _start(self, *command: str) -> None:
        nowhere = subprocess.DEVNULL
        home = {**os.environ, "HOME": str(self._folder)}
        self._processes.append(
            subprocess.Popen(
                command,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                env=home,
                preexec_fn=always_in_time,
            )
        )

    async def speaker(self, seconds: float) -> Samples:
        """What the loudspeaker plays from now on."""
        process = await asyncio.create_subprocess_exec(
            *("parec", "--device=spk.monitor", "--latency-msec=20", *MONO),
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=always_in_time,
        )
        assert process.stdout is not None
        data = await process.stdout.readexactly(int(seconds * RATE_HZ) * 2)
        process.kill()
        with suppress(ProcessLookupError):
            await process.communicate()
        return np.frombuffer(data, "<i2").astype(np.float64) / 32_768

    def mouth(self, wav: Path) -> None:
        """Say a file into the microphone; ends with the card."""
        self._start("paplay", "--device=micbus", "--latency-msec=20", str(wav))


def _told(*question: str) -> list[str] | None:
    """Lines of the server's answer; None if there is none."""
    done = subprocess.run(["pactl", *question], capture_output=True, check=False, text=True)
    return None if done.returncode else done.stdout.splitlines()


def _n_streams() -> int:
    """How many clients play or record."""
    kinds = ("sink-inputs", "source-outputs")
    return sum(len(_told("list", "short", kind) or ()) for kind in kinds)
