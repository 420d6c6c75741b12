"""ScriptPort: a call as its script sees it; safe to use from any thread, for ever."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.media.messages import SetSwitches
from ivrbench.observe.events import ApiCalled
from ivrbench.scriptapi.additions import KEYS
from ivrbench.scriptapi.headers import app_params
from ivrbench.scriptapi.ivr import semserror
from ivrbench.sip.refer import refer_headers

from .headers import header_pairs
from .scripts.line import script_line
from .transfers import Transfers
from .waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import IvrAudioFile
    from ivrbench.scriptapi.port import DialogView, Parties, RequestView
    from ivrbench.sip.message import SipRequest

    from .leg import Headers, Leg
    from .session import Session

__all__ = ["ScriptPort"]

log = logging.getLogger("ivrbench.call")

SWITCH_NAMES: Final = {
    ("attached", True): "connectMedia",
    ("attached", False): "disconnectMedia",
    ("muted", True): "mute",
    ("muted", False): "unmute",
    ("receiving", True): "enableReceiving",
    ("receiving", False): "disableReceiving",
    ("keys_while_deaf", True): "enableDTMFReceiving",
    ("keys_while_deaf", False): "disableDTMFReceiving",
    ("detect_keys", True): "enableDTMFDetection",
    ("detect_keys", False): "disableDTMFDetection",
}


_REPLY_NAMES: Final = {180: "ring", 183: "early_media", 200: "answer"}


class ScriptPort:
    """`CallPort` of one session.

    What a script asks for is posted to the loop in the order it asked; only `send_reply` waits,
    because it may have to raise.

    Args:
        session: the session; its `over` flag makes everything here do nothing.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._post = session.board.inbox.post
        self._params: dict[str, str] | None = None
        self.switches = SetSwitches(0)
        self._keys_to_press: list[tuple[tuple[int, ...], int]] = []
        """By `send_dtmf` before there was audio."""
        self.waits = Waits(session)
        self.transfers = Transfers(session)

    @property
    def dialog(self) -> DialogView:
        """The SIP dialog, live."""
        return self._session.leg.dialog

    @property
    def invite_req(self) -> RequestView:
        """The stored INVITE."""
        return self._session.leg.invite_req

    @property
    def log_name(self) -> str:
        """The leg's name."""
        return self._session.leg.name

    def stop_session(self) -> None:
        """Hang up after the running handler."""
        where = self._called("stopSession", "")
        self._do(where, lambda: self._session.stop("script", "stopSession()"))

    def bye(self, hdrs: str) -> None:
        """BYE, CANCEL or 487 now."""
        where = self._called("bye", repr(hdrs) if hdrs else "")

        def bye() -> None:
            self._session.ended_by = self._session.ended_by or "script"
            self._try(lambda: self._session.leg.bye(header_pairs(hdrs)), "bye")

        self._do(where, bye)

    def drop_session(self) -> None:
        """End without a message."""
        self._do(self._called("dropSession", ""), self._session.drop)

    def send_request(self, method: str, hdrs: str, body: str, content_type: str) -> None:
        """A request within the dialog; what cannot be sent is logged."""
        given = f"{method!r}, {hdrs!r}" + (f", {body!r}" if body else "")
        headers, data = header_pairs(hdrs), body.encode("utf-8", "surrogateescape")
        leg = self._session.leg

        def send() -> None:
            leg.send_request(method, headers, data, content_type)

        self._do(self._called("sendRequest", given), lambda: self._try(send, method))

    def redirect(self, uri: str) -> None:
        """Send the caller elsewhere."""
        where = self._called("redirect", repr(uri))
        self._do(where, lambda: self._try(lambda: self.transfers.redirect(uri), "redirect"))

    def transfer(self, to: str) -> None:
        """Connect the peer with somebody else."""
        self._do(self._called("transfer", repr(to)), lambda: self.transfers.transfer(to))

    def refer_progress(self, code: int, reason: str) -> None:
        """Tell who asked for a call how it goes."""
        where = self._called("refer_progress", f"{code}, {reason!r}")
        self._do(where, lambda: self._try(lambda: self.transfers.report(code, reason), "NOTIFY"))

    def refer(self, refer_to: str, expires: int, referred_by: str, extra_hdrs: str) -> None:
        """Transfer the caller; how it goes comes as replies and NOTIFY requests."""
        where = self._called("refer", repr(refer_to))
        lasts = (("Expires", str(expires)),) if expires >= 0 else ()
        to, *by = refer_headers(refer_to, referred_by)
        headers = (to, *lasts, *header_pairs(extra_hdrs), *by)
        leg = self._session.leg
        self._do(where, lambda: self._try(lambda: leg.refer(headers), "REFER"))

    def send_reply(self, code: int, reason: str, hdrs: str) -> None:
        """Answer the last request."""
        if self._session.over:
            return
        where = self._called("sendReply", f"{code}, {reason!r}, {hdrs!r}")
        self._do(where, _nothing)
        board = self._session.board
        problem = board.inbox.ask(self._send_reply, code, reason, header_pairs(hdrs))
        if problem is not None:
            raise semserror({"code": problem.status_hint, "reason": str(problem), "hdrs": ""})

    def reply_to_invite(self, code: int, reason: str, hdrs: str) -> None:
        """Answer the INVITE that waits for it."""
        if self._session.over:
            return
        self._do(self._called(_REPLY_NAMES.get(code, "reject"), f"{code} {reason}"), _nothing)
        board = self._session.board
        problem = board.inbox.ask(self._reply_to_invite, code, reason, header_pairs(hdrs))
        if problem is not None:
            raise semserror({"code": problem.status_hint, "reason": str(problem), "hdrs": ""})

    def connect_callee(self, parties: Parties | None) -> None:
        """Call a second party."""
        where = self._called("connectCallee", repr(parties.uri) if parties else "None")
        self._do(where, lambda: self._session.b2b.connect(parties))

    def terminate_other_leg(self) -> None:
        """Hang up the second party."""
        where = self._called("terminateOtherLeg", "")
        self._do(where, lambda: self._session.b2b.let_go("script", "terminateOtherLeg()"))

    def terminate_leg(self) -> None:
        """Hang up the caller now, and end the session."""
        self._do(self._called("terminateLeg", ""), self._session.terminate_leg)

    def set_relay_only(self, *, on: bool) -> None:
        """Requests of one party go to the other, or are processed here."""
        where = self._called("setRelayonly" if on else "setNoRelayonly", "")
        self._do(where, lambda: setattr(self._session.b2b, "relaying", on))

    def connect_audio(self, *, on: bool) -> None:
        """The caller hears the playlist, or the second party again."""
        where = self._called("connectAudio" if on else "disconnectAudio", "")
        self._do(where, lambda: self._session.b2b.connect_audio(on=on))

    def send_keys(self, keys: tuple[int, ...], length_ms: int) -> None:
        """Press keys towards the caller."""
        names = "".join(KEYS[key] for key in keys)
        self._do(
            self._called("send_dtmf", f"{names!r}, {length_ms}"),
            lambda: self._press(keys, length_ms),
        )

    def enqueue(self, play: object | None, record: object | None) -> None:
        """Append to the playlist; prompts are read here, in the script's thread."""
        if not self._session.over:
            self._session.playlist.enqueue(play, record)

    def record_call(self, file: IvrAudioFile) -> None:
        """Record the whole call."""
        name = file.opened().name
        where = self._called("record_call", repr(name))
        if where is not None:
            self._session.playlist.tape.record(file)
            self._do(where, _nothing)

    def watch_silence(self, limit_ms: int) -> None:
        """Tell of silence."""
        where = self._called("detect_silence", str(limit_ms))
        self._do(where, lambda: self._session.playlist.tape.watch_silence(limit_ms))

    def queue_is_empty(self) -> bool:
        """Nothing current and nothing waiting."""
        return self._session.playlist.is_empty

    def flush(self) -> None:
        """Drop all items."""
        if not self._session.over:
            self._session.playlist.flush(self._called("flush", ""))

    def set_switch(self, name: str, on: bool) -> None:
        """Turn one of the switches."""
        where = self._called(SWITCH_NAMES[name, on], "")
        self._do(where, lambda: self.switch(name, on))

    def set_timer(self, timer_id: int, seconds: float) -> None:
        """Arm or re-arm."""
        where = self._called("setTimer", f"{timer_id}, {seconds:g}")
        self._do(where, lambda: self._session.timers.set(timer_id, seconds))

    def remove_timer(self, timer_id: int) -> None:
        """Disarm."""
        where = self._called("removeTimer", str(timer_id))
        self._do(where, lambda: self._session.timers.remove(timer_id))

    def remove_timers(self) -> None:
        """Disarm all."""
        self._do(self._called("removeTimers", ""), self._session.timers.clear)

    def app_param(self, name: str) -> str:
        """A value of P-App-Param."""
        if self._params is None:
            order = self._session.order
            hdrs = order.hdrs if order is not None else self._session.leg.invite_req.hdrs
            self._params = app_params(hdrs)
        return self._params.get(name, "")

    def session_params(self) -> list[str] | dict[str, str] | None:
        """What `IvrUAC.dialout` was given; None: this call came in."""
        order = self._session.order
        return order.session_params if order is not None else None

    # --- on the loop --------------------------------------------------------------------------

    def switch(self, name: str, on: bool) -> None:
        """Turn a switch; it survives every later offer and answer."""
        self.switches = replace(self.switches, **{name: on})
        self.apply_switches()

    def lift_switches(self) -> None:
        """The caller's audio goes to a second party: what kept it from our playlist is over."""
        self.switches = replace(self.switches, attached=True, muted=False, receiving=True)
        self.apply_switches()

    def apply_switches(self) -> None:
        """Tell the media worker, if it is not all as at the beginning."""
        media = self._session.media
        if media is not None:
            attached = self.switches.attached and not self._session.b2b.audio_elsewhere
            media.set_switches(replace(self.switches, attached=attached))

    def media_opened(self) -> None:
        """Audio begins to flow, as the script has switched it, with the keys that wait for it."""
        self.apply_switches()
        waiting, self._keys_to_press = self._keys_to_press, []
        for keys, length_ms in waiting:
            self._press(keys, length_ms)

    def _press(self, keys: tuple[int, ...], length_ms: int) -> None:
        session = self._session
        media, agreement = session.media, session.leg.agreement
        if media is None and not session.leg.down and not session.b2b.audio_elsewhere:
            self._keys_to_press.append((keys, length_ms))
        elif media is None or agreement is None or agreement.dtmf_pt is None:
            why = "the call has no audio" if media is None else "no telephone-event was agreed on"
            log.error("send_dtmf: %s", why, extra={"leg": self.log_name})
        else:
            media.send_keys(keys, length_ms)

    def _reply_to_invite(self, code: int, reason: str, headers: Headers) -> SdpError | None:
        leg = self._session.leg
        for request in (leg.last_request, leg.first_invite):
            if request is not None and request.method == "INVITE" and leg.owes_reply(request):
                return self._reply(leg, request, code, reason, headers)
        return None

    def _send_reply(self, code: int, reason: str, headers: Headers) -> SdpError | None:
        leg = self._session.leg
        request, invite = leg.last_request, leg.first_invite
        if request is not None and leg.owes_reply(invite) and not leg.owes_reply(request):
            request = invite  # what came since, like the PRACK of a 183, has its answer
        if self._session.over or request is None:
            return None
        return self._reply(leg, request, code, reason, headers)

    def _reply(
        self, leg: Leg, request: SipRequest, code: int, reason: str, headers: Headers
    ) -> SdpError | None:
        try:
            leg.reply(request, code, reason, headers)
        except SdpError as exc:
            return exc
        except LocalProtocolError as exc:
            log.error("reply %d: %s", code, exc, extra={"leg": leg.name})
        return None

    def _try(self, action: Callable[[], None], what: str) -> None:
        try:
            action()
        except LocalProtocolError as exc:
            log.error("%s was not sent: %s", what, exc, extra={"leg": self._session.leg.name})

    def _do(self, called: ApiCalled | None, action: Callable[[], None]) -> None:
        if called is not None:
            self._post(self._carry_out, called, action)

    def _carry_out(self, called: ApiCalled, action: Callable[[], None]) -> None:
        if not self._session.over:
            self._session.board.publish(called)
            action()

    def _called(self, name: str, arguments: str) -> ApiCalled | None:
        """The script's call as an event, None on a call that is over."""
        if self._session.over:
            return None
        file, line = script_line(self._session.generation.files)
        return ApiCalled(self._session.leg.name, name, arguments, file, line)


def _nothing() -> None:
    """`sendReply` acts by itself; only the event is posted."""
