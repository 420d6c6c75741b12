"""A call of pjsua2, in a process of its own: plays a WAV, presses keys, records what it hears.

python pjphone.py URI SAYS.wav HEARD.wav PORT KEYS SECONDS

Once the call is up it waits for a line on its standard input, and then presses its keys.
"""

from __future__ import annotations

import select
import sys
import time

import pjsua2 as pj

IP = "127.0.0.1"
START_S = 100.0


class Call(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    """One call, its audio joined with the files."""

    def __init__(self, account: pj.Account, says: str, heard: str) -> None:
        super().__init__(account)
        self.state = ""
        self._player = pj.AudioMediaPlayer()
        self._player.createPlayer(says)
        self._recorder = pj.AudioMediaRecorder()
        self._recorder.createRecorder(heard)

    def onCallState(self, prm: object) -> None:
        """The signalling moved on."""
        self.state = self.getInfo().stateText

    def onCallMediaState(self, prm: object) -> None:
        """Audio flows, or flows elsewhere."""
        info = self.getInfo()  # held: the list is gone with it
        for number, media in enumerate(info.media):
            active = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
            if media.type == pj.PJMEDIA_TYPE_AUDIO and active:
                audio = self.getAudioMedia(number)
                self._player.startTransmit(audio)
                audio.startTransmit(self._recorder)


def start(port: int) -> pj.Endpoint:
    """An endpoint without threads and without a sound card."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 2
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port = port
    transport.boundAddress = transport.publicAddress = IP
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    return endpoint


def log_in(port: int) -> pj.Account:
    """Who we are; no registrar."""
    config = pj.AccountConfig()
    config.idUri = f"sip:pj@{IP}:{port}"
    media = config.mediaConfig.transportConfig
    media.boundAddress = media.publicAddress = IP
    media.port = port + 1000 & ~1
    account = pj.Account()
    account.create(config)
    return account


def main(endpoint: pj.Endpoint) -> int:
    """Call, press keys, hang up; 0 if the call was up."""
    uri, says, heard, port, keys, seconds = sys.argv[1:]
    account = log_in(int(port))
    call = Call(account, says, heard)

    def run(for_s: float, until: tuple[str, ...] = ()) -> None:
        end_s = time.monotonic() + for_s
        while time.monotonic() < end_s and call.state not in until:
            endpoint.libHandleEvents(10)

    call.makeCall(uri, pj.CallOpParam(True))
    run(START_S, ("CONFIRMED", "DISCONNCTD"))
    was_up = call.state == "CONFIRMED"
    if was_up:
        while not select.select([sys.stdin], [], [], 0.0)[0]:
            endpoint.libHandleEvents(10)
        if keys != "-":
            call.dialDtmf(keys)
        run(float(seconds))
        call.hangup(pj.CallOpParam())
        run(1.0, ("DISCONNCTD",))
    return 0 if was_up else 1


if __name__ == "__main__":
    started = start(int(sys.argv[4]))
    code = main(started)
    # Calls and files are gone by now, as the library wants it.
    started.libDestroy()
    sys.exit(code)
