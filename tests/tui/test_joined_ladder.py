"""A call with two legs of a real engine: one ladder, one object in the Inspector."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from ivrbench.tui.model import Model
from ivrbench.tui.views import inspect, ladder
from ivrbench.tui.views.ladder_files import FORMATS, ladder_file
from tests.engine.callee import Callee
from tests.engine.calls.conftest import make_bench as make_bench
from tests.engine.calls.two_legs import AFTER, BEFORE, BOTH, Scene

if TYPE_CHECKING:
    from tests.engine.calls.conftest import MakeBench


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize("body", [AFTER, BEFORE], ids=["after", "before"])
def test_both_legs_in_one_picture(make_bench: MakeBench, media: str, body: str) -> None:
    """The caller's messages left of us, the callee's right, whatever leg is selected."""
    scene = Scene(make_bench, body, Callee.accepts, b2b_media=media)
    scene.ann.dial()
    scene.bench.wait(1.0)
    history = scene.bench.hub.history
    model = Model(zone=UTC, history=history)
    names = [leg for leg in history.live if leg.startswith("c1")]
    assert len(names) == 2
    for name in names:
        model.leg = name
        legs, picture = ladder.picture(model, name)
        assert [leg.name for leg in legs] == names
        assert picture.us == 1
        assert len(picture.columns) == 3
        labels = {(row.start, row.end, row.label.partition(" ")[0]) for row in picture.rows}
        assert {(0, 1, "INVITE"), (1, 0, "200"), (1, 2, "INVITE"), (2, 1, "200")} <= labels
        text = "\n".join(line.text for line in ladder.ladder_lines(model, picture, 118))
        assert "connectCallee" in text
        assert "bob@192.0.2.50" in text
        for extension in FORMATS:
            assert ladder_file(model, legs, picture, extension)
        shown = model.inspected_leg
        assert shown is not None
        assert shown.name == names[0]
        assert inspect.moments(shown)
