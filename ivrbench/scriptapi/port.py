"""The seam between the script API and the engine.

The objects that scripts hold (`IvrDialogBase`, `IvrAudioFile`, …) live in this package and know
nothing of sockets or sessions; the engine gives each dialog a `CallPort` and the module `ivr` one
`HostPort`. Every method may be called from any thread and returns at once unless it says otherwise;
on a call that is over it does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import IvrAudioFile
    from ivrbench.scriptapi.uac import Dialout, DialRequest

__all__ = [
    "CallPort",
    "DialogView",
    "HostPort",
    "Parties",
    "PlaybackControl",
    "ReplyView",
    "RequestView",
    "WaitPort",
]


class RequestView(Protocol):
    """What `IvrSipRequest` shows of one request; strings are never None (ivr-api §3.5)."""

    method: str
    user: str
    domain: str
    r_uri: str
    from_uri: str
    """The Contact URI, the From URI if there is none."""
    from_header: str
    to_header: str
    callid: str
    from_tag: str
    to_tag: str
    route: str
    body: str
    hdrs: str
    """Headers the stack does not parse itself, `Name: value` CRLF each."""
    cseq: int


class ReplyView(Protocol):
    """What `IvrSipReply` shows of one response (ivr-api §3.6)."""

    code: int
    reason: str
    contact: str
    route: str
    hdrs: str
    from_tag: str
    to_tag: str
    body: str
    cseq: int


class DialogView(Protocol):
    """What `IvrSipDialog` shows; a live view (ivr-api §3.4)."""

    user: str
    domain: str
    local_uri: str
    remote_uri: str
    callid: str
    remote_tag: str
    local_tag: str
    remote_party: str
    local_party: str
    route: str
    outbound_proxy: str
    cseq: int
    status: int
    """0 Disconnected, 1 Trying, 2 Proceeding, 3 Cancelling, 4 Early, 5 Connected,
    6 Disconnecting."""

    def set_remote_uri(self, uri: str) -> None:
        """Change the target of later requests."""


class PlaybackControl(Protocol):
    """What the engine attaches to an audio file while it is queued, playing or recording."""

    def set_loop(self, loop: bool) -> None:
        """The script changed `file.loop`."""

    def seek(self, back_ms: int | None) -> None:
        """The script called `rewind(ms)`; None: to the start."""

    def set_paused(self, paused: bool) -> None:
        """The script called `pause()` or `resume()` of a recording."""

    def write_out(self) -> None:
        """The script called `getDataSize()`: blocks until what was recorded so far is written."""

    def finish(self) -> None:
        """The script called `close()`. Blocks (at most some seconds) until a recording is whole
        on disk; a prompt that is queued plays on from memory. The descriptor of the `OpenAudio`
        is closed when this returns."""


class Parties(NamedTuple):
    """Whom a script calls as the second party."""

    uri: str
    """Where the INVITE goes."""
    to: str
    """Its To, without tag."""
    from_: str = ""
    """Its From, without tag; "": the caller's."""


class CallPort(Protocol):
    """One call as its dialog object sees it."""

    @property
    def dialog(self) -> DialogView:
        """The SIP dialog, live."""

    @property
    def invite_req(self) -> RequestView:
        """The stored initial request; replaced by each re-INVITE."""

    @property
    def log_name(self) -> str:
        """The leg's name for log lines: "c12"."""

    def stop_session(self) -> None:
        """Set the stop flag: the engine hangs up after the running handler returned."""

    def bye(self, hdrs: str) -> None:
        """BYE, CANCEL or 487, whichever fits the state; the session goes on."""

    def drop_session(self) -> None:
        """End the session without sending anything."""

    def send_request(self, method: str, hdrs: str, body: str, content_type: str) -> None:
        """In-dialog request; `body` may be ""."""

    def redirect(self, uri: str) -> None:
        """302 to a call that is not answered, else the REFER of the reference server."""

    def transfer(self, to: str) -> None:
        """REFER to a URI, or in place of us to the peer of the call with this local tag."""

    def refer_progress(self, code: int, reason: str) -> None:
        """Tell who sent the REFER how it goes."""

    def refer(self, refer_to: str, expires: int, referred_by: str, extra_hdrs: str) -> None:
        """REFER within the dialog; `expires` below 0: no such header. Not connected: nothing."""

    def send_reply(self, code: int, reason: str, hdrs: str) -> None:
        """Answer the last received request. Raises `ivr.semserror` if offer/answer fails."""

    def reply_to_invite(self, code: int, reason: str, hdrs: str) -> None:
        """Answer the INVITE that waits for it, if one does. Raises `ivr.semserror` likewise."""

    def send_keys(self, keys: tuple[int, ...], length_ms: int) -> None:
        """Press keys towards the peer; one that knows no telephone-events hears nothing."""

    def connect_callee(self, parties: Parties | None) -> None:
        """Call a second party; None: whom the caller called."""

    def terminate_other_leg(self) -> None:
        """Hang up the second party."""

    def terminate_leg(self) -> None:
        """Hang up the caller now and set the stop flag."""

    def set_relay_only(self, *, on: bool) -> None:
        """Relay requests between the parties, or process them here."""

    def connect_audio(self, *, on: bool) -> None:
        """Let the caller hear the playlist, or the second party again."""

    @property
    def waits(self) -> WaitPort:
        """For `async def` handlers."""

    def enqueue(self, play: object | None, record: object | None) -> None:
        """Append to the playlist; `play` is an IvrAudioFile, IvrAudioMixIn, IvrNullAudio or
        IvrConference, `record` an IvrAudioFile or the same IvrConference.

        Files are open (`file.opened()`), `record` for writing, `IvrNullAudio.length_ms()` is known:
        the caller has checked. Take the `OpenAudio` here, the script may open another file later.
        """

    def record_call(self, file: IvrAudioFile) -> None:
        """Record the whole call into a file that is open for writing. Raises OSError."""

    def watch_silence(self, limit_ms: int) -> None:
        """Call `onSilence` after so much silence; 0: not any more."""

    def queue_is_empty(self) -> bool:
        """No current item and nothing waiting."""

    def flush(self) -> None:
        """Drop all items; no onEmptyQueue."""

    def set_switch(self, name: str, on: bool) -> None:
        """`name`: "attached", "muted", "receiving", "keys_while_deaf", "detect_keys"."""

    def set_timer(self, timer_id: int, seconds: float) -> None:
        """Arm or re-arm; checks were done by the caller (id > 0)."""

    def remove_timer(self, timer_id: int) -> None: ...

    def remove_timers(self) -> None: ...

    def app_param(self, name: str) -> str:
        """A value of P-App-Param, "" if absent."""

    def session_params(self) -> list[str] | dict[str, str] | None:
        """What `IvrUAC.dialout` was given."""


class WaitPort(Protocol):
    """What `async def` handlers of a call wait for. On the engine's loop; all raise `ivr.HungUp`
    when the call is over, and RuntimeError before it has audio."""

    async def played(
        self, files: Callable[[], list[IvrAudioFile]], stop_on: str, *, keep_key: bool
    ) -> str:
        """Play files, which are opened away from the loop; gives the key that ended it, or ""."""

    async def recorded(
        self, file: Callable[[], IvrAudioFile], stop_on: str, silence_ms: int, *, closes: bool
    ) -> int:
        """Record into a file until its limit, a key, or so much silence (0: never), and close it if
        `closes`; gives the milliseconds recorded."""

    async def key(self, timeout_s: float) -> str:
        """The next key as a character, "" if none comes in time."""


class HostPort(Protocol):
    """The engine as the module `ivr` sees it."""

    local_sip_ip: str
    local_sip_port: int
    log_level: int

    def log(self, level: int, text: str) -> None:
        """A log line; the engine adds the leg whose handler is running in this thread."""

    def send_message(self, local_tag: str, message: str) -> None:
        """Post to another session's `onIvrMessage`."""

    def dial_out(self, request: DialRequest) -> Dialout:
        """Begin a session that calls somebody; waits for the engine's loop, not for the call."""

    def monitor(self, callid: str, name: str, value: str, *, added: bool) -> None:
        """Write a property into the monitoring store, or add to it."""

    def monitor_finish(self, callid: str) -> None:
        """Mark an entry of the monitoring store as finished."""
