"""Whole calls of the phone against our own endpoint, in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.phone.call import USER_AGENT
from ivrbench.phone.facts import (
    Answered,
    Ended,
    KeyPressed,
    MediaChanged,
    Noted,
    Progressed,
    RtpStarted,
    SoundStarted,
)
from ivrbench.phone.keys import parse_keys
from ivrbench.phone.transfer import refer_target
from ivrbench.phone.voice import tone_voice
from ivrbench.rtp.info import parse_info
from ivrbench.sdp.description import Direction
from ivrbench.sip.events import (
    ByeReceived,
    CancelReceived,
    EndCause,
    InviteReceived,
    RequestReceived,
    ResponseReceived,
)
from ivrbench.sip.flow import Flow
from ivrbench.sip.refer import ReferProgress

from .peer import PEER, PHONE, PHONE_RTP, Network, Peer


def test_invite_offers_what_the_phone_can_do() -> None:
    """PCMU, PCMA and telephone-event, from the phone's address, under the phone's name."""
    network = Network(Peer(0)).dial().run(0.1)
    (event,) = network.peer.of(InviteReceived)
    assert isinstance(event, InviteReceived)
    assert event.request.header("user-agent") == USER_AGENT == "ivrbench test phone"
    sdp = event.request.body.decode()
    assert f"m=audio {PHONE_RTP[1]} RTP/AVP 0 8 101" in sdp
    assert "a=rtpmap:101 telephone-event/8000" in sdp


def test_set_up_times_are_told() -> None:
    """Each response with the time since the INVITE: one way is 1 ms."""
    network = Network(Peer(0)).dial().run(0.5)
    network.do(lambda now: network.peer.call.provisional(180, now=now)).run(0.5)
    network.do(network.peer.answer).run(0.1)
    trying, ringing = network.of(Progressed)
    assert str(trying) == "100 Trying after 2.0 ms"
    assert str(ringing) == "180 Ringing after 501.0 ms"
    (answered,) = network.of(Answered)
    assert isinstance(answered, Answered)
    assert answered.after_s == pytest.approx(1.001)
    assert answered.agreement.codec.name == "PCMU"


def test_audio_goes_out_every_20_ms_exactly() -> None:
    """The beat is absolute: packet n leaves n times 20 ms after the first."""
    network = Network(Peer(), voice=tone_voice(440)).dial().run(10)
    times = np.array(network.rtp_times_s)
    assert len(times) == 500
    assert times - times[0] == pytest.approx(np.arange(500) * 0.02, abs=1e-6)
    assert [packet.sequence for packet in network.peer.audio[:3]] == [1, 2, 3]


def test_peer_is_heard_and_measured() -> None:
    """First packet, first sound, level and seconds are told."""
    network = Network(Peer(), talking=True, for_s=2.0).dial().run(3)
    assert network.of(RtpStarted)
    assert network.of(SoundStarted)
    figures = network.ended.figures
    assert figures.audio_s == pytest.approx(2.0, abs=0.1)
    assert figures.lost == 0
    assert figures.peak_dbfs == pytest.approx(-14.7, abs=0.3)
    assert "0 lost (0.0 %)" in str(figures)


def test_lost_packets_are_concealed_and_counted() -> None:
    """Four packets that never come are four frames of made-up audio, not a pause."""
    lost = frozenset({20, 30, 31, 40})
    network = Network(Peer(), talking=True, lost=lost, for_s=2.0).dial().run(3)
    figures = network.ended.figures
    assert figures.lost == 4
    assert figures.concealed_s == pytest.approx(0.08, abs=0.021)
    assert int(np.abs(network.heard[40]).max()) > 0


def test_phone_hangs_up_in_time() -> None:
    """--for counts from the answer; BYE goes out and the exit code is 0."""
    network = Network(Peer(), for_s=1.5).dial().run(5)
    assert network.peer.of(ByeReceived)
    ended = network.ended
    assert (ended.cause, ended.exit_code) == (EndCause.BYE_SENT, 0)
    assert ended.duration_s == pytest.approx(1.5)
    assert network.rtp_times_s[-1] <= 1001.502


def test_peer_hangs_up() -> None:
    """A BYE from the other side is answered and ends the call well."""
    network = Network(Peer()).dial().run(1)
    network.do(lambda now: network.peer.call.bye(now=now)).run(0.1)
    assert network.ended.cause is EndCause.BYE_RECEIVED
    assert network.ended.exit_code == 0
    assert network.ended.answered
    (bye,) = [e for e in network.peer.of(ResponseReceived) if isinstance(e, ResponseReceived)]
    assert bye.response.code == 200
    sent = len(network.rtp_times_s)
    network.run(1)
    assert len(network.rtp_times_s) == sent


def test_hang_up_that_nobody_answers_ends_all_the_same() -> None:
    """A peer that is gone costs 5 s, and the call's length is that of the talk."""
    network = Network(Peer()).dial().run(1)
    network.peer.receive = lambda *_: None  # type: ignore[method-assign]
    network.do(network.phone.hang_up).run(5.1)
    assert network.ended.cause is EndCause.BYE_SENT
    assert network.ended.exit_code == 0
    assert network.ended.duration_s == pytest.approx(0.998)
    assert "did not answer the hang-up" in str(network.of(Noted)[0])


@pytest.mark.parametrize(
    ("code", "line"), [(486, "486 Busy Here"), (404, "404 Not Found"), (503, "503 Service Unav")]
)
def test_refusal_is_told_with_its_code(code: int, line: str) -> None:
    """Refused is exit code 1, and the phone says what the other side said."""
    network = Network(Peer(code)).dial().run(1)
    assert str(network.ended).startswith(line)
    assert network.ended.exit_code == 1
    assert not network.ended.answered
    assert network.methods().count("ACK") == 1


def test_nobody_answers() -> None:
    """RFC 3261 timer B: after 32 s the phone gives up with exit code 3."""
    network = Network(Peer())
    network.peer.receive = lambda *_: None  # type: ignore[method-assign]
    network.dial().run(40)
    assert network.ended.cause is EndCause.TIMED_OUT
    assert network.ended.exit_code == 3
    assert network.methods().count("INVITE") == 7


def test_closed_port_is_told_at_once() -> None:
    """A destination that refuses datagrams does not cost 32 s."""
    network = Network(Peer())
    network.peer.receive = lambda *_: None  # type: ignore[method-assign]
    network.dial().run(0.01)
    flow = Flow("udp", PHONE, PEER)
    network.do(lambda now: network.phone.flow_failed(flow, "nobody listens there", now))
    assert "nobody listens there" in str(network.ended)
    assert network.ended.exit_code == 3


def test_ctrl_c_while_ringing_cancels() -> None:
    """RFC 3261 §9.1: CANCEL, 487, ACK; the other side sees the caller give up."""
    network = Network(Peer(0)).dial().run(1)
    network.do(network.phone.hang_up).run(1)
    assert network.peer.of(CancelReceived)
    assert network.ended.cause is EndCause.CANCEL_SENT
    assert [m for m in network.methods() if m != "INVITE"] == ["CANCEL", "ACK"]


def test_keys_go_out_after_the_answer_as_rfc_4733() -> None:
    """All keys in order, 100 ms each, pauses kept; none before the answer."""
    network = Network(Peer(0), keys="12,#").dial().run(1)
    assert not network.of(KeyPressed)
    network.do(network.peer.answer).run(2)
    assert network.peer.keys_heard() == [("1", 100), ("2", 100), ("#", 100)]
    pressed = [
        (round(at_s - 1001.001, 2), fact.name, fact.way)
        for fact, at_s in zip(network.facts, network.fact_times_s, strict=True)
        if isinstance(fact, KeyPressed)
    ]
    assert pressed == [(0.0, "1", "RFC 4733"), (0.16, "2", "RFC 4733"), (0.82, "#", "RFC 4733")]


def test_keys_fall_back_to_sip_info() -> None:
    """A peer without telephone-event gets `application/dtmf-relay`."""
    network = Network(Peer(keys=False), keys="5*").dial().run(1)
    infos = [e.request for e in network.peer.of(RequestReceived) if isinstance(e, RequestReceived)]
    assert [parse_info(i.content_type, i.body) for i in infos] == [(5, 100), (10, 100)]
    assert {fact.way for fact in network.of(KeyPressed) if isinstance(fact, KeyPressed)} == {
        "SIP INFO"
    }
    assert {packet.payload_type for packet in network.peer.audio} == {0}


def test_keys_pressed_during_the_call() -> None:
    """What the workbench types goes out at once, also after the first keys."""
    network = Network(Peer(), keys="1").dial().run(1)
    network.phone.keys.add(parse_keys("2D"))
    network.run(1)
    assert [name for name, _ in network.peer.keys_heard()] == ["1", "2", "D"]


def test_hold_and_resume() -> None:
    """A re-INVITE with sendonly stops our voice; the next one brings it back."""
    network = Network(Peer(), voice=tone_voice(440)).dial().run(1)
    call, offers = network.peer.call, network.peer.offer_answer
    hold = offers.make_offer(Direction.SENDONLY)
    network.do(lambda now: call.reinvite(hold, now=now)).run(0.1)
    before = len(network.rtp_times_s)
    network.run(1)
    assert len(network.rtp_times_s) == before
    (event,) = [e for e in network.peer.of(ResponseReceived) if isinstance(e, ResponseReceived)]
    agreement = offers.receive_answer(event.response.body)
    assert agreement.direction is Direction.SENDONLY
    resume = offers.make_offer(Direction.SENDRECV)
    network.do(lambda now: call.reinvite(resume, now=now)).run(1)
    assert len(network.rtp_times_s) > before + 45
    assert len(network.of(MediaChanged)) == 2


def test_reinvite_without_offer_gets_ours() -> None:
    """RFC 3261 §14.2: the 200 carries an offer, the ACK the answer."""
    network = Network(Peer()).dial().run(1)
    call, offers = network.peer.call, network.peer.offer_answer
    network.do(lambda now: call.reinvite(now=now)).run(0.1)
    (event,) = [e for e in network.peer.of(ResponseReceived) if isinstance(e, ResponseReceived)]
    answer = offers.receive_offer(event.response.body).local_sdp
    network.do(lambda now: call.ack(answer, "application/sdp", now=now)).run(0.1)
    assert len(network.of(MediaChanged)) == 1
    network.do(lambda now: call.bye(now=now)).run(0.1)
    assert network.ended.exit_code == 0


def test_unusable_reinvite_is_refused_and_the_call_goes_on() -> None:
    """RFC 3261 §14.2: a failed re-INVITE changes nothing."""
    network = Network(Peer()).dial().run(1)
    call = network.peer.call
    video = b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    video += b"m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    network.do(lambda now: call.reinvite(video, now=now)).run(0.1)
    (event,) = [e for e in network.peer.of(ResponseReceived) if isinstance(e, ResponseReceived)]
    assert event.response.code == 488
    before = len(network.rtp_times_s)
    network.run(0.2)
    assert len(network.rtp_times_s) == before + 10


@pytest.mark.parametrize(
    ("method", "code"), [("INFO", 200), ("MESSAGE", 200), ("OPTIONS", 200), ("REFER", 501)]
)
def test_requests_in_the_dialog_are_answered(method: str, code: int) -> None:
    """Nothing the other side asks is left without an answer."""
    network = Network(Peer()).dial().run(0.5)
    call = network.peer.call
    network.do(
        lambda now: call.request(method, body=b"Hello", content_type="text/plain", now=now)
    ).run(0.1)
    (event,) = [e for e in network.peer.of(ResponseReceived) if isinstance(e, ResponseReceived)]
    assert event.response.code == code
    assert method in str(network.of(Noted)[0])


def test_unusable_answer_ends_the_call() -> None:
    """A 200 whose description cannot be read: ACK, BYE, exit code 1, and a sentence."""
    network = Network(Peer(0)).dial().run(0.1)
    call = network.peer.call
    network.do(lambda now: call.accept(body=b"rubbish", content_type="application/sdp", now=now))
    network.run(1)
    assert [m for m in network.methods() if m != "INVITE"] == ["ACK", "BYE"]
    assert network.ended.exit_code == 1
    assert "cannot be used" in str(network.ended)


def test_early_media_is_heard_before_the_answer() -> None:
    """A 183 with an answer starts the audio; the 200 then changes nothing."""
    network = Network(Peer(0), talking=True).dial().run(0.1)
    call, offers = network.peer.call, network.peer.offer_answer
    body = offers.receive_offer(call.invite_request.body).local_sdp
    network.do(
        lambda now: call.provisional(183, body=body, content_type="application/sdp", now=now)
    ).run(1)
    assert network.of(SoundStarted)
    assert not network.of(Answered)
    network.do(lambda now: call.accept(body=body, content_type="application/sdp", now=now)).run(1)
    assert len(network.of(Answered)) == 1
    assert not network.of(MediaChanged)


def test_stalled_process_does_not_burst() -> None:
    """After half a second without a turn one frame goes out, not twenty-five."""
    network = Network(Peer(), voice=tone_voice(440)).dial().run(1)
    before = len(network.rtp_times_s)
    network.now += 0.5
    network.run(0.02)
    assert len(network.rtp_times_s) - before <= 2


def test_ended_is_told_once_and_last() -> None:
    """Whatever comes after the end makes no new fact."""
    network = Network(Peer(), for_s=1.0).dial().run(40)
    network.do(network.phone.hang_up).run(1)
    assert len(network.of(Ended)) == 1
    assert isinstance(network.facts[-1], Ended)


def refer_of(network: Network) -> RequestReceived:
    """The REFER the peer got; it is accepted."""
    found = [e for e in network.peer.of(RequestReceived) if isinstance(e, RequestReceived)]
    (refer,) = [event for event in found if event.request.method == "REFER"]
    return refer


def test_transfer_sends_the_other_side_on_and_hangs_up() -> None:
    """RFC 3515: REFER, progress by NOTIFY; RFC 5589 §6: BYE once the other side has arrived."""
    network = Network(Peer(200)).dial().run(0.1)
    network.do(lambda now: network.phone.transfer("sip:voicemail@127.0.0.1", now)).run(0.1)
    refer = refer_of(network)
    assert refer.request.header("refer-to") == "<sip:voicemail@127.0.0.1>"
    assert refer.request.header("referred-by") == "<sip:phone@127.0.0.1>"
    progress = ReferProgress(network.peer.call, refer.request, now=network.now)
    network.run(0.1)
    network.do(lambda now: progress.report(180, "Ringing", now=now)).run(0.1)
    network.do(lambda now: progress.report(200, "OK", now=now)).run(0.1)
    assert [str(note) for note in network.of(Noted)] == [
        "asked the other side to call sip:voicemail@127.0.0.1",
        "transfer: 100 Trying",
        "transfer: 180 Ringing",
        "transferred: 200 OK",
    ]
    assert network.ended.cause is EndCause.BYE_SENT


def test_transfer_that_fails_leaves_the_call_up() -> None:
    """Also one that the other side does not do at all."""
    network = Network(Peer(200)).dial().run(0.1)
    network.do(lambda now: network.phone.transfer("sip:nobody@127.0.0.1", now)).run(0.1)
    progress = ReferProgress(network.peer.call, refer_of(network).request, now=network.now)
    network.do(lambda now: progress.report(404, "Not Found", now=now)).run(0.1)
    assert str(network.of(Noted)[-1]) == "transfer failed: 404 Not Found; this call goes on"
    other = Network(Peer(200)).dial().run(0.1)
    other.do(lambda now: other.phone.transfer("sip:nobody@127.0.0.1", now)).run(0.1)
    refused = refer_of(other)
    other.do(lambda now: other.peer.call.respond(refused.request, 603, now=now)).run(0.1)
    assert str(other.of(Noted)[-1]) == "REFER got 603 Decline"
    assert not other.of(Ended)
    with pytest.raises(LocalProtocolError, match="not up"):
        Network(Peer(0)).dial().phone.transfer("sip:a@b", 0.0)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("voicemail", "sip:voicemail@127.0.0.1:5060"),
        ("sip:anna@192.0.2.1;transport=tcp", "sip:anna@192.0.2.1;transport=tcp"),
    ],
)
def test_transfer_to_a_name_stays_on_the_server(text: str, uri: str) -> None:
    """A name is the user of the address that was called."""
    assert refer_target(text, "sip:menu@127.0.0.1:5060;test-call=3") == uri


@pytest.mark.parametrize(("code", "challenge"), [(401, "WWW"), (407, "Proxy")])
@pytest.mark.parametrize("known", [True, False])
def test_login_where_a_password_is_asked_for(code: int, challenge: str, known: bool) -> None:
    """RFC 3261 §22: the INVITE goes out again with the answer; without a user the call is refused,
    and what is pressed and said afterwards needs no second login."""
    network = Network(Peer(0), credentials=(lambda realm: ("anna", "secret")) if known else None)
    network.dial().run(0.1)
    asks = (f"{challenge}-Authenticate", 'Digest realm="bench", nonce="1", algorithm=MD5')
    network.do(lambda now: network.peer.call.reject(code, headers=(asks,), now=now)).run(0.1)
    invites = [e for e in network.peer.of(InviteReceived) if isinstance(e, InviteReceived)]
    assert len(invites) == (2 if known else 1)
    if known:
        answer = "authorization" if code == 401 else "proxy-authorization"
        given = invites[1].request.header(answer)
        assert 'username="anna"' in given
        assert "secret" not in given
        network.do(network.peer.answer).run(0.1)
        assert network.of(Answered)
    else:
        assert network.ended.code == code
        assert network.ended.exit_code == 1
