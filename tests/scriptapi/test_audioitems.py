"""IvrAudioMixIn as scripts make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.audioitems import IvrAudioMixIn, MixInSettings
from ivrbench.scriptapi.dialog import Capsule, IvrDialogBase

from .fakes import FakePort

if TYPE_CHECKING:
    from pathlib import Path


def test_init_keeps_what_it_is_given() -> None:
    """Files by reference; flags are 0 or 1; a level may be a whole number."""
    a, b = IvrAudioFile(), IvrAudioFile()
    mixed = IvrAudioMixIn("ignored")
    assert mixed.settings is None
    mixed.init(a, b, 10, 1)
    assert mixed.settings == MixInSettings(a, b, 10, 1.0, False, False, False)
    mixed.init(a, b, 5, 0.25, 1, 0, True)
    assert mixed.settings == MixInSettings(a, b, 5, 0.25, True, False, True)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None, 1, 3, 0.5), TypeError),
        ((1, None, 3, 0.5), TypeError),
        ((1, 1, 1.5, 0.5), TypeError),
        ((1, 1, 3, "x"), TypeError),
        ((1, 1, 3, 0.5, "x"), TypeError),
        ((1, 1, -1, 0.5), ValueError),
        ((1, 1, 3, 1.5), ValueError),
    ],
)
def test_init_refuses(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    """Anything but two files, whole seconds and a level; 1 stands for a file here."""
    real: list[Any] = [IvrAudioFile() if n < 2 and a == 1 else a for n, a in enumerate(arguments)]
    with pytest.raises(error, match=r"init\(\)"):
        IvrAudioMixIn().init(*real)


def test_enqueue_needs_both_files_open(tmp_path: Path) -> None:
    """A closed file is an error at once, not silence later."""
    port = FakePort()
    dialog = IvrDialogBase(Capsule(port))
    a, b, mixed = IvrAudioFile(), IvrAudioFile(), IvrAudioMixIn()
    mixed.init(a, b, 1, 0.5)
    for file in (a, b):
        with pytest.raises(ValueError, match="not open"):
            dialog.enqueue(mixed, None)
        file.open(str(tmp_path / f"{id(file)}.wav"), 2)
    dialog.enqueue(mixed, None)
    assert port.calls == [("enqueue", mixed, None)]
