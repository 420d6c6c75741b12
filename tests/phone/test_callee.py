"""The phone as the called side, in virtual time: one phone of ours calls another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.errors import ConfigError, LocalProtocolError
from ivrbench.phone.call import PhoneCall
from ivrbench.phone.callee import Callee, read_answers
from ivrbench.phone.control import Control
from ivrbench.phone.facts import Answered, Ended, KeyPressed, Noted, Progressed, Rang, Ready
from ivrbench.phone.keys import parse_keys
from ivrbench.phone.network import BadNetwork
from ivrbench.phone.report import Report
from ivrbench.phone.rtp_stream import RtpStream, StreamIdentity
from ivrbench.phone.settings import CallSettings
from ivrbench.phone.sound import Sound
from ivrbench.phone.target import read_place
from ivrbench.phone.voice import silent_voice, tone_voice
from ivrbench.rtp.rtcp import is_rtcp
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import EndCause
from ivrbench.sip.flow import Flow
from ivrbench.sip.tokens import CountingTokens

from .peer import PEER, PEER_RTP, PHONE, PHONE_RTP

if TYPE_CHECKING:
    from ivrbench.phone.facts import Fact

HERE, THERE = Flow("udp", PHONE, PEER), Flow("udp", PEER, PHONE)
URI = "sip:conf@192.0.2.9"


class Pair:
    """A phone that calls and one that is called; messages take no time.

    Args:
        answers: what the called one does.
        keys: what the caller presses.
    """

    def __init__(self, answers: str = "ring", keys: str = "") -> None:
        self.now = 100.0
        there = RtpStream(tone_voice(440), identity=StreamIdentity(2, 1, 0, "there"))
        self.callee = Callee(
            CallSettings(LocalMedia(*PEER_RTP, 1)), there, answers, tokens=CountingTokens("callee")
        )
        self.callee.wait("127.0.0.1:5060")
        here = RtpStream(silent_voice(), identity=StreamIdentity(1, 1, 0, "here"))
        settings = CallSettings(
            LocalMedia(*PHONE_RTP, 1), URI, HERE, "<sip:dev@bench>", keys=parse_keys(keys)
        )
        self.caller = PhoneCall(settings, here, tokens=CountingTokens("caller"))
        self.told: dict[PhoneCall, list[Fact]] = {self.callee: [], self.caller: []}
        self.reports = {self.callee: 0, self.caller: 0}
        self._pump()

    def dial(self) -> Pair:
        self.caller.dial(self.now)
        self._pump()
        return self

    def run(self, seconds: float) -> Pair:
        end_s = self.now + seconds
        self._pump()
        while (at_s := self._next_s()) <= end_s:
            self.now = max(self.now, at_s)
            for phone in (self.caller, self.callee):
                phone.on_deadline(self.now)
            self._pump()
        self.now = end_s
        return self

    def _next_s(self) -> float:
        times = [phone.deadline() for phone in (self.caller, self.callee)]
        return min((time for time in times if time is not None), default=float("inf"))

    def _pump(self) -> None:
        ways = ((self.caller, self.callee, THERE), (self.callee, self.caller, HERE))
        while any(self._carry(*way) for way in ways):
            pass
        for phone, facts in self.told.items():
            while (fact := phone.next_fact()) is not None:
                facts.append(fact)

    def _carry(self, sender: PhoneCall, receiver: PhoneCall, flow: Flow) -> bool:
        messages = sender.sip_to_send()
        for data, _ in messages:
            receiver.receive_sip(data, flow, self.now)
        from_ = PHONE_RTP if sender is self.caller else PEER_RTP
        for data, _ in sender.rtp_to_send():  # with RTCP, on one port
            self.reports[sender] += is_rtcp(data)
            receiver.receive_rtp(data, from_, self.now)
        return bool(messages)

    def do(self, *lines: str) -> None:
        """Lines of the workbench for the called phone, which none of them waits for."""
        control = Control(
            self.callee,
            self.callee._stream,
            BadNetwork(),
            ManualClock(now_s=self.now),
            voice="tone",
            sound=Sound(),
        )
        for line in lines:
            work = control.do(line)
            with pytest.raises(StopIteration):
                work.send(None)
        self._pump()

    def ends(self) -> tuple[Ended, Ended]:
        """How both calls ended, the caller's first."""
        here, there = self.told[self.caller][-1], self.told[self.callee][-1]
        assert isinstance(here, Ended)
        assert isinstance(there, Ended)
        return here, there


def of(facts: list[Fact], kind: type[Fact]) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, kind)]


def test_rings_until_it_is_answered() -> None:
    """180 at once, 200 when told; audio and keys go both ways; either side hangs up."""
    pair = Pair(keys="5").dial().run(3.0)
    ready, rang = pair.told[pair.callee]
    assert str(ready) == "waiting for a call at sip:phone@127.0.0.1:5060"
    assert isinstance(rang, Rang)
    assert (rang.caller, rang.called) == ("sip:dev@bench", URI)
    codes = [fact.code for fact in pair.told[pair.caller] if isinstance(fact, Progressed)]
    assert codes == [100, 180]
    assert pair.callee.deadline() is not None
    pair.do("answer")
    pair.run(1.0)
    (answered,) = of(pair.told[pair.callee], Answered)
    assert isinstance(answered, Answered)
    assert answered.after_s == pytest.approx(3.0)
    assert of(pair.told[pair.caller], KeyPressed)
    assert "heard key 5 for 100 ms" in [str(fact) for fact in pair.told[pair.callee]]
    assert pair.callee.peer_uri == "sip:dev@127.0.0.1:6000"
    pair.do("hangup")
    here, there = pair.ends()
    assert (here.cause, there.cause) == (EndCause.BYE_RECEIVED, EndCause.BYE_SENT)
    assert here.figures.level_dbfs > -40 > there.figures.level_dbfs
    assert there.answered
    assert there.duration_s == pytest.approx(1.0)


def test_answers_at_once_and_the_caller_hangs_up() -> None:
    """Without ringing; what a re-INVITE asks for is answered too."""
    pair = Pair("answer").dial().run(0.5)
    codes = [fact.code for fact in pair.told[pair.caller] if isinstance(fact, Progressed)]
    assert codes == [100]
    pair.caller.hold(True, pair.now)
    pair.run(0.5)
    assert not pair.callee._stream.muted
    pair.caller.hang_up(pair.now)
    pair.run(0.1)
    here, there = pair.ends()
    assert (here.cause, there.cause) == (EndCause.BYE_SENT, EndCause.BYE_RECEIVED)


@pytest.mark.parametrize(
    ("answers", "line", "code"),
    [("486", "", 486), ("ring", "refuse 603", 603), ("never", "hangup", 603)],
)
def test_refused(answers: str, line: str, code: int) -> None:
    """By itself or by hand; hanging up while it rings declines."""
    pair = Pair(answers).dial().run(0.1)
    if line:
        pair.do(line)
    here, there = pair.ends()
    assert (here.code, here.cause) == (code, EndCause.REFUSED)
    assert str(there).startswith(f"refused with {code} ")
    assert (there.answered, there.exit_code) == (False, 1)
    assert Report(URI).lines(there) == [str(there)]


def test_caller_gives_up() -> None:
    """CANCEL while it rings: 487 to the caller, and nothing rings any more."""
    pair = Pair("never").dial().run(20.0)
    pair.caller.hang_up(pair.now)
    pair.run(0.1)
    here, there = pair.ends()
    assert (here.cause, there.cause) == (EndCause.CANCEL_SENT, EndCause.CANCEL_RECEIVED)
    with pytest.raises(LocalProtocolError, match="no call rings"):
        pair.callee.answer(pair.now)


def test_one_call_at_a_time() -> None:
    """The second is told that we are busy."""
    pair = Pair().dial()
    second = Endpoint(tokens=CountingTokens("second"))
    second.invite(URI, HERE, "<sip:x@bench>", f"<{URI}>", now=pair.now)
    for data, _ in second.to_send():
        pair.callee.receive_sip(data, Flow("udp", PEER, ("127.0.0.1", 7000)), pair.now)
    replies = [data for data, flow in pair.callee.sip_to_send() if flow.remote[1] == 7000]
    assert replies[-1].startswith(b"SIP/2.0 486 ")


def test_wait_no_more() -> None:
    """Hanging up while nobody calls ends it; so a call that comes then is refused."""
    pair = Pair()
    pair.do("hangup", "hangup")
    (ready, ended) = pair.told[pair.callee]
    assert isinstance(ready, Ready)
    assert isinstance(ended, Ended)
    assert str(ended) == "nobody called"
    here = pair.dial().run(0.1).told[pair.caller][-1]
    assert isinstance(here, Ended)
    assert here.code == 486


def invite(pair: Pair, body: bytes) -> tuple[Endpoint, list[bytes]]:
    """Somebody else calls."""
    other = Endpoint(tokens=CountingTokens("other"))
    other.invite(URI, HERE, "<sip:x@bench>", f"<{URI}>", body=body, now=pair.now)
    for data, _ in other.to_send():
        pair.callee.receive_sip(data, THERE, pair.now)
    pair.callee.answer(pair.now)
    replies = [data for data, _ in pair.callee.sip_to_send()]
    for data in replies:
        other.receive(data, HERE, pair.now)
    return other, replies


def test_invite_without_offer() -> None:
    """RFC 3261 §13.3.1.4: the offer is in the 200, the answer in the ACK."""
    pair = Pair()
    other, replies = invite(pair, b"")
    assert b"m=audio 4000 " in replies[-1]
    offer = b"\r\n".join(replies[-1].split(b"\r\n\r\n")[1:])
    answer = offer.replace(b"m=audio 4000", b"m=audio 6002")
    while (event := other.next_event()) is not None:
        call = event.call
        assert call is not None
        last = call
    last.ack(answer, "application/sdp", now=pair.now)
    for data, _ in other.to_send():
        pair.callee.receive_sip(data, THERE, pair.now)
    pair._pump()
    assert of(pair.told[pair.callee], Answered)
    assert pair.callee._stream.sending


def test_offer_that_cannot_be_used() -> None:
    """It is refused as SDP says, and the call is over."""
    pair = Pair()
    _, replies = invite(pair, b"v=0\r\nno session description\r\n")
    assert replies[-1].startswith((b"SIP/2.0 400 ", b"SIP/2.0 488 "))
    pair._pump()
    ended = pair.told[pair.callee][-1]
    assert isinstance(ended, Ended)
    assert str(ended).startswith("the call failed: the caller's session description")


def test_lines_for_a_call_of_ours() -> None:
    """A call that we made cannot be answered."""
    pair = Pair().dial()
    control = Control(
        pair.caller,
        pair.caller._stream,
        BadNetwork(),
        ManualClock(now_s=pair.now),
        voice="silence",
        sound=Sound(),
    )
    with pytest.raises(ConfigError, match="this call is ours"):
        control.do("answer").send(None)
    with pytest.raises(ConfigError, match="from 400 to 699"):
        control.do("refuse 200").send(None)


def test_answering_twice() -> None:
    """The second time there is nothing to answer, which is said."""
    pair = Pair("answer").dial()
    with pytest.raises(ConfigError, match="no call rings here that could be answered"):
        pair.do("answer")
    assert not of(pair.told[pair.callee], Noted)


def test_broken_rtcp() -> None:
    """No report goes out, none is read; audio goes on; and back."""
    pair = Pair("answer").dial().run(3.0)
    assert pair.reports == {pair.callee: 1, pair.caller: 1}
    pair.do("rtcp off")
    pair.run(10.0)
    assert pair.reports == {pair.callee: 1, pair.caller: 3}
    assert pair.caller._stream.figures().received > 600
    pair.do("rtcp on")
    pair.run(5.0)
    assert pair.reports[pair.callee] == 2


@pytest.mark.parametrize("text", ["ring", "answer", "never", "486", "699"])
def test_what_a_phone_can_do(text: str) -> None:
    """One of three words, or a code that refuses."""
    assert read_answers(text) == text


@pytest.mark.parametrize("text", ["", "200", "700", "busy", "4 86", "\u0664\u0668\u0666"])
def test_what_it_cannot(text: str) -> None:
    """Everything else is said to be none."""
    with pytest.raises(ConfigError, match="a phone can ring, answer, never or refuse"):
        read_answers(text)


def test_where_to_wait() -> None:
    """An address with a port, each with a default."""
    assert read_place("") == ("127.0.0.1", 0)
    assert read_place("127.0.0.2:5070") == ("127.0.0.2", 5070)
    assert read_place("[::1]:5070") == ("::1", 5070)
    for text in ("host", "127.0.0.1:x", "1.2.3"):
        with pytest.raises(ConfigError, match="is no address to wait at"):
            read_place(text)


def test_requests_of_ours_are_no_calls() -> None:
    """Only an INVITE rings."""
    pair = Pair()
    other = Endpoint(tokens=CountingTokens("other"))
    other.send_request("OPTIONS", URI, HERE, "<sip:x@bench>", f"<{URI}>", now=pair.now)
    for data, _ in other.to_send():
        pair.callee.receive_sip(data, THERE, pair.now)
    pair._pump()
    assert not of(pair.told[pair.callee], Rang)
    assert not pair.callee.was_called
