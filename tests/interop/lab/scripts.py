"""Scripts that play, collect keys, record, or do both; what they use is in their `NAME.conf`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BOTH", "COLLECTS", "PLAYS", "RECORDS", "settings"]

PLAYS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.prompt = IvrAudioFile()
            self.prompt.open(config["prompt"], AUDIO_READ)
            self.beep = IvrAudioFile()
            self.beep.open(config["beep"], AUDIO_READ)
            self.enqueue(self.prompt, None)
            self.enqueue(self.beep, None)
        def onEmptyQueue(self):
            self.stopSession()
    """

COLLECTS = """
    from log import *
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.keys = []
        def onDtmf(self, key, duration):
            self.keys.append((key, duration))
            with open(config["file"], "w") as out:
                out.write(" ".join("%d:%d" % pair for pair in self.keys))
            if key == 11:
                self.stopSession()
    """

RECORDS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.message = IvrAudioFile()
            self.message.open(config["file"], AUDIO_WRITE)
            self.message.setRecordTime(3000)
            self.enqueue(None, self.message)
        def onEmptyQueue(self):
            self.message.close()
            self.stopSession()
    """

BOTH = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.tone, self.message = IvrAudioFile(), IvrAudioFile()
            self.tone.open(config["prompt"], AUDIO_READ)
            self.message.open(config["file"], AUDIO_WRITE)
            self.enqueue(self.tone, self.message)
        def onBye(self):
            self.message.close()
            self.stopSession()
    """


def settings(folder: Path, script: str, **values: object) -> None:
    """Write `NAME.conf` beside `ivr.conf`."""
    lines = [f'{key} = "{value}"' for key, value in values.items()]
    (folder / f"{script}.conf").write_text("\n".join(lines))
