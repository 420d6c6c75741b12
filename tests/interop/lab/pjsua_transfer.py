"""Attended transfers by pjsua2, in a process of its own: `python pjsua_transfer.py MODE URI PORT`.

Ann and Bob share one library and one port. MODE "follow": Ann calls URI and does what she is
asked to; "ask": she also calls Bob, and then sends URI to him in her place. Whatever replaces a
call is done by the library (RFC 3891). Exits with 0 once Bob talks with whom he was to talk with.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pjsua2 as pj

IP = "127.0.0.1"
WITHIN_S = 100.0
TALK_S = 0.5

calls: list[Any] = []
"""Held, as the library ends a call that nobody holds."""
replaced: list[str] = []


class Call(pj.Call):  # type: ignore[misc]  # the library has no types
    """One call; silent."""

    state = ""

    def onCallState(self, _: Any) -> None:
        """A new state."""
        self.state = self.getInfo().stateText

    def onCallReplaceRequest(self, _: Any) -> None:
        """Somebody takes the other side's place."""
        replaced.append(self.getInfo().remoteUri)


class Account(pj.Account):  # type: ignore[misc]
    """Who answers every call."""

    def onIncomingCall(self, told: Any) -> None:
        """Answer it."""
        call = Call(self, told.callId)
        calls.append(call)
        answer = pj.CallOpParam()
        answer.statusCode = 200
        call.answer(answer)


def run(endpoint: Any, seconds: float) -> None:
    """Let the library work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        endpoint.libHandleEvents(10)


def until(endpoint: Any, condition: Any) -> bool:
    """Let it work until something is true; False if that takes too long."""
    end = time.monotonic() + WITHIN_S
    while not condition() and time.monotonic() < end:
        run(endpoint, 0.02)
    return bool(condition())


def open_endpoint(port: int) -> Any:
    """The library with one transport and no sound card."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 2
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress, transport.publicAddress = port, IP, IP
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    return endpoint


def open_account(user: str, port: int) -> Account:
    """One of the two."""
    config = pj.AccountConfig()
    config.idUri = f"sip:{user}@{IP}:{port}"
    media = config.mediaConfig.transportConfig
    media.boundAddress = media.publicAddress = IP
    account = Account()
    account.create(config)
    return account


def dial(account: Account, uri: str) -> Call:
    """Call somebody."""
    call = Call(account)
    calls.append(call)
    call.makeCall(uri, pj.CallOpParam(True))
    return call


def main(mode: str, uri: str, port: int) -> int:
    """Do it; 0 if Bob's call was replaced and Ann's with URI is over."""
    endpoint = open_endpoint(port)
    accounts = [open_account(user, port) for user in ("bob", "ann")]
    ann = accounts[1]
    with_script = dial(ann, uri)
    done = until(endpoint, lambda: with_script.state == "CONFIRMED")
    if done and mode == "ask":
        with_bob = dial(ann, f"sip:bob@{IP}:{port}")
        done = until(endpoint, lambda: with_bob.state == "CONFIRMED")
        run(endpoint, TALK_S)
        with_script.xferReplaces(with_bob, pj.CallOpParam())
    done = done and until(endpoint, lambda: replaced)
    if done and mode == "ask":
        run(endpoint, TALK_S)
        with_script.hangup(pj.CallOpParam())
    done = done and until(endpoint, lambda: with_script.state.startswith("DISCONN"))
    sys.stdout.write(f"{[(call.state, call.getId()) for call in calls]} {replaced}\n")
    endpoint.hangupAllCalls()
    run(endpoint, TALK_S)
    return 0 if done else 1


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(code)  # the library aborts where a call of its own making is forgotten
