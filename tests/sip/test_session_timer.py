"""Session timers (RFC 4028): both sides, both refreshers, 422, and the end of a silent call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ivrbench.sip.call_state import CallState
from ivrbench.sip.events import (
    CallEnded,
    EndCause,
    ReinviteReceived,
    RequestReceived,
    ResponseReceived,
)
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.settings import EndpointSettings, RefreshMethod

from .helpers import SDP, Rig, request, response

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

WISH = EndpointSettings(session_expires_s=120)
TIMER = "Supported: timer\n"
ALLOWS = ("Allow: INVITE, ACK, BYE, UPDATE",)


def called(rig: Rig, extra: str) -> tuple[InviteCall, SipResponse]:
    """A call received and accepted; gives our 200."""
    call = rig.invited(extra=extra)
    rig.sent()
    call.accept(body=SDP, content_type="application/sdp", now=rig.now)
    (ok,) = rig.sent()
    assert isinstance(ok, SipResponse)
    rig.receive(request("ACK", branch="ack", to_tag=call.dialog.local_tag))
    rig.events()
    return call, ok


def calling(rig: Rig, *extra: str) -> InviteCall:
    """A call of ours, answered with these lines."""
    call, invite = rig.calling()
    rig.receive(response(invite, 200, to_tag="peer", body=SDP, extra=extra))
    rig.events()
    return call


def sent_request(sent: list[SipRequest | SipResponse]) -> SipRequest:
    (found,) = sent
    assert isinstance(found, SipRequest)
    return found


def end_of(rig: Rig) -> EndCause:
    (end,) = [event for event in rig.events() if isinstance(event, CallEnded)]
    return end.cause


# --- agreeing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "asked", "expected", "require"),
    [
        (WISH, "", "120;refresher=uas", ""),
        (WISH, TIMER, "120;refresher=uas", ""),
        (WISH, TIMER + "Session-Expires: 600", "120;refresher=uas", ""),
        (WISH, TIMER + "x: 100;refresher=uac", "100;refresher=uac", "timer"),
        (WISH, TIMER + "Session-Expires: 600;refresher=uas", "120;refresher=uas", ""),
        (WISH, TIMER + "Session-Expires: 600\nMin-SE: 300", "300;refresher=uas", ""),
        (EndpointSettings(), TIMER + "Session-Expires: 1800", "900;refresher=uas", ""),
        (EndpointSettings(), "Session-Expires: 10", "", ""),
        (EndpointSettings(), "", "", ""),
        (EndpointSettings(), TIMER + "Session-Expires: soon", "", ""),
        (replace(WISH, supported=()), TIMER + "Session-Expires: 600", "", ""),
    ],
)
def test_what_we_answer(
    settings: EndpointSettings, asked: str, expected: str, require: str
) -> None:
    """RFC 4028 §9: the smaller interval, not under Min-SE; they refresh only if they can and say
    so.
    """
    _, ok = called(Rig(settings), asked)
    assert ok.header("session-expires") == expected
    assert ok.header("require") == require


def test_too_small_an_interval_is_refused() -> None:
    """RFC 4028 §9: 422 with Min-SE, before there is a call; not to one that knows no timers."""
    rig = Rig()
    extra = TIMER + "Session-Expires: 60"
    (refused,) = rig.receive(request("INVITE", branch="a", body=SDP, extra=extra))
    assert isinstance(refused, SipResponse)
    assert (refused.code, refused.header("min-se")) == (422, "90")
    rig.assert_empty()
    call, _ = called(rig, "")
    for method in ("INVITE", "UPDATE"):
        data = request(
            method,
            branch=method,
            cseq=5 if method == "INVITE" else 6,
            to_tag=call.dialog.local_tag,
            extra=extra,
        )
        (refused,) = rig.receive(data)
        assert isinstance(refused, SipResponse)
        assert refused.code == 422


def test_422_raises_our_interval() -> None:
    """RFC 4028 §7.3: again with what it asks for, next CSeq; not for ever."""
    rig = Rig(WISH)
    call, invite = rig.calling()
    assert invite.header("session-expires") == "120"
    assert invite.header("min-se") == "90"
    for minimum in (300, 400, 500):
        refused = response(invite, 422, extra=[f"Min-SE: {minimum}"])
        _, again = rig.receive(refused)
        assert isinstance(again, SipRequest)
        assert (again.cseq, again.header("min-se")) == (invite.cseq + 1, str(minimum))
        assert again.header("session-expires") == str(minimum)
        invite = again
    assert len(rig.receive(response(invite, 422, extra=["Min-SE: 600"]))) == 1
    assert end_of(rig) is EndCause.REFUSED
    assert call.state is CallState.DISCONNECTED


@pytest.mark.parametrize("extra", [[], ["Min-SE: x"], ["Min-SE: 9999999"]])
def test_422_that_asks_nothing_sensible(extra: list[str]) -> None:
    """It is a refusal then."""
    rig = Rig(WISH)
    _, invite = rig.calling()
    rig.receive(response(invite, 422, extra=extra))
    assert end_of(rig) is EndCause.REFUSED


# --- refreshing -------------------------------------------------------------------------------


def test_we_refresh_by_update() -> None:
    """RFC 4028 §7.2, §10: at half the interval, again after each 2xx, roles kept."""
    rig = Rig(WISH)
    call = calling(rig, "Session-Expires: 100;refresher=uac", *ALLOWS)
    for _ in range(3):
        update = sent_request(rig.pass_time(50.1))
        assert (update.method, update.body) == ("UPDATE", b"")
        assert update.header("session-expires") == "100;refresher=uac"
        ok = response(update, 200, extra=["Session-Expires: 100;refresher=uac"])
        rig.receive(ok)
        assert rig.event(ResponseReceived).response.code == 200
    assert call.state is CallState.CONNECTED


def test_we_refresh_by_reinvite_where_update_is_unknown() -> None:
    """UPDATE_FALLBACK_INVITE without UPDATE in Allow: our last description again, ACK by itself."""
    rig = Rig(WISH)
    calling(rig, "Session-Expires: 100;refresher=uac", "Allow: INVITE, ACK, BYE")
    invite = sent_request(rig.pass_time(50.1))
    assert (invite.method, invite.body) == ("INVITE", SDP)
    answer = response(invite, 200, body=SDP, extra=["Session-Expires: 100;refresher=uac"])
    ack = sent_request(rig.receive(answer))
    assert ack.method == "ACK"


@pytest.mark.parametrize("code", [405, 501])
def test_refused_update_falls_back_to_reinvite(code: int) -> None:
    """One that lists UPDATE and then refuses it gets a re-INVITE at once."""
    rig = Rig(WISH)
    calling(rig, "Session-Expires: 100;refresher=uac", *ALLOWS)
    update = sent_request(rig.pass_time(50.1))
    invite = sent_request(rig.receive(response(update, code)))
    assert invite.method == "INVITE"


@pytest.mark.parametrize(("accept", "alive"), [(True, True), (False, False)])
def test_accept_501_reply(accept: bool, alive: bool) -> None:
    """`accept_501_reply`: the 501 shows that somebody is there; or it does not count."""
    only_update = replace(
        WISH, session_refresh_method=RefreshMethod.UPDATE, accept_501_reply=accept
    )
    rig = Rig(only_update)
    call = calling(rig, "Session-Expires: 100;refresher=uac")
    update = sent_request(rig.pass_time(50.1))
    rig.receive(response(update, 501))
    rig.pass_time(40)
    assert (call.state is CallState.CONNECTED) is alive


def test_refresh_method_invite() -> None:
    """`session_refresh_method` INVITE: even where UPDATE would do."""
    rig = Rig(replace(WISH, session_refresh_method=RefreshMethod.INVITE))
    calling(rig, "Session-Expires: 100;refresher=uac", *ALLOWS)
    assert sent_request(rig.pass_time(50.1)).method == "INVITE"


def test_refresh_that_meets_something_is_tried_again() -> None:
    """Not while an INVITE is pending, and again 2 s after 491 or 500."""
    rig = Rig(WISH)
    call, _ = called(rig, TIMER + "Session-Expires: 100;refresher=uas\nAllow: UPDATE")
    rig.pass_time(49)
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag))
    event = rig.event(ReinviteReceived)
    assert rig.pass_time(5) == []
    call.respond(event.request, 488, now=rig.now)
    sent = rig.pass_time(2.1)
    update = next(each for each in sent if isinstance(each, SipRequest))
    rig.receive(request("ACK", branch="re", cseq=2, to_tag=call.dialog.local_tag))
    assert update.method == "UPDATE"
    rig.receive(response(update, 500))
    again = sent_request(rig.pass_time(2.1))
    assert again.cseq == update.cseq + 1
    sent = rig.receive(response(again, 422, extra=["Min-SE: 200"]))
    assert sent_request(sent).header("session-expires") == "200;refresher=uac"


def test_peer_without_timers_is_refreshed_by_us() -> None:
    """RFC 4028 §7.2: a 2xx without Session-Expires: we may refresh alone."""
    rig = Rig(WISH)
    calling(rig, *ALLOWS)
    assert sent_request(rig.pass_time(60.1)).method == "UPDATE"
    rig = Rig()
    call = calling(rig, *ALLOWS)
    assert rig.pass_time(100_000) == [], "nobody asked for a timer"
    assert call.state is CallState.CONNECTED


# --- expiry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval", "last"), [(90, 60), (300, 268)])
def test_silent_refresher_is_hung_up(interval: int, last: int) -> None:
    """RFC 4028 §10: BYE a third, at most 32 s, before the interval is over."""
    rig = Rig()
    call, _ = called(rig, TIMER + f"Session-Expires: {interval};refresher=uac")
    assert rig.pass_time(last - 0.1) == []
    bye = sent_request(rig.pass_time(0.2))
    assert bye.method == "BYE"
    rig.receive(response(bye, 200))
    assert end_of(rig) is EndCause.SESSION_EXPIRED
    assert call.state is CallState.DISCONNECTED
    rig.pass_time(40)
    rig.assert_empty()


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_their_refresh_keeps_the_call(method: str) -> None:
    """Each refresh of theirs starts the interval anew; one without Session-Expires ends it."""
    rig = Rig()
    extra = TIMER + "Session-Expires: 90;refresher=uac"
    call, _ = called(rig, extra)
    tag = call.dialog.local_tag
    for cseq in (2, 3):
        rig.pass_time(50)
        rig.receive(
            request(method, branch=f"r{cseq}", cseq=cseq, to_tag=tag, extra=extra, body=SDP)
        )
        (event,) = rig.events()
        assert isinstance(event, RequestReceived | ReinviteReceived)
        call.respond(event.request, 200, body=SDP, content_type="application/sdp", now=rig.now)
        (ok,) = rig.sent()
        assert ok.header("session-expires") == "90;refresher=uac"
        if method == "INVITE":
            rig.receive(request("ACK", branch=f"a{cseq}", cseq=cseq, to_tag=tag))
            rig.events()
    assert call.requests.session.interval_s == 90
    rig.receive(request(method, branch="off", cseq=4, to_tag=tag, body=SDP))
    (event,) = rig.events()
    assert isinstance(event, RequestReceived | ReinviteReceived)
    call.respond(event.request, 200, body=SDP, content_type="application/sdp", now=rig.now)
    assert call.requests.session.interval_s == 0


def test_refresh_nobody_answers_ends_the_call() -> None:
    """RFC 4028 §10: our own refresh goes unanswered: BYE before the interval is over."""
    rig = Rig(WISH)
    calling(rig, "Session-Expires: 100;refresher=uac", *ALLOWS)
    sent = rig.pass_time(50 + 33)
    assert "BYE" in [each.method for each in sent if isinstance(each, SipRequest)]


def test_hostile_intervals() -> None:
    """A second, or a thousand years, cost no more than others."""
    rig = Rig()
    call = calling(rig, "Session-Expires: 1;refresher=uas")
    rig.pass_time(1)
    assert call.state is CallState.DISCONNECTING
    rig = Rig()
    call = calling(rig, "Session-Expires: 9999999999;refresher=uas")
    assert call.requests.session.interval_s == 86_400


def test_without_the_extension() -> None:
    """Not supported: neither asked for nor taken, whatever the answer says."""
    rig = Rig(replace(WISH, supported=()))
    call, invite = rig.calling()
    assert not invite.has("session-expires")
    extra = ["Session-Expires: 90;refresher=uac"]
    rig.receive(response(invite, 200, to_tag="peer", body=SDP, extra=extra))
    assert rig.pass_time(1000) == []
    assert call.state is CallState.CONNECTED
