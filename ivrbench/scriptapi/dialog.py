"""IvrDialogBase: the base class of every script's `IvrDialog` (ivr-api §2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ivrbench.scriptapi.additions import Additions
from ivrbench.scriptapi.arguments import need_int, need_number, need_str
from ivrbench.scriptapi.enqueued import check_enqueued
from ivrbench.scriptapi.listening import Listening
from ivrbench.scriptapi.sipviews import IvrSipDialog, IvrSipRequest
from ivrbench.scriptapi.transfers import Transfers
from ivrbench.scriptapi.two_legs import TwoLegs

if TYPE_CHECKING:
    from ivrbench.scriptapi.audiofile import IvrAudioFile
    from ivrbench.scriptapi.audioitems import IvrAudioMixIn, IvrNullAudio
    from ivrbench.scriptapi.conference import IvrConference
    from ivrbench.scriptapi.port import CallPort

__all__ = ["Capsule", "IvrDialogBase"]

MIN_STATUS, MAX_STATUS = 100, 699  # RFC 3261 §7.2: classes 1xx to 6xx
WITHOUT_BODY = frozenset({"INVITE", "BYE", "ACK", "CANCEL"})
MAX_TIMER_S = 366 * 86_400.0  # a year, as the reference server clips


@dataclass(frozen=True, slots=True)
class Capsule:
    """What `__new__` of a dialog is given; a script that overrides `__new__` passes it on."""

    port: CallPort


class IvrDialogBase(Listening, TwoLegs, Transfers, Additions):
    """One call. Derive `IvrDialog` from it and define the handlers you need.

    The engine makes the object with `__new__` alone: `__init__` is never called. On a call that
    is over every method does nothing.
    """

    def __new__(cls, capsule: Capsule, /) -> Self:
        if not isinstance(capsule, Capsule):
            raise TypeError(
                f"{cls.__name__} objects are made by the engine for each call, not by scripts"
            )
        made = super().__new__(cls)
        made._ivrbench_port = capsule.port
        made._ivrbench_dialog = IvrSipDialog(capsule.port.dialog)
        made._ivrbench_invite = IvrSipRequest(lambda: capsule.port.invite_req, live=True)
        return made

    __slots__ = ("_ivrbench_dialog", "_ivrbench_invite", "_ivrbench_port")
    _ivrbench_port: CallPort
    _ivrbench_dialog: IvrSipDialog
    _ivrbench_invite: IvrSipRequest

    @property
    def dialog(self) -> IvrSipDialog:
        """The SIP dialog; always the same object, its attributes are live."""
        return self._ivrbench_dialog

    @property
    def invite_req(self) -> IvrSipRequest:
        """The initial INVITE, replaced by each re-INVITE; live."""
        return self._ivrbench_invite

    # --- the end of a call ---

    def onRtpTimeout(self) -> None:
        """No audio came for `dead_rtp_time`: hang up, unless the script has its own handler."""
        self.stopSession()

    def stopSession(self) -> None:
        """Hang up once the running handler has returned."""
        self._ivrbench_port.stop_session()

    def bye(self, hdrs: str = "", /) -> None:
        """Send BYE (or CANCEL, or 487) now. The session goes on; pair it with `stopSession`.

        Args:
            hdrs: header lines to add, each ending in CRLF.
        """
        self._ivrbench_port.bye(need_str("bye", 1, hdrs))

    def dropSession(self) -> None:
        """End the session without telling the peer."""
        self._ivrbench_port.drop_session()

    # --- SIP ---

    def sendRequest(
        self, method: str, hdrs: str, body: str = "", content_type: str = "text/plain", /
    ) -> None:
        """Send a request within the dialog.

        Args:
            method: `INVITE` asks for an offer and answers it.
            hdrs: header lines to add, each ending in CRLF.
            body: what it carries; not for INVITE, BYE, ACK and CANCEL.
            content_type: of the body.

        Raises:
            ValueError: a request that carries no body of a script has one.
        """
        need_str("sendRequest", 1, method)
        need_str("sendRequest", 2, hdrs)
        need_str("sendRequest", 3, body)
        need_str("sendRequest", 4, content_type)
        if body and method in WITHOUT_BODY:
            raise ValueError(f"sendRequest(): {method} carries no body of a script")
        self._ivrbench_port.send_request(method, hdrs, body, content_type if body else "")

    def sendReply(self, code: int, reason: str, hdrs: str, /) -> None:
        """Answer the request received last. 183 and 2xx to INVITE get our SDP.

        Raises:
            ValueError: the code is no SIP status code.
            ivr.semserror: no codec could be agreed on.
        """
        status = need_int("sendReply", 1, code)
        need_str("sendReply", 2, reason)
        need_str("sendReply", 3, hdrs)
        if not MIN_STATUS <= status <= MAX_STATUS:
            raise ValueError(f"sendReply() code must be {MIN_STATUS} to {MAX_STATUS}, not {status}")
        self._ivrbench_port.send_reply(status, reason, hdrs)

    def refer(
        self, refer_to: str, expires: int = -1, referred_by: str = "", extra_hdrs: str = "", /
    ) -> None:
        """Ask the caller to call somebody else; does nothing before the call is up.

        How it goes comes to `onSipReply` and, as NOTIFY, to `onSipRequest`.

        Args:
            refer_to: whom, `sip:ann@example.com` or `<sip:…>`.
            expires: how many seconds the caller may tell of it; below 0: as it likes.
            referred_by: who asks; "" says nothing of it.
            extra_hdrs: header lines to add, each ending in CRLF.
        """
        need_str("refer", 1, refer_to)
        lasts_s = need_int("refer", 2, expires)
        need_str("refer", 3, referred_by)
        self._ivrbench_port.refer(refer_to, lasts_s, referred_by, need_str("refer", 4, extra_hdrs))

    # --- the playlist ---

    def enqueue(
        self,
        play: IvrAudioFile | IvrAudioMixIn | IvrNullAudio | IvrConference | None,
        rec: IvrAudioFile | IvrConference | None,
        /,
    ) -> None:
        """Append an item that plays `play` and records into `rec` at the same time.

        It ends when `play` ends or `rec` has reached its limit. `(None, None)` never ends. With an
        `IvrConference` the call is in that room as long as the item lasts.

        Raises:
            TypeError: something else than audio.
            ValueError: a file that is not open, `rec` is open for reading, or two rooms at once.
        """
        check_enqueued(play, rec)
        self._ivrbench_port.enqueue(play, rec)

    def queueIsEmpty(self) -> bool:
        """Nothing plays or records and nothing waits."""
        return self._ivrbench_port.queue_is_empty()

    def flush(self) -> None:
        """Drop the current item and all that wait. Files stay open; no `onEmptyQueue`."""
        self._ivrbench_port.flush()

    # --- switches ---

    def mute(self) -> None:
        """Stop sending audio; the playlist goes on."""
        self._ivrbench_port.set_switch("muted", True)

    def unmute(self) -> None:
        """Send audio again."""
        self._ivrbench_port.set_switch("muted", False)

    def enableReceiving(self) -> None:
        """Take audio from the peer again."""
        self._ivrbench_port.set_switch("receiving", True)

    def disableReceiving(self) -> None:
        """Drop audio from the peer: nothing is recorded and no keys are heard."""
        self._ivrbench_port.set_switch("receiving", False)

    def enableDTMFReceiving(self) -> None:
        """Let keys through while receiving is disabled."""
        self._ivrbench_port.set_switch("keys_while_deaf", True)

    def disableDTMFReceiving(self) -> None:
        """Drop keys too while receiving is disabled."""
        self._ivrbench_port.set_switch("keys_while_deaf", False)

    def enableDTMFDetection(self) -> None:
        """Report keys again."""
        self._ivrbench_port.set_switch("detect_keys", True)

    def disableDTMFDetection(self) -> None:
        """Report no keys, from whatever source."""
        self._ivrbench_port.set_switch("detect_keys", False)

    def connectMedia(self) -> None:
        """Attach the call to the media clock again."""
        self._ivrbench_port.set_switch("attached", True)

    def disconnectMedia(self) -> None:
        """Detach it: no audio in or out, the playlist stands still."""
        self._ivrbench_port.set_switch("attached", False)

    # --- timers ---

    def setTimer(self, id: int, seconds: float, /) -> None:
        """Have `onTimer(id)` called once; setting an id again replaces its timer.

        Args:
            id: above 0.
            seconds: 0 or less: at once; at most a year.

        Raises:
            ValueError: the id is 0 or less, or `seconds` is not a number.
        """
        timer_id = _timer_id("setTimer", id)
        delay_s = need_number("setTimer", 2, seconds)
        if math.isnan(delay_s):
            raise ValueError("setTimer() seconds must be a number, not nan")
        self._ivrbench_port.set_timer(timer_id, min(delay_s, MAX_TIMER_S))

    def removeTimer(self, id: int, /) -> None:
        """Take a timer back; an unknown id does nothing.

        Raises:
            ValueError: the id is 0 or less.
        """
        self._ivrbench_port.remove_timer(_timer_id("removeTimer", id))

    def removeTimers(self) -> None:
        """Take back every timer of this call."""
        self._ivrbench_port.remove_timers()

    # --- parameters ---

    def getAppParam(self, name: str, /) -> str:
        """A parameter of the INVITE's P-App-Param header, "" if absent."""
        return self._ivrbench_port.app_param(need_str("getAppParam", 1, name))

    def getSessionParams(self) -> list[str] | dict[str, str] | None:
        """What `IvrUAC.dialout` was given for this session; None for an incoming call."""
        return self._ivrbench_port.session_params()


def _timer_id(function: str, value: int) -> int:
    timer_id = need_int(function, 1, value)
    if timer_id <= 0:
        raise ValueError(f"{function}() id must be above 0, not {timer_id}")
    return timer_id
