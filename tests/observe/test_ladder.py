"""The ladder as rows, and as a capture file."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import _fold_legs
from ivrbench.observe import events as ev
from ivrbench.observe.ladder import added_by_script, build_ladder, copies, legs_of
from ivrbench.observe.pcap import capture
from ivrbench.observe.sipmessage import MessageText, repeated_by
from tests.tui.fake_engine import (
    FakeEngine,
    ladder_events,
    leg_up,
    parted_events,
    sip,
    two_call_events,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.observe.history import History


def ladder_history() -> History:
    engine = FakeEngine()
    engine.play(ladder_events())
    return engine.hub.history


def test_legs_of_one_call_are_one_picture() -> None:
    """The caller left of us, the connected leg right of us, whichever was chosen."""
    history = ladder_history()
    for name in ("c12", "c12b"):
        ladder = build_ladder(legs_of(history, name))
        assert ladder.legs == ("c12", "c12b")
        assert [c.address for c in ladder.columns] == [
            "127.0.0.1:41022",
            "127.0.0.1:5080",
            "10.0.0.5:5060",
        ]
        assert ladder.us == 1
    assert build_ladder(legs_of(history, "c12b", joined=False)).legs == ("c12b",)
    assert legs_of(history, "c99") == []
    assert build_ladder([]).rows == ()


def test_rows_say_who_what_and_why() -> None:
    """Messages, media with counts, the key with its handler, the script's call, the copy."""
    rows = build_ladder(legs_of(ladder_history(), "c12")).rows
    assert len({row.key for row in rows}) == len(rows)
    shown = [(row.start, row.end, row.label, row.note) for row in rows]
    assert shown[:6] == [
        (0, 1, "INVITE (SDP)", "c12"),
        (1, 0, "100 Trying", ""),
        (1, 0, "200 OK (SDP)", ""),
        (1, 0, "RTP PCMU 2098", "jit 1.8 ms"),
        (0, 1, "RTP PCMU 2101", "lost 0.1%"),
        (0, 1, "ACK", ""),
    ]
    key = next(row for row in rows if row.kind == "key")
    assert (key.label, key.beside, key.note) == ("key 1", "onDtmf(1, 100)", "RFC 4733")
    call = next(row for row in rows if row.kind == "call")
    assert (call.label, call.note) == ("connectCallee(conf@10.0.0.5)", ":97 pin_collect.py")
    assert [row.note for row in rows if row.label == "INVITE (SDP)"] == ["c12", "c12b", "RETRANS 1"]
    assert [row.label for row in rows if row.start == 1 and row.end == 0][-1] == "re-INVITE (SDP)"


def test_a_copy_names_its_timer() -> None:
    """The RFC's name of what repeated a message, and all its copies."""
    ladder = build_ladder(legs_of(ladder_history(), "c12"))
    again = next(row for row in ladder.rows if row.note == "RETRANS 1")
    same = copies(ladder, again)
    assert [row.at_s - same[0].at_s for row in same] == pytest.approx([0.0, 0.5])
    for start, cseq, sent, why in (
        ("INVITE sip:a SIP/2.0", "1 INVITE", True, "timer A"),
        ("BYE sip:a SIP/2.0", "2 BYE", True, "timer E"),
        ("ACK sip:a SIP/2.0", "1 ACK", True, "the 200 came again"),
        ("SIP/2.0 200 OK", "1 INVITE", True, "no ACK yet (T1, doubled)"),
        ("SIP/2.0 486 Busy Here", "1 INVITE", True, "timer G"),
        ("SIP/2.0 200 OK", "2 BYE", True, "the request came again"),
        ("BYE sip:a SIP/2.0", "2 BYE", False, "the other side sent it again"),
    ):
        assert repeated_by(sip("c1", sent, start, cseq)) == why


def test_headers_of_the_script_are_told_from_ours() -> None:
    """Those whose text a script gave in a call, with the line of that call."""
    history = ladder_history()
    legs = legs_of(history, "c12")
    invites = [s.event for s in history.live["c12b"].sip if isinstance(s.event, ev.SipTraced)]
    given = added_by_script(legs, invites[0])
    assert [(text, call.line) for text, call in given.items()] == [("X-Pin: 1234", 97)]
    received = next(e for e in invites if not e.sent)
    assert added_by_script(legs, received) == {}


def test_messages_of_a_long_call_are_bounded() -> None:
    """Its beginning and its newest stay, by number and by bytes; what fell out is counted."""
    engine = FakeEngine()
    engine.publish(*leg_up("c1", "menu", 1, "sip:a@b"))
    for number in range(500):
        engine.publish(sip("c1", False, "INFO sip:x SIP/2.0", f"{number} INFO"))
    leg = engine.hub.history.live["c1"]
    assert len(leg.sip) == _fold_legs.MAX_LEG_MESSAGES
    assert leg.sip_dropped == 500 - len(leg.sip)
    numbers = [
        int(MessageText(s.event.raw).header("cseq").split()[0])
        for s in leg.sip
        if isinstance(s.event, ev.SipTraced)
    ]
    assert numbers[:20] == list(range(20))
    assert numbers[-1] == 499
    for _ in range(30):
        engine.publish(sip("c1", False, "INFO sip:x SIP/2.0", "1 INFO", "X: " + "x" * 20_000))
    assert _fold_legs._sip_bytes(leg) <= _fold_legs.MAX_LEG_SIP_BYTES


def test_messages_of_no_leg_are_kept_apart() -> None:
    """An OPTIONS from anywhere is in the history, and in no ladder."""
    engine = FakeEngine()
    engine.publish(sip("", False, "OPTIONS sip:x SIP/2.0", "1 OPTIONS"))
    assert len(engine.hub.history.sip.events) == 1


def test_any_bytes_are_a_message_to_look_at() -> None:
    """What was refused is shown as it came."""
    assert MessageText(b"").summary == ""
    assert MessageText(b"\xff\x00").head == ["\ufffd\x00"]
    assert MessageText(b"INFO x SIP/2.0\r\n\r\n\x00\x01").body == ["(2 bytes, no text)"]
    assert MessageText(b"INVITE x SIP/2.0\r\nt: <sip:a>;tag=1\r\n\r\n").summary == "re-INVITE"


def tshark(path: Path, *fields: str) -> list[list[str]]:
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    command = [program, "-r", str(path), "-T", "fields", "-o", "ip.check_checksum:TRUE"]
    command += ["-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return [text.split("\t") for text in done.stdout.splitlines()]


def test_capture_opens_in_wireshark(tmp_path: Path) -> None:
    """Addresses, ports, times and SIP are read back, and every checksum is right."""
    history = ladder_history()
    messages = [s for leg in legs_of(history, "c12") for s in leg.sip]
    over_tcp = sip("c1", True, "BYE sip:a SIP/2.0", "3 BYE")
    for number, event in enumerate((over_tcp, over_tcp), 1000):
        tcp = ev.SipTraced("c1", event.sent, "tcp", "[::1]:5060", "[::1]:40000", "BYE", event.raw)
        messages.append(ev.Stamped(number, messages[-1].at_s + 1, tcp))
    path = tmp_path / "c12.pcap"
    path.write_bytes(capture(messages))
    rows = tshark(
        path,
        *("ip.src", "udp.srcport", "ipv6.dst", "tcp.dstport", "sip.CSeq.method", "_ws.expert"),
    )
    assert len(rows) == len(messages)
    assert rows[0][:5] == ["127.0.0.1", "41022", "", "", "INVITE"]
    assert rows[-1][:5] == ["", "", "::1", "40000", "BYE"]
    sums = tshark(path, "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status")
    # 1 is good; of the three only those exist that the packet has.
    assert {status for row in sums for status in row if status} == {"1"}


def test_capture_of_odd_addresses() -> None:
    """An address nobody can write into a packet loses the address, not the message."""
    odd = ev.SipTraced("c1", True, "udp", "odd", "[fe80::1%eth0]:5060", "x", b"x")
    data = capture([ev.Stamped(1, 1.5, odd), ev.Stamped(2, 2.0, ev.LogWritten(2, "sip", "x"))])
    assert len(data) == 24 + 16 + 40 + 8 + 1


def test_what_a_call_of_the_script_made_is_folded_under_it() -> None:
    """connectAudio() re-INVITEs both parties, one after the other: all of that is its doing."""
    engine = FakeEngine()
    engine.play(parted_events())
    rows = build_ladder(legs_of(engine.hub.history, "c12")).rows
    assert len({row.key for row in rows}) == len(rows)
    call = next(row for row in rows if row.label == "connectAudio()")
    folded = [(row.leg, row.label) for row in rows if row.under == call.key]
    assert folded == [
        ("c12", "re-INVITE (SDP)"),
        ("c12", "200 OK (SDP)"),
        ("c12", "ACK"),
        ("c12b", "re-INVITE (SDP)"),
        ("c12b", "200 OK (SDP)"),
        ("c12b", "ACK"),
    ]
    assert call.below == 6
    assert [row.label for row in rows if row.below] == ["connectAudio()"]
    # A refresh a minute later, what the caller sends, and the call's beginning are not.
    after = [row.label for row in rows if row.at_s > call.at_s and not row.under]
    assert after == ["INFO", "re-INVITE (SDP)", "200 OK (SDP)"]


def test_several_calls_are_one_picture() -> None:
    """Callers left, called parties right; one column for an address; every row names its leg."""
    engine = FakeEngine()
    engine.play(two_call_events())
    history = engine.hub.history
    legs = [*legs_of(history, "c12"), *legs_of(history, "c13")]
    ladder = build_ladder(legs)
    assert (ladder.legs, ladder.calls) == (("c12", "c12b", "c13"), 2)
    assert [(c.name, c.address, c.legs) for c in ladder.columns] == [
        ("test phone, bob@10.0.0.8", "127.0.0.1:41022", ("c12", "c13")),
        ("ivrbench", "127.0.0.1:5080", ()),
        ("conf@10.0.0.5", "10.0.0.5:5060", ("c12b",)),
    ]
    assert all(row.note for row in ladder.rows)
    assert [row.label for row in ladder.rows if row.leg == "c13"] == [
        "INVITE (SDP)",
        "180 Ringing",
    ]
    times = [row.at_s for row in ladder.rows if row.kind == "sip"]
    assert times == sorted(times)


def test_callers_of_other_addresses_have_columns_of_their_own() -> None:
    """Also two of them, and us between them and those who are called."""
    engine = FakeEngine()
    for leg in ("c1", "c2b"):  # `sip` gives the second one another address
        engine.publish(*leg_up(leg, "menu", 1, f"sip:{leg}@x"))
        engine.publish(sip(leg, False, "INVITE sip:menu@bench SIP/2.0", "1 INVITE"))
    history = engine.hub.history
    ladder = build_ladder([*legs_of(history, "c1"), *legs_of(history, "c2b")])
    assert [column.legs for column in ladder.columns] == [("c2b",), ("c1",), ()]
    assert [(row.start, row.end) for row in ladder.rows if row.kind == "sip"] == [(1, 2), (0, 2)]


def test_a_handler_that_raises_got_its_key_too() -> None:
    """Its text stands beside that key, and the next handler's beside the next one."""
    engine = FakeEngine()
    engine.publish(*leg_up("c1", "menu", 1, "sip:a@b"))
    for key in (3, 10):
        engine.publish(ev.KeyReceived("c1", key, 100, "INFO"))
    where = ("tb", "/s/menu.py", 9, 1.0, "the call goes on")
    engine.publish(
        ev.HandlerRaised("c1", 1, "menu", 1, "onDtmf", "3, 100", "KeyError", "'x'", *where),
        ev.HandlerCalled("c1", 2, "onDtmf", "10, 100", "None", "", 3.0, "menu.py", 15),
    )
    rows = build_ladder(legs_of(engine.hub.history, "c1")).rows
    assert [(row.label, row.beside) for row in rows if row.kind == "key"] == [
        ("key 3", "onDtmf(3, 100)"),
        ("key *", "onDtmf(10, 100)"),
    ]
    (error,) = (row for row in rows if row.kind == "error")
    assert error.label == "onDtmf(3, 100) raised KeyError: 'x'"
