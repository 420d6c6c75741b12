"""Frames and messages of the control socket."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.errors import ControlError
from ivrbench.observe import commands, wire
from ivrbench.observe import events as ev
from tests.observe.strategies import events


@given(events)
def test_events_survive_the_wire(event: ev.Event) -> None:
    """What the engine published is what the client gets."""
    stamped = ev.Stamped(3, 12.5, event)
    frame = wire.batch_frame([wire.encode_event(stamped)])
    assert wire.decode_server(frame[4:]) == wire.Batch([stamped])


@pytest.mark.parametrize(
    "command",
    [
        wire.Hello(1),
        commands.Watch(("c1",), True, request=1),
        commands.HangUp("c1", request=2),
        commands.ReloadScripts(request=3),
        commands.RollBack("menu", 3, request=4),
        commands.PlaceTestCall("menu", keys="12#", request=5),
        commands.TellPhone("c1", "press", "1", request=6),
        commands.Drain(request=7),
        commands.Stop(request=8),
    ],
)
def test_commands_survive_the_wire(command: wire.ClientMessage) -> None:
    """What the client asks is what the engine hears."""
    assert wire.decode_client(wire.frame(command)[4:]) == command


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_frames_come_out_whole_however_they_are_cut(bodies: list[bytes], step: int) -> None:
    """A stream socket keeps no message boundaries."""
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    reader = wire.FrameReader(100)
    got = [b for at in range(0, len(stream), step) for b in reader.feed(stream[at : at + step])]
    assert got == bodies


def test_a_frame_too_long_is_refused_before_it_is_read() -> None:
    """The announced length is enough; nothing is buffered for it."""
    reader = wire.FrameReader(100)
    with pytest.raises(ControlError, match="101 bytes, 100 are allowed"):
        list(reader.feed((101).to_bytes(4, "big")))


@given(st.binary(max_size=60))
def test_garbage_is_a_control_error(body: bytes) -> None:
    """Never another exception, whatever comes in."""
    for decode in (wire.decode_client, wire.decode_server):
        try:
            decode(body)
        except ControlError:
            pass
