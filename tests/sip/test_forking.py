"""One call of ours to several phones: who answers first has it (RFC 3261 §16.6, §16.7)."""

from __future__ import annotations

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.events import (
    CallEnded,
    EndCause,
    ProvisionalReceived,
    Redirected,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.flow import Flow
from ivrbench.sip.hunt import Place
from ivrbench.sip.invite import CallState, InviteCall
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.settings import EndpointSettings

from .helpers import OURS, SDP, UDP, Rig, request, response

DESK = UDP
CELL = Flow("tcp", OURS, ("192.0.2.3", 5060), 3)
SOFT = Flow("ws", OURS, ("192.0.2.4", 40_000), 4)
ELSEWHERE = 'SIP ;cause=200 ;text="Call completed elsewhere"'


class Fork:
    """A call of ours to three phones, and the INVITE of each."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self.rig = Rig(settings)
        self.rig.endpoint.credentials = lambda _: ("me", "secret")
        self.call, desk = self.rig.calling()
        now = self.rig.now
        self.rig.endpoint.also_invite(
            self.call, [Place("sip:menu@192.0.2.3;transport=tcp", CELL)], now=now
        )
        route = ("<sip:edge.example;lr>",)
        self.rig.endpoint.also_invite(
            self.call, [Place("sip:x@soft.invalid", SOFT, route)], now=now
        )
        cell, soft = self.rig.sent()
        assert isinstance(cell, SipRequest)
        assert isinstance(soft, SipRequest)
        self.desk, self.cell, self.soft = desk, cell, soft
        self.ways = {desk.via.branch: DESK, cell.via.branch: CELL, soft.via.branch: SOFT}

    def answer(self, invite: SipRequest, code: int, **more: object) -> list[str]:
        """One phone's response; what was sent because of it, as "METHOD R-URI"."""
        tag = "" if code == 100 else f"t{invite.via.branch}"
        return self.receive(
            invite,
            response(invite, code, to_tag=tag, contact=f"<{invite.uri}>", **more),  # type: ignore[arg-type]
        )

    def receive(self, invite: SipRequest, data: bytes) -> list[str]:
        """Bytes come by the way the INVITE went."""
        self.rig.endpoint.receive(data, self.ways[invite.via.branch], self.rig.now)
        return self.out()

    def out(self) -> list[str]:
        self.rig.flows.clear()
        self.sent = [each for each in self.rig.sent() if isinstance(each, SipRequest)]
        return [f"{each.method} {each.uri}" for each in self.sent]

    def outcome(self) -> tuple[int, EndCause]:
        """The code the user is told, and why the call ended."""
        told, ended = self.rig.events()[-2:]
        assert isinstance(told, (ResponseReceived, RequestTimedOut))
        assert isinstance(ended, CallEnded)
        return told.response.code, ended.cause


def test_one_call_in_several_places() -> None:
    """The same call everywhere, each with its own branch, way, Contact and Route."""
    fork = Fork()
    three = (fork.desk, fork.cell, fork.soft)
    assert len({each.via.branch for each in three}) == 3
    same = {(each.call_id, each.from_tag, each.cseq, each.body) for each in three}
    assert len(same) == 1
    assert [each.header("contact") for each in three] == [
        "<sip:me@192.0.2.1:5060>",
        "<sip:me@192.0.2.1:5060;transport=tcp>",
        "<sip:me@192.0.2.1:5060;transport=ws>",
    ]
    assert [each.elements("route") for each in three] == [[], [], ["<sip:edge.example;lr>"]]
    assert fork.rig.flows == [DESK, CELL, SOFT]


def test_first_answer_wins() -> None:
    """The others hear CANCEL with a reason, at once or after their first word; nobody is told of
    them any more.
    """
    fork = Fork()
    assert fork.answer(fork.desk, 180) == []
    assert fork.answer(fork.cell, 180) == []
    assert len(fork.call.forks) == 2
    fork.rig.events()
    ack, cancel = fork.answer(fork.cell, 200, body=SDP)
    assert ack == "CANCEL sip:menu@192.0.2.2"
    assert cancel == "ACK sip:menu@192.0.2.3;transport=tcp"
    assert fork.sent[0].header("reason") == ELSEWHERE
    assert fork.rig.event(ResponseReceived).request is fork.call.invite_request
    assert (fork.call.state, fork.call.dialog.flow) == (CallState.CONNECTED, CELL)
    assert fork.answer(fork.soft, 180) == ["CANCEL sip:x@soft.invalid"]
    assert fork.answer(fork.desk, 487) == ["ACK sip:menu@192.0.2.2"]
    assert fork.answer(fork.soft, 603) == ["ACK sip:x@soft.invalid"]
    assert fork.rig.events() == []
    fork.call.bye(now=fork.rig.now)
    assert fork.out() == ["BYE sip:menu@192.0.2.3;transport=tcp"]
    fork.receive(fork.cell, response(fork.sent[0], 200))
    fork.rig.events()
    fork.rig.pass_time(70)
    fork.rig.assert_empty()


def test_two_answers() -> None:
    """RFC 3261 §13.2.2.4: who answers second gets ACK and BYE, also if a CANCEL is on its way."""
    fork = Fork()
    fork.answer(fork.desk, 200, body=SDP)
    late = fork.answer(fork.cell, 200, body=SDP)
    assert late == ["ACK sip:menu@192.0.2.3;transport=tcp", "BYE sip:menu@192.0.2.3;transport=tcp"]
    assert fork.call.state is CallState.CONNECTED
    assert fork.call.dialog.flow == DESK


def test_one_phone_reached_by_two_ways() -> None:
    """The same tag answers twice: that is one phone, which must not be hung up."""
    fork = Fork()
    fork.receive(fork.desk, response(fork.desk, 200, to_tag="same", body=SDP))
    data = response(fork.cell, 200, to_tag="same", body=SDP, contact=f"<{fork.cell.uri}>")
    assert fork.receive(fork.cell, data) == ["ACK sip:menu@192.0.2.3;transport=tcp"]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ((486, 404, 480), 486),
        ((500, 486, 503), 486),
        ((404, 486, 484), 484),
        ((503, 500, 302), 302),
        ((486, 486, 603), 603),
    ],
)
def test_all_refuse(codes: tuple[int, ...], told: int) -> None:
    """RFC 3261 §16.7, step 6: the lowest class, and what says how to do better; 6xx before all."""
    fork = Fork()
    for invite, code in zip((fork.desk, fork.cell, fork.soft), codes, strict=True):
        assert fork.rig.events() == []
        assert fork.call.state is not CallState.DISCONNECTED
        fork.answer(invite, code)
    assert fork.outcome() == (told, EndCause.REFUSED)


def test_a_6xx_speaks_for_all() -> None:
    """RFC 3261 §16.7, step 5: the others hear CANCEL, and one that never said a word is not waited
    for; answered after all, it is hung up.
    """
    fork = Fork()
    fork.answer(fork.desk, 180)
    fork.rig.events()
    sent = fork.answer(fork.cell, 603)
    assert sent == ["ACK sip:menu@192.0.2.3;transport=tcp", "CANCEL sip:menu@192.0.2.2"]
    assert fork.rig.events() == []
    fork.answer(fork.desk, 487)
    assert fork.outcome() == (603, EndCause.REFUSED)
    late = fork.answer(fork.soft, 200, body=SDP)
    assert late == ["ACK sip:x@soft.invalid", "BYE sip:x@soft.invalid"]


def test_silent_phone_and_busy_phone() -> None:
    """A word counts more than silence; the call waits for both."""
    fork = Fork()
    fork.answer(fork.cell, 486)
    fork.answer(fork.soft, 486)
    fork.rig.pass_time(31)
    assert fork.rig.events() == []
    fork.rig.pass_time(2)
    assert fork.outcome() == (486, EndCause.REFUSED)


def test_nobody_there() -> None:
    """Not a word from anybody: 408 after 32 s."""
    fork = Fork()
    fork.rig.pass_time(33)
    assert fork.outcome() == (408, EndCause.TIMED_OUT)
    fork.rig.pass_time(33)
    fork.rig.assert_empty()


def test_hang_up_while_some_ring() -> None:
    """CANCEL to all that said something; the call is over with the last 487."""
    fork = Fork()
    for invite in (fork.desk, fork.cell):
        fork.answer(invite, 180)
    fork.rig.events()
    fork.call.bye(now=fork.rig.now)
    assert fork.out() == ["CANCEL sip:menu@192.0.2.2", "CANCEL sip:menu@192.0.2.3;transport=tcp"]
    assert fork.sent[0].header("reason") == ""
    fork.answer(fork.desk, 487)
    assert fork.rig.events() == []
    fork.answer(fork.cell, 487)
    assert fork.outcome() == (487, EndCause.CANCEL_SENT)


def test_2xx_passes_our_cancel() -> None:
    """One of them answers although all were given up: ACK and BYE."""
    fork = Fork()
    for invite in (fork.desk, fork.cell):
        fork.answer(invite, 180)
    fork.call.bye(now=fork.rig.now)
    fork.out()
    sent = fork.answer(fork.cell, 200, body=SDP)
    assert sent == ["ACK sip:menu@192.0.2.3;transport=tcp", "BYE sip:menu@192.0.2.3;transport=tcp"]
    fork.receive(fork.cell, response(fork.sent[1], 200))
    fork.answer(fork.desk, 487)
    ended = [each for each in fork.rig.events() if isinstance(each, CallEnded)]
    assert [each.cause for each in ended] == [EndCause.CANCEL_SENT]
    fork.rig.pass_time(70)
    fork.rig.assert_empty()


def test_password_for_one_of_them() -> None:
    """A challenge is answered where it came from; the others ring on."""
    fork = Fork()
    fork.answer(fork.desk, 180)
    fork.answer(fork.cell, 183)
    lines = ('WWW-Authenticate: Digest realm="a", nonce="1"',)
    sent = fork.answer(fork.cell, 401, extra=lines)
    assert sent == [
        "ACK sip:menu@192.0.2.3;transport=tcp",
        "INVITE sip:menu@192.0.2.3;transport=tcp",
    ]
    again = fork.sent[1]
    assert again.cseq == fork.cell.cseq + 1
    assert set(fork.call.forks) == {f"t{fork.desk.via.branch}"}
    assert fork.call.state is CallState.EARLY
    assert fork.call.dialog.flow == DESK
    fork.ways[again.via.branch] = CELL
    sent = fork.answer(again, 200, body=SDP)
    assert sent == ["CANCEL sip:menu@192.0.2.2", "ACK sip:menu@192.0.2.3;transport=tcp"]
    assert fork.sent[1].cseq == again.cseq
    assert fork.call.dialog.next_cseq == again.cseq + 1


def test_two_phones_that_send_us_on() -> None:
    """Each redirect is followed from where it came, whichever is resolved first."""
    fork = Fork(EndpointSettings(max_redirects=3))
    for invite, name in ((fork.desk, "a"), (fork.cell, "b")):
        fork.answer(invite, 302, extra=(f"Contact: <sip:x@{name}.example>",))
    named = [each.uri for each in fork.rig.events() if isinstance(each, Redirected)]
    assert named == ["sip:x@a.example", "sip:x@b.example"]
    flow = Flow("udp", OURS, ("192.0.2.9", 5060))
    fork.call.follow(flow, named[1], now=fork.rig.now)
    assert fork.out() == ["INVITE sip:x@b.example"]
    fork.call.follow(flow, "sip:x@c.example", now=fork.rig.now)
    assert fork.out() == []
    fork.call.follow(flow, now=fork.rig.now)
    assert fork.out() == ["INVITE sip:x@a.example"]


def test_one_connection_is_lost() -> None:
    """The phone behind it is out, the others ring on; the winner's connection is told apart."""
    fork = Fork()
    fork.answer(fork.desk, 180)
    fork.rig.events()
    fork.rig.endpoint.flow_failed(CELL, fork.rig.now)
    assert fork.rig.events() == []
    assert not fork.call.dialog.flow_lost
    fork.answer(fork.soft, 200, body=SDP)
    fork.rig.endpoint.flow_failed(CELL, fork.rig.now)
    assert not fork.call.dialog.flow_lost
    assert fork.rig.endpoint.uses(SOFT)
    fork.rig.endpoint.flow_failed(SOFT, fork.rig.now)
    assert fork.call.dialog.flow_lost


def test_reliable_ringing_of_two() -> None:
    """RFC 3262: each early dialog has its own RSeq and PRACK, on its own way."""
    fork = Fork()
    rseq = ("RSeq: 7", "Require: 100rel")
    assert fork.answer(fork.desk, 180, extra=rseq) == ["PRACK sip:menu@192.0.2.2"]
    assert fork.answer(fork.cell, 180, extra=rseq) == ["PRACK sip:menu@192.0.2.3;transport=tcp"]
    assert fork.answer(fork.cell, 180, extra=rseq) == []
    provisional = [e for e in fork.rig.events() if isinstance(e, ProvisionalReceived)]
    assert len(provisional) == 2


def test_too_late_or_not_ours() -> None:
    """A call that is answered, over or somebody else's goes nowhere else."""
    fork = Fork()
    fork.answer(fork.desk, 200, body=SDP)
    endpoint, now = fork.rig.endpoint, fork.rig.now
    endpoint.also_invite(fork.call, [Place("sip:late@192.0.2.9", UDP)], now=now)
    assert fork.out() == []
    with pytest.raises(LocalProtocolError):
        endpoint.also_invite(fork.call, [Place("sip:a b", UDP)], now=now)
    with pytest.raises(LocalProtocolError):
        endpoint.also_invite(
            fork.call, [Place("sip:b@192.0.2.9", UDP, ("<sip:x>\r\nX: y",))], now=now
        )
    theirs: InviteCall = Rig().invited()
    with pytest.raises(LocalProtocolError):
        endpoint.also_invite(theirs, [Place("sip:b@192.0.2.9", UDP)], now=now)


def test_requests_of_a_phone_that_rings() -> None:
    """RFC 3261 §12.2.2: either early dialog may send requests; its BYE ends it alone."""
    fork = Fork()
    for invite in (fork.desk, fork.cell):
        fork.answer(invite, 180)
    fork.rig.events()
    bye = request(
        "BYE",
        branch="b",
        to_tag=fork.call.dialog.local_tag,
        from_tag=f"t{fork.cell.via.branch}",
        call_id=fork.desk.call_id,
    )
    (answer,) = fork.rig.receive(bye)
    assert isinstance(answer, SipResponse)
    assert answer.code == 200
    assert set(fork.call.forks) == {f"t{fork.desk.via.branch}"}


class Hunt(Fork):
    """A call of ours to `desk`, reached by three ways, then to `soft` and `late` in their turn."""

    def __init__(self) -> None:
        self.rig = Rig()
        now = self.rig.now
        self.call = self.rig.endpoint.invite(
            "sip:desk@192.0.2.2",
            DESK,
            "<sip:me@192.0.2.1>",
            "<sip:menu@192.0.2.2>",
            body=SDP,
            now=now,
            spares=[Place("sip:desk@192.0.2.3", CELL), Place("sip:desk@192.0.2.4", SOFT)],
        )
        also = self.rig.endpoint.also_invite
        also(self.call, [Place("sip:late@192.0.2.9", DESK)], 2, now=now)
        also(self.call, [Place("sip:soft@192.0.2.9", DESK)], 1, now=now)
        also(self.call, [Place("sip:sofa@192.0.2.9", DESK), Place("sip:sofa@x", CELL)], 1, now=now)
        self.ways = {}
        self.seen: set[tuple[str, str]] = set()
        assert self.out() == ["INVITE sip:desk@192.0.2.2"]
        self.first = self.invites()[0]

    def invites(self) -> list[SipRequest]:
        """Those just sent."""
        found = [each for each in self.sent if each.method == "INVITE"]
        self.ways |= {each.via.branch: DESK for each in found}
        return found

    def wait(self, seconds: float) -> list[str]:
        """What is sent as time goes by, without copies."""
        sent = [each for each in self.rig.pass_time(seconds) if isinstance(each, SipRequest)]
        self.sent = []
        for each in sent:
            key = (each.method, each.via.branch)
            if key not in self.seen:
                self.sent.append(each)
            self.seen.add(key)
        return [f"{each.method} {each.uri}" for each in self.sent]

    def out(self) -> list[str]:
        told = super().out()
        self.seen |= {(each.method, each.via.branch) for each in self.sent}
        return told


def test_turns() -> None:
    """RFC 3261 §16.6: the next ones are called once all before have failed; the best word of all
    is told in the end.
    """
    hunt = Hunt()
    assert hunt.answer(hunt.first, 486) == [
        "ACK sip:desk@192.0.2.2",
        "INVITE sip:soft@192.0.2.9",
        "INVITE sip:sofa@192.0.2.9",
    ]
    soft, sofa = hunt.invites()
    assert hunt.answer(sofa, 180) == []
    assert hunt.answer(soft, 500) == ["ACK sip:soft@192.0.2.9"]
    assert hunt.answer(sofa, 480) == ["ACK sip:sofa@192.0.2.9", "INVITE sip:late@192.0.2.9"]
    (late,) = hunt.invites()
    assert hunt.call.state is not CallState.DISCONNECTED
    hunt.rig.events()
    hunt.answer(late, 503)
    assert hunt.outcome() == (486, EndCause.REFUSED)
    hunt.rig.pass_time(70)
    hunt.rig.assert_empty()


def test_turn_that_nobody_takes() -> None:
    """A turn rings for 20 s if another one waits; the last has all the time there is."""
    hunt = Hunt()
    hunt.answer(hunt.first, 180)
    assert hunt.wait(19.9) == []
    assert hunt.wait(0.2) == [
        "CANCEL sip:desk@192.0.2.2",
        "INVITE sip:soft@192.0.2.9",
        "INVITE sip:sofa@192.0.2.9",
    ]
    soft, sofa = hunt.invites()
    hunt.answer(hunt.first, 487)
    for each in (soft, sofa):
        hunt.answer(each, 180)
    hunt.wait(20)
    (late,) = hunt.invites()
    hunt.answer(soft, 487)
    assert hunt.answer(late, 180) == []
    assert hunt.wait(100) == []
    hunt.rig.events()
    hunt.answer(late, 408)
    assert hunt.outcome() == (408, EndCause.REFUSED)
    hunt.rig.pass_time(70)
    hunt.rig.assert_empty()


def test_answer_after_its_turn() -> None:
    """A phone that is picked up as its turn ends has the call: the CANCEL came too late."""
    hunt = Hunt()
    hunt.answer(hunt.first, 180)
    hunt.wait(20)
    hunt.invites()
    sent = hunt.answer(hunt.first, 200, body=SDP)
    assert "ACK sip:desk@192.0.2.2" in sent
    assert hunt.call.state is CallState.CONNECTED
    assert hunt.wait(5) == [], "nobody else is called any more"
    hunt.call.bye(now=hunt.rig.now)
    hunt.rig.pass_time(70)
    hunt.rig.assert_empty()


@pytest.mark.parametrize("code", [430, 0])
def test_another_way_to_the_same_phone(code: int) -> None:
    """RFC 5626 §7: after 430, or when its connection is gone, the phone's next way; whoever else is
    to be called waits as long as the phone is not reached.
    """
    hunt = Hunt()
    ways = ["INVITE sip:desk@192.0.2.3", "INVITE sip:desk@192.0.2.4"]
    invite = hunt.first
    for number, expected in enumerate(ways):
        if code:
            assert hunt.answer(invite, code)[-1] == expected
        else:
            flow = (DESK, CELL)[number]
            hunt.rig.endpoint.flow_failed(flow, hunt.rig.now, "gone")
            assert hunt.out() == [expected]
        (invite,) = hunt.invites()
    assert hunt.answer(invite, 486)[-1] == "INVITE sip:sofa@192.0.2.9"
    assert len(hunt.invites()) == 2
    hunt.call.cancel(now=hunt.rig.now)
    hunt.rig.pass_time(140)
    hunt.rig.assert_empty()


def test_way_that_is_silent() -> None:
    """Not a word for 5 s: the next way is taken as well; where the phone did get the first INVITE,
    it refuses the second as merged (482), and its answer to the first counts.
    """
    hunt = Hunt()
    assert hunt.wait(4.9) == []
    assert hunt.wait(0.2) == ["INVITE sip:desk@192.0.2.3"]
    (second,) = hunt.invites()
    assert hunt.answer(second, 482) == ["ACK sip:desk@192.0.2.3"]
    hunt.answer(hunt.first, 180)
    assert hunt.wait(5) == []
    hunt.answer(hunt.first, 200, body=SDP)
    assert hunt.call.state is CallState.CONNECTED
    hunt.call.bye(now=hunt.rig.now)
    hunt.rig.pass_time(70)
    hunt.rig.assert_empty()


def test_hunt_that_is_given_up() -> None:
    """After our CANCEL, or a 6xx, nobody else is called."""
    for refuse in (True, False):
        hunt = Hunt()
        hunt.answer(hunt.first, 180)
        if refuse:
            assert hunt.answer(hunt.first, 603) == ["ACK sip:desk@192.0.2.2"]
        else:
            hunt.call.cancel(now=hunt.rig.now)
            assert hunt.out() == ["CANCEL sip:desk@192.0.2.2"]
            assert hunt.answer(hunt.first, 487) == ["ACK sip:desk@192.0.2.2"]
        assert hunt.call.state is CallState.DISCONNECTED
        assert hunt.wait(70) == []
        hunt.rig.assert_empty()
