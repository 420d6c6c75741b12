"""One call by pjsua2, in a process of its own: `python pjsua_call.py ORDER`, ORDER being JSON.

Plays a WAV, records what it hears and presses keys; exits with 0 if the call came up. The library
wants to be driven by one thread and ends the process where it is unhappy.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pjsua2 as pj

IP = "127.0.0.1"
START_S = 100.0
BEFORE_KEYS_S = 0.5
LAST_WORDS_S = 0.5

Order = dict[str, Any]


class Call(pj.Call):  # type: ignore[misc]  # the library has no types
    """The call; its audio comes from and goes to files."""

    def __init__(self, account: Any, order: Order) -> None:
        super().__init__(account)
        self.state = ""
        self.player, self.recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
        self.player.createPlayer(order["says"])
        self.recorder.createRecorder(order["heard"])

    def onCallState(self, _: Any) -> None:
        """A new state."""
        self.state = self.getInfo().stateText

    def onCallMediaState(self, _: Any) -> None:
        """The audio is there."""
        info = self.getInfo()  # its parts live no longer than it does
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.player.startTransmit(audio)
                audio.startTransmit(self.recorder)


def run(endpoint: Any, seconds: float) -> None:
    """Let the library work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        endpoint.libHandleEvents(10)


def open_endpoint(order: Order) -> Any:
    """The library with one transport, no sound card and one codec."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 2
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.clockRate = order["rate_hz"]
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress, transport.publicAddress = 0, IP, IP
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    for codec in endpoint.codecEnum2():
        wanted = codec.codecId.startswith(order["codec"] + "/")
        endpoint.codecSetPriority(codec.codecId, 255 if wanted else 0)
    return endpoint


def open_account(order: Order) -> Any:
    """Who calls."""
    config = pj.AccountConfig()
    config.idUri = f"sip:pjsua@{IP}"
    media = config.mediaConfig
    media.transportConfig.boundAddress = media.transportConfig.publicAddress = IP
    media.srtpUse, media.srtpSecureSignaling = order["srtp"], 0
    account = pj.Account()
    account.create(config)
    return account


def main(order: Order) -> int:
    """Make the call; 0 if it came up."""
    endpoint = open_endpoint(order)
    account = open_account(order)
    call = Call(account, order)
    call.makeCall(order["uri"], pj.CallOpParam(True))
    give_up = time.monotonic() + START_S
    while call.state not in ("CONFIRMED", "DISCONNCTD") and time.monotonic() < give_up:
        run(endpoint, 0.02)
    is_up = call.state == "CONFIRMED"
    if is_up:
        run(endpoint, BEFORE_KEYS_S)
        call.dialDtmf(order["keys"])
        run(endpoint, order["seconds"] - BEFORE_KEYS_S)
        call.hangup(pj.CallOpParam())
        run(endpoint, LAST_WORDS_S)
    del call  # before the library goes
    endpoint.libDestroy()
    return 0 if is_up else 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
