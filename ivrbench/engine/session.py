"""Session: one call of a script, from the INVITE to the call record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import LegWarned
from ivrbench.scriptapi.sipviews import IvrSipRequest

from .b2b.back_to_back import BackToBack
from .callport import ScriptPort
from .ending import close_session
from .inspector import Inspector
from .leg import Leg
from .media.audio_owner import ended_event
from .media.call import MediaCall
from .media.key_input import KeyInput
from .media.playlist import Playlist
from .media.silence import SilenceWatch
from .outcome import Call, called_event, refusal_of, started_event
from .scripts.errors import handler_raised, tell_raised
from .scripts.runner import Mailbox
from .scripts.timers import ScriptTimers
from .views import RequestFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.media.messages import StreamCounts
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest

    from .outcome import Outcome, Running
    from .scripts.generation import Generation
    from .switchboard import Switchboard
    from .uac import DialOrder

__all__ = ["Session"]

log = logging.getLogger("ivrbench.call")

DISCONNECTED: Final = 0


class Session:
    """A script and its leg (or legs).

    Everything here happens on the loop. Handlers run elsewhere, one after the other; what they
    ask for comes back through `ScriptPort` and the inbox. What SIP events mean is in
    `call_flow.py`.

    Args:
        board: the engine.
        generation: the script's version; it is given back when the session is over.
        name: of the first leg.
        call: the first leg's SIP call, if it came in.
        order: the call to be placed, if a script or a workbench asked for it.
    """

    def __init__(
        self,
        board: Switchboard,
        generation: Generation,
        name: str,
        call: InviteCall | None = None,
        order: DialOrder | None = None,
    ) -> None:
        self.board = board
        self.generation = generation
        self.began_s = board.clock.wall()
        self.order = order
        self.leg = Leg(self, name, call, order.target if order is not None else None)
        self.port = ScriptPort(self)
        self.mailbox = Mailbox(board.pool, generation, self.port, self._slow)
        self.timers = ScriptTimers(board.loop, self._timer_fired)
        self.inspector = Inspector(self)
        self.b2b = BackToBack(self)
        self.media: MediaCall | None = None
        self.playlist = Playlist(self)
        self.keys = KeyInput(self)
        self.over = False
        self.stopping = False
        self.ended_by = ""
        self.reason = ""
        self.duration_s = 0.0
        """From answer to end; known when it is over."""
        self.final_code = 0
        self._hanging_up = False
        self.abandoned = False
        """Hung up from outside: it ends without waiting for its handler."""
        self._begun = self._established = False
        self.audio_attached = False
        """The playlist is on the call."""
        self.silence = SilenceWatch(self)
        self.warning = ""
        """The sentence shown at the leg."""

    def __repr__(self) -> str:
        return f"<Session {self.leg.name} {self.generation.script}@{self.generation.number}>"

    def create_dialog(self) -> None:
        """Make the script's dialog object; the first thing in the mailbox."""
        self.mailbox.create(self._created)

    # --- telling the script -------------------------------------------------------------------

    def tell(
        self,
        handler: str,
        *args: object,
        done: Callable[[Outcome], None] | None = None,
        old_args: tuple[object, ...] | None = None,
    ) -> None:
        """Queue a handler; `done` is called on the loop when it returned, defined or not."""
        if not self.over:
            self.mailbox.post(Call(handler, args, old_args), lambda o: self._done(o, done))

    def tell_unless(
        self, skip: Callable[[], bool], call: Call, done: Callable[[Outcome], None]
    ) -> None:
        """`tell`, but when its turn comes it may be found that the handler is not to be called."""

        def decide() -> None:
            if skip():
                call.handler = ""

        self.step(decide)
        if not self.over:
            self.mailbox.post(call, lambda o: self._done(o, done))

    def step(self, action: Callable[[], None]) -> None:
        """Do something on the loop when everything told before has been handled."""
        self.tell("", done=lambda _: action())

    def hear(self, request: SipRequest, status: int = -1) -> None:
        """Tell of a request: `sendReply` answers it from now on, then `onSipRequest`."""

        def arrive() -> None:
            self.leg.last_request = request
            if status >= 0:
                self.leg.dialog.status = status

        self.step(arrive)
        self.tell("onSipRequest", IvrSipRequest.copy_of(RequestFacts(request)))

    @property
    def hears_keys(self) -> bool:
        """The script wants keys."""
        return not self.over and self.port.switches.detect_keys

    def tell_key(self, key: int, duration_ms: int, because: str) -> None:
        """`onDtmf`, unless a handler waits for it; what it flushes ends because of this key."""
        if self.port.waits.take_key(key, duration_ms, because):
            return
        playlist = self.playlist
        self.step(lambda: setattr(playlist, "because", because))
        self.tell("onDtmf", key, duration_ms, done=lambda _: setattr(playlist, "because", ""))

    def key_released(self, key: int, duration_ms: int) -> None:
        """A key of RFC 4733 or INFO is up again: the other party is to hear it too."""
        self.b2b.pressed(self.leg, key, duration_ms)

    def warn(self, text: str) -> None:
        """Show a sentence at the leg; "" takes it back."""
        if text != self.warning:
            self.warning = text
            self.board.publish(LegWarned(self.leg.name, text))

    def take_back(self, text: str) -> None:
        """Withdraw a sentence if it is the one shown."""
        if self.warning == text:
            self.warn("")

    def _created(self, outcome: Outcome) -> None:
        if outcome.raised is not None:
            tell_raised(self, outcome, "the call was refused with 500")
            self.stop("error", "the script's IvrDialog could not be made")
            if self.leg.target is None:
                self.leg.refuse(500)
            self.settle()

    def _done(self, outcome: Outcome, done: Callable[[Outcome], None] | None) -> None:
        if self.over:
            return
        self.port.waits.handler_done(outcome.call)
        if outcome.defined:
            self.inspector.look(outcome.call.number)
        refusal = refusal_of(outcome.raised)
        if refusal is not None:
            self.board.flow.refused_by_script(self, outcome, refusal)
        elif outcome.raised is not None:
            handler_raised(self, outcome)
        elif outcome.defined:
            self.board.publish(called_event(self.leg.name, outcome))
        if done is not None:
            done(outcome)
        self.settle()

    def _slow(self, running: Running) -> None:
        if not self.over and running.call.action is None:
            self.board.publish(started_event(self.leg.name, running))

    def _timer_fired(self, timer_id: int) -> None:
        self.tell("onTimer", timer_id)

    # --- media --------------------------------------------------------------------------------

    def established(self, leg: Leg, hdrs: str = "") -> None:
        """The dialog is connected and offer and answer are complete.

        Args:
            leg: the one that is up.
            hdrs: of the message that said so, for scripts to 1.4; "": those of the INVITE.
        """
        if self._established:
            return
        self._established = True
        agreed = leg.agreed_event()
        if agreed is not None and self.media is None:
            self.board.publish(agreed)
        self.begun()
        self.tell(
            "onSessionStart",
            old_args=(hdrs or leg.invite_req.hdrs,),
            done=lambda _: self.start_media(leg),
        )

    def begun(self) -> None:
        """The dialog is connected, whoever has its audio."""
        if not self._begun:
            self._begun = True
            self.warn("")
            self.tell("onStart")

    def early_media(self, leg: Leg) -> None:
        """A 183 with our description went out: audio flows from now on."""
        agreed = leg.agreed_event()
        if agreed is not None and self.media is None:
            self.board.publish(agreed)
            self.start_media(leg)

    def start_media(self, leg: Leg) -> None:
        """Let audio flow, if offer and answer are complete; items that wait begin."""
        agreement = leg.agreement
        if self.media is not None or agreement is None or leg.seat is None or leg.down:
            return
        if leg.seat.worker.gone:
            self.board.media.recovery.start_later(self, leg)
            return
        seat, leg.seat = leg.seat, None
        self.media = MediaCall(self, seat, agreement)
        self.audio_attached = True
        if agreement.direction.receives:
            self.silence.start()
        self.port.media_opened()
        self.playlist.media_opened(self.media)
        self.b2b.media_opened()

    def media_changed(self, leg: Leg) -> None:
        """Offer and answer completed again."""
        agreement, agreed = leg.agreement, leg.agreed_event()
        if agreement is None or agreed is None:
            return
        self.board.publish(agreed)
        self.b2b.audio_elsewhere = False
        if self.media is not None:
            self.media.update(agreement)
            self.port.apply_switches()
            self.playlist.codec_changed()
        elif self._established:
            self.start_media(leg)

    def audio_came_back(self, leg: Leg) -> None:
        """The caller's audio comes to us again, or for the first time."""
        if self._established:
            self.media_changed(leg)
        else:
            self.b2b.audio_elsewhere = False
            self.established(leg)

    def rtp_started(self) -> None:
        """The first packet came."""
        self.silence.broken()

    def rtp_timed_out(self) -> None:
        """Nothing came for `dead_rtp_time`."""
        text = f"no RTP came for {self.board.settings.dead_rtp_time} s"

        def decide(outcome: Outcome) -> None:
            if outcome.default_runs:
                self.stop("engine", text)

        self.tell("onRtpTimeout", done=decide)
        self.step(self._detach_audio)

    def media_suspended(self) -> None:
        """The worker that had our audio died; another one will have it."""
        self.keys.flush()
        self.playlist.media_lost()

    def media_resumed(self, media: MediaCall) -> None:
        """Another worker has our audio now."""
        self.port.apply_switches()
        self.playlist.media_opened(media)

    def media_lost(self, reason: str) -> None:
        """The worker that had our audio is gone, and no other takes the call over."""
        self.media = None
        self.playlist.media_gone()
        self.playlist.recordings.abandon()
        self.stop("error", reason)

    def media_closed(self, counts: StreamCounts) -> None:
        """The worker is done with the call; the last that is heard of it."""
        self.playlist.media_gone()
        self.board.publish(ended_event(self.leg.name, counts))
        self.board.write_record(self, counts)

    def _detach_audio(self) -> None:
        """The playlist comes off the call, once: for good, or because the call is over."""
        if self.audio_attached:
            self.audio_attached = False
            if not self.leg.down:
                self.playlist.clear("no RTP")
                self.port.switch("attached", False)
            self.tell("onAudioCleared")

    # --- ending -------------------------------------------------------------------------------

    def stop(self, by: str, reason: str = "") -> None:
        """Set the stop flag: hang up when no handler runs."""
        if not self.stopping:
            self.stopping = True
            self.ended_by = self.ended_by or by
            self.reason = self.reason or reason
            self.step(lambda: None)  # an idle mailbox settles at once, a busy one after its handler

    def hang_up(self, by: str, reason: str) -> None:
        """End the session now, even if a handler runs that may never return."""
        self.stop(by, reason)
        if self.over:
            return
        self.abandoned = self._hanging_up = True
        self.b2b.let_go(by, reason)
        if self.leg.down:
            self.finish()
        else:
            self.leg.bye()

    def terminate_leg(self) -> None:
        """`terminateLeg()`: hang up the caller now; the second party follows with the session."""
        self.stop("script", "terminateLeg()")
        self.leg.bye()

    def shut_down(self) -> None:
        """The engine wants to end: the script may take its time, without handler it is ended."""

        def decide(outcome: Outcome) -> None:
            if not outcome.defined:
                self.stop("engine", "the server shuts down")

        self.tell("onServerShutdown", done=decide)

    def drop(self) -> None:
        """End the session without a message to the peer."""
        self.stop("script", "dropSession()")
        self.leg.drop()

    def fall_silent(self) -> None:
        """The party is gone: nobody waits for it, nothing is sent to it."""
        self.port.waits.hang_up()
        if self.media is not None:
            self.media.silence()

    def warn_of_being_kept(self) -> None:
        """Say so, if the script keeps a session whose call is over."""
        if not self.stopping:
            self.warn("the call is over, the script keeps the session (no stopSession)")

    def settle(self) -> None:
        """Go on with the end, if the session is on its way there; after each handler."""
        if self.over or not self.stopping or self.port.waits.is_in_use:
            return
        if not self.leg.down:
            if not self._hanging_up:
                self._hanging_up = True
                self.b2b.let_go(self.ended_by, self.reason)
                self.leg.bye(self.b2b.bye_headers)
            return
        if self.audio_attached:
            self._detach_audio()
        self.step(self.finish)

    def finish(self) -> None:
        """The end: give everything back."""
        if not self.over:
            close_session(self)
