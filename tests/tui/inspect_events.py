"""Written events of a call whose dialog object is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe import events as ev
from ivrbench.observe.inspection import AttributeChanged, CallTouched, InspectedValue, LegInspected
from tests.tui.fake_engine import leg_up, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inspect_events"]

FILE = "/home/dev/scripts/pin_collect.py"


def value(text: str, **parts: str) -> InspectedValue:
    return InspectedValue(text, tuple((name, InspectedValue(part)) for name, part in parts.items()))


FIRST = {
    "self.state": value("0"),
    "self.keys": value("''"),
    "self.welcome_msg": value("IvrAudioFile wav/default_en.wav"),
    "self.caller": value(
        "Caller(name='Eva', number='1001', vip=False)", name="'Eva'", number="'1001'", vip="False"
    ),
    "dialog.user": value("'pin_collect'"),
    "dialog.domain": value("'bench'"),
    "dialog.local_uri": value("'sip:pin_collect@bench'"),
    "dialog.remote_uri": value("'sip:dev@bench'"),
    "dialog.callid": value("'6f0c@127.0.0.1'"),
    "dialog.cseq": value("1"),
    "dialog.status_str": value("'Connected'"),
    "invite_req.": value("INVITE, 11 headers, SDP", method="'INVITE'", r_uri="'sip:pin_collect@b'"),
    "timers.1": value("10.4 HINT_TIMER"),
    "media.receiving": value("on"),
    "media.detect_keys": value("on"),
    "media.muted": value("off"),
}


def look(call: int, *changes: tuple[str, str, str]) -> ev.Event:
    made = tuple(AttributeChanged(path, value(new), was) for path, was, new in changes)
    return LegInspected("c12", call, made)


def handler(call: int, name: str, arguments: str, elapsed_ms: float, line: int) -> ev.Event:
    return ev.HandlerCalled("c12", call, name, arguments, "None", "", elapsed_ms, FILE, line)


def inspect_events() -> Iterator[tuple[float, ev.Event]]:
    """A test call that presses a PIN; the script's attributes change with each key."""
    yield 0.0, ev.ListenerChanged("udp", "127.0.0.1", 5080, up=True)
    yield 0.0, loaded("pin_collect", 7)
    for event in leg_up("c12", "pin_collect", 7, "test phone"):
        yield 0.0, event
    whole = tuple(AttributeChanged(path, shown) for path, shown in FIRST.items())
    yield 0.009, LegInspected("c12", 1, whole, is_whole=True)
    yield 0.0, handler(1, "onSessionStart", "", 2.0, 66)
    yield 0.0, ev.ItemEnqueued("c12", 1, "welcome_msg", "wav/default_en.wav", "", 3200)
    yield 0.0, ev.ItemStarted("c12", 1)
    yield 3.23, ev.ItemEnded("c12", 1, "played", 3200, 0)
    keys = ""
    for call, key in enumerate("1234", 2):
        yield 0.9, ev.KeyReceived("c12", int(key), 100, "RFC 4733")
        yield 0.0, look(call, ("self.keys", f"'{keys}'", f"'{keys}{key}'"))
        keys += key
        yield 0.001, handler(call, "onDtmf", f"{key}, 100", 1.0, 82)
    yield (
        0.0,
        ev.LogWritten(3, "script", "added key, PIN = 1234", leg="c12", script="pin_collect"),
    )
    yield 1.0, look(6, ("self.state", "0", "1"), ("dialog.cseq", "1", "2"))
    yield 0.031, handler(6, "onDtmf", "11, 100", 31.0, 82)
    yield 0.0, ev.ApiCalled("c12", "connectCallee", "'sip:conf@10.0.0.5'", FILE, 97)
    yield 0.5, CallTouched("c12", "self.flush()", "None")
    yield 0.2, look(0, ("media.muted", "off", "on"))
