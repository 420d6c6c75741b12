"""IvrScripts: the scripts of one test, written into a temporary directory."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.tones import sine
from ivrbench.audio.wav import wav_header

if TYPE_CHECKING:
    from ivrbench.audio.codecs.codec import Pcm

__all__ = ["IvrScripts"]

PROMPT_DBFS = -15.0


class IvrScripts:
    """Builds a folder of scripts.

    Args:
        folder: an empty directory.

    Attributes:
        folder: where the scripts are; their prompts are in `wav` in it.
        conf_folder: where each script's `NAME.conf` is.
        written: a script was put here, so this is the folder to serve.
        configured: a `NAME.conf` was put here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "scripts"
        self.conf_folder = folder / "conf"
        for each in (self.folder, self.folder / "wav", self.conf_folder):
            each.mkdir(parents=True, exist_ok=True)
        self.written = False
        self.configured = False

    def write(self, name: str, text: str) -> Path:
        """Write a script, or any other file.

        Args:
            name: the script's; or a file's, with its ending.
            text: its source; common indentation is taken off.
        """
        path = self.folder / (name if "." in name else f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        self.written = True
        return path

    def copy(self, source: Path | str) -> Path:
        """Copy a script, and the folder `wav` beside it if there is one."""
        source = Path(source)
        if (source.parent / "wav").is_dir():
            shutil.copytree(source.parent / "wav", self.folder / "wav", dirs_exist_ok=True)
        self.written = True
        return Path(shutil.copy(source, self.folder))

    def conf(self, script: str, **values: object) -> Path:
        """Write a script's `NAME.conf`; other scripts have none in this test.

        Args:
            script: its name.
            values: what `ivr.config` shows; numbers become text.
        """
        path = self.conf_folder / f"{script}.conf"
        path.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()))
        self.configured = True
        return path

    def prompt(self, name: str, what: float | Pcm = 440.0, *, seconds: float = 1.0) -> Path:
        """Write a prompt into `wav`.

        Args:
            name: the file's, with ".wav".
            what: a tone in Hz, or 8 kHz samples.
            seconds: length of the tone.
        """
        if isinstance(what, (int, float)):
            what = sine(what, seconds * 1000, peak_dbfs=PROMPT_DBFS)
        data = what.astype(np.int16).tobytes()
        path = self.folder / "wav" / name
        path.write_bytes(wav_header(len(data), rate_hz=SAMPLE_RATE_HZ) + data)
        self.written = True
        return path
