"""Stand-ins for the engine, as scripts see it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ivrbench.audio.files import wav_header
from ivrbench.scriptapi.ivr import HungUp
from ivrbench.scriptapi.uac import Dialout

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import IvrAudioFile
    from ivrbench.scriptapi.port import Parties
    from ivrbench.scriptapi.uac import DialRequest


@dataclass
class FakeRequest:
    """A `RequestView` of an ordinary INVITE."""

    method: str = "INVITE"
    user: str = "hello"
    domain: str = "127.0.0.1"
    r_uri: str = "sip:hello@127.0.0.1"
    from_uri: str = "sip:alice@192.0.2.1:5070"
    from_header: str = '"Alice" <sip:alice@example.org>;tag=a1'
    to_header: str = "<sip:hello@127.0.0.1>"
    callid: str = "call-1"
    from_tag: str = "a1"
    to_tag: str = ""
    route: str = ""
    body: str = "v=0\r\n"
    hdrs: str = "P-App-Param: a=1;b=2\r\n"
    cseq: int = 7


@dataclass
class FakeReply:
    """A `ReplyView`."""

    code: int = 200
    reason: str = "OK"
    contact: str = "sip:bob@192.0.2.2"
    route: str = "<sip:p1;lr>,<sip:p2;lr>"
    hdrs: str = "X-A: 1\r\n"
    from_tag: str = "ours"
    to_tag: str = "theirs"
    body: str = ""
    cseq: int = 10


@dataclass
class FakeDialog:
    """A `DialogView`."""

    user: str = "hello"
    domain: str = "127.0.0.1"
    local_uri: str = "sip:hello@127.0.0.1"
    remote_uri: str = "sip:alice@192.0.2.1"
    callid: str = "call-1"
    remote_tag: str = "a1"
    local_tag: str = "l1"
    remote_party: str = '"Alice" <sip:alice@example.org>'
    local_party: str = "<sip:hello@127.0.0.1>"
    route: str = ""
    outbound_proxy: str = ""
    cseq: int = 10
    status: int = 5

    def set_remote_uri(self, uri: str) -> None:
        self.remote_uri = uri


@dataclass
class FakeWaits:
    """A `WaitPort` on which time does not pass: prompts end at once, keys are those of the port."""

    port: FakePort

    async def played(
        self, files: Callable[[], list[IvrAudioFile]], stop_on: str, *, keep_key: bool
    ) -> str:
        for file in files():
            self.port.calls.append(("enqueue", file, None))
        key = self.port.keys[:1]
        if not key or key not in stop_on:
            return ""
        return key if keep_key else await self.key(0)

    async def recorded(
        self, file: Callable[[], IvrAudioFile], stop_on: str, silence_ms: int, *, closes: bool
    ) -> int:
        made = file()
        self.port.calls.append(("enqueue", None, made))
        pcm = bytes(self.port.recorded_ms * 16)
        os.pwrite(made.opened().fd, wav_header(len(pcm)) + pcm, 0)
        if closes:
            made.close()
        if self.port.keys == "!":
            raise HungUp("the call is over")
        return self.port.recorded_ms

    async def key(self, timeout_s: float) -> str:
        key, self.port.keys = self.port.keys[:1], self.port.keys[1:]
        if key == "!":
            raise HungUp("the call is over")
        return key if key != " " else ""


@dataclass
class FakePort:
    """A `CallPort` that writes down what the script asked for."""

    dialog: FakeDialog = field(default_factory=FakeDialog)
    invite_req: FakeRequest = field(default_factory=FakeRequest)
    log_name: str = "c1"
    calls: list[tuple[object, ...]] = field(default_factory=list)
    empty: bool = True
    keys: str = ""
    """What the caller will press: " " for a pause, "!" to hang up."""
    recorded_ms: int = 0
    params: dict[str, str] = field(default_factory=lambda: {"a": "1"})

    def stop_session(self) -> None:
        self.calls.append(("stop_session",))

    def bye(self, hdrs: str) -> None:
        self.calls.append(("bye", hdrs))

    def drop_session(self) -> None:
        self.calls.append(("drop_session",))

    def send_request(self, method: str, hdrs: str, body: str, content_type: str) -> None:
        more = (body, content_type) if body else ()
        self.calls.append(("send_request", method, hdrs, *more))

    def redirect(self, uri: str) -> None:
        self.calls.append(("redirect", uri))

    def transfer(self, to: str) -> None:
        self.calls.append(("transfer", to))

    def refer_progress(self, code: int, reason: str) -> None:
        self.calls.append(("refer_progress", code, reason))

    def refer(self, refer_to: str, expires: int, referred_by: str, extra_hdrs: str) -> None:
        self.calls.append(("refer", refer_to, expires, referred_by, extra_hdrs))

    def send_reply(self, code: int, reason: str, hdrs: str) -> None:
        self.calls.append(("send_reply", code, reason, hdrs))

    def reply_to_invite(self, code: int, reason: str, hdrs: str) -> None:
        self.calls.append(("reply_to_invite", code, reason, hdrs))

    def send_keys(self, keys: tuple[int, ...], length_ms: int) -> None:
        self.calls.append(("send_keys", keys, length_ms))

    def connect_callee(self, parties: Parties | None) -> None:
        self.calls.append(("connect_callee", parties))

    def terminate_other_leg(self) -> None:
        self.calls.append(("terminate_other_leg",))

    def terminate_leg(self) -> None:
        self.calls.append(("terminate_leg",))

    def set_relay_only(self, *, on: bool) -> None:
        self.calls.append(("set_relay_only", on))

    def connect_audio(self, *, on: bool) -> None:
        self.calls.append(("connect_audio", on))

    @property
    def waits(self) -> FakeWaits:
        return FakeWaits(self)

    def enqueue(self, play: object | None, record: object | None) -> None:
        self.calls.append(("enqueue", play, record))
        self.empty = False

    def record_call(self, file: IvrAudioFile) -> None:
        self.calls.append(("record_call", file))

    def watch_silence(self, limit_ms: int) -> None:
        self.calls.append(("watch_silence", limit_ms))

    def queue_is_empty(self) -> bool:
        return self.empty

    def flush(self) -> None:
        self.calls.append(("flush",))
        self.empty = True

    def set_switch(self, name: str, on: bool) -> None:
        self.calls.append(("set_switch", name, on))

    def set_timer(self, timer_id: int, seconds: float) -> None:
        self.calls.append(("set_timer", timer_id, seconds))

    def remove_timer(self, timer_id: int) -> None:
        self.calls.append(("remove_timer", timer_id))

    def remove_timers(self) -> None:
        self.calls.append(("remove_timers",))

    def app_param(self, name: str) -> str:
        return self.params.get(name, "")

    def session_params(self) -> list[str] | dict[str, str] | None:
        return None


@dataclass
class FakeHost:
    """A `HostPort`."""

    local_sip_ip: str = "127.0.0.1"
    local_sip_port: int = 5060
    log_level: int = 2
    lines: list[tuple[int, str]] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    dialled: list[DialRequest] = field(default_factory=list)

    def dial_out(self, request: DialRequest) -> Dialout:
        self.dialled.append(request)
        return Dialout(request.local_tag or "tag-1")

    def log(self, level: int, text: str) -> None:
        self.lines.append((level, text))

    def send_message(self, local_tag: str, message: str) -> None:
        self.messages.append((local_tag, message))

    def monitor(self, callid: str, name: str, value: str, *, added: bool) -> None:
        self.messages.append((callid, f"{name}{' + ' if added else ' = '}{value}"))

    def monitor_finish(self, callid: str) -> None:
        self.messages.append((callid, "finished"))


class FakeControl:
    """A `PlaybackControl`."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def set_loop(self, loop: bool) -> None:
        self.calls.append(("set_loop", loop))

    def seek(self, back_ms: int | None) -> None:
        self.calls.append(("seek", back_ms))

    def write_out(self) -> None:
        self.calls.append(("write_out",))

    def set_paused(self, paused: bool) -> None:
        self.calls.append(("set_paused", paused))

    def finish(self) -> None:
        self.calls.append(("finish",))
