"""The phone at a registrar, in virtual time: our own registrar is the other side."""

from __future__ import annotations

import pytest

from ivrbench.errors import RemoteProtocolError
from ivrbench.phone.callee import Callee
from ivrbench.phone.facts import Ended, Fact, Noted, Rang
from ivrbench.phone.rtp_stream import RtpStream, StreamIdentity
from ivrbench.phone.settings import CallSettings
from ivrbench.phone.voice import silent_voice
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sip.auth_server import DigestServer
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import RequestReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.registrar import Registrar
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import CountingTokens

from .peer import PEER, PHONE, PHONE_RTP

TO_REGISTRAR, TO_PHONE = Flow("udp", PHONE, PEER), Flow("udp", PEER, PHONE)
URI = "sip:anna@127.0.0.1:5060"


class Place:
    """A waiting phone and a registrar; messages take no time.

    Args:
        password: what the phone believes; anna's is "secret".
        deaf: the registrar says nothing.
    """

    def __init__(self, password: str = "secret", *, deaf: bool = False) -> None:
        self.now = 100.0
        self.deaf = deaf
        tokens = CountingTokens("registrar")
        authority = DigestServer("r", {"anna": "secret"}.get, b"k" * 16, tokens)
        methods = ("INVITE", "ACK", "BYE", "REGISTER")
        settings = EndpointSettings(allowed_methods=methods)
        self.endpoint = Endpoint(settings, tokens=tokens, authority=authority)
        self.registrar = Registrar(symmetric=False)
        stream = RtpStream(silent_voice(), identity=StreamIdentity(1, 1, 0, "phone"))
        settings_of_call = CallSettings(LocalMedia(*PHONE_RTP, 1))
        self.phone = Callee(settings_of_call, stream, "ring", tokens=CountingTokens("phone"))
        self.facts: list[Fact] = []
        login = ("anna", password)
        self.phone.register(URI, TO_REGISTRAR, lambda realm: login, self.now)
        self.pump()

    def pump(self) -> None:
        moved = True
        while moved:
            out = [(self.endpoint, data) for data, _ in self.phone.sip_to_send()]
            back = [data for data, _ in self.endpoint.to_send()]
            moved = bool(out or back)
            for endpoint, data in out:
                if not self.deaf:
                    endpoint.receive(data, TO_PHONE, self.now)
            for data in back:
                self.phone.receive_sip(data, TO_REGISTRAR, self.now)
            while (event := self.endpoint.next_event()) is not None:
                if isinstance(event, RequestReceived) and event.request.method == "REGISTER":
                    code, headers = self.registrar.answer(event.request, TO_PHONE, self.now)
                    self.endpoint.respond(event.request, code, "", headers, now=self.now)
                    moved = True
        while (fact := self.phone.next_fact()) is not None:
            self.facts.append(fact)

    def run(self, seconds: float) -> None:
        end_s = self.now + seconds
        self.pump()
        while (at_s := self.phone.deadline()) is not None and at_s <= end_s:
            self.now = max(self.now, at_s)
            self.phone.on_deadline(self.now)
            self.pump()
        self.now = end_s

    @property
    def bound(self) -> bool:
        return bool(self.registrar.phones("anna", self.now))

    def notes(self) -> list[str]:
        return [str(fact) for fact in self.facts if isinstance(fact, Noted)]


def test_stays_registered_and_leaves() -> None:
    """Said once, renewed before it expires, taken back when the phone waits no more."""
    place = Place()
    assert place.notes() == ["registered as sip:anna@127.0.0.1"]
    place.run(1000.0)
    assert place.bound
    assert place.notes() == ["registered as sip:anna@127.0.0.1"]
    place.phone.hang_up(place.now)
    place.run(0.1)
    assert not place.bound
    assert isinstance(place.facts[-1], Ended)


def test_gone_registrar_does_not_hold_it() -> None:
    """A phone that waits no more ends, whether its goodbye is answered or not."""
    place = Place()
    place.deaf = True
    place.phone.hang_up(place.now)
    place.run(1.0)
    assert not isinstance(place.facts[-1], Ended)
    place.run(2.0)
    assert isinstance(place.facts[-1], Ended)


@pytest.mark.parametrize(
    ("password", "deaf", "why"),
    [("wrong", False, "401 Unauthorized"), ("secret", True, "no answer")],
)
def test_not_registered(password: str, deaf: bool, why: str) -> None:
    """It says why, and ends at once when told to."""
    place = Place(password, deaf=deaf)
    place.run(33.0)
    assert place.notes() == [f"not registered as sip:anna@127.0.0.1: {why}"]
    place.phone.hang_up(place.now)
    place.run(0.0)
    assert isinstance(place.facts[-1], Ended)


def test_a_call_that_comes_takes_the_binding_back() -> None:
    """The phone is busy: further calls are for the phone that takes its place."""
    place = Place()
    there = "sip:anna@127.0.0.1:6000"
    place.endpoint.invite(there, TO_PHONE, "<sip:b@b>", "<sip:a@a>", now=place.now)
    place.run(0.1)
    assert [fact.called for fact in place.facts if isinstance(fact, Rang)] == ["sip:a@a"]
    assert not place.bound
    place.run(300.0)
    assert not place.bound
    assert not any(isinstance(fact, Ended) for fact in place.facts)


def test_address_that_cannot_be_read() -> None:
    """It is refused before anything is sent."""
    place = Place()
    with pytest.raises(RemoteProtocolError):
        place.phone.register("anna", TO_REGISTRAR, lambda realm: None, place.now)
