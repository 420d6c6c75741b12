"""The test phone as a process: sockets, clock, signals, and what people read while it calls."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ivrbench.audio.tones import dtmf_tone
from ivrbench.clock import SystemClock
from ivrbench.errors import ConfigError, EngineGone, SipError
from ivrbench.observe.phones import PhoneProgressed
from ivrbench.rtp.dtmf import key_from_name
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sip.flow import Address, Flow, host_port

from .call import PhoneCall
from .callee import Callee, read_answers
from .caller_audio import CallerAudio
from .control import Control
from .facts import EXIT_NO_NETWORK, Ended, Fact, KeyPressed, Noted, Rang
from .keys import Step, parse_keys
from .network import BadNetwork
from .options import CallOptions
from .relay import event_of, json_line, measure
from .report import Report
from .rtp_stream import RtpStream
from .settings import CallSettings
from .sockets import SipSocket, TcpSip, UdpSip, local_address_for, open_rtp_pair
from .steering import MAX_LINE_BYTES, stdin_lines
from .target import Target, engine_listeners, read_place, read_target, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.phones import PhoneEvent

__all__ = ["Agent", "CallOptions", "run"]

EXIT_INTERRUPTED: Final = 130
END_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MEASURE_S: Final = 0.2  # how often the workbench gets levels, and the sound card is looked after


def run(options: CallOptions) -> int:
    """Make one call and return when it is over.

    Args:
        options: what to call and how.

    Returns:
        The exit code: 0 answered and ended normally, 1 refused, 3 nobody answers at all,
        130 interrupted.

    Raises:
        ConfigError: the options cannot be used.
        IvrbenchError: no network, no such host or no free port.
    """
    try:
        return asyncio.run(Agent(options).run())
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED
    except OSError as exc:
        raise SipError(f"the network cannot be used: {exc.strerror or exc}") from exc


class Agent:
    """One call's process.

    Args:
        options: what to call and how.
    """

    def __init__(self, options: CallOptions) -> None:
        self._options = options
        self._clock = SystemClock()
        self._wall_minus_now_s = self._clock.wall() - self._clock.now()
        self._keys: tuple[Step, ...] = parse_keys(options.keys)
        self._open = ExitStack()
        self._audio = CallerAudio(options, self._open)
        self._sound = self._audio.sound
        self._network = BadNetwork()
        self._network.set(options.network)
        self._call: PhoneCall | None = None
        self._report = Report(options.target)
        self._timer: asyncio.TimerHandle | None = None
        self._interrupted = False
        self._stdout_gone = False

    async def run(self) -> int:
        """Call, talk, hang up; the exit code."""
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[Ended] = self._loop.create_future()
        self._loop.set_exception_handler(self._on_bug)
        try:
            with self._open:
                self._watch_signals()
                await self._dial()
                ended = await self._done
        finally:
            self._loop.set_exception_handler(None)
        if not self._options.from_workbench:
            if ended.exit_code == EXIT_NO_NETWORK and ":" not in self._options.target:
                self._say("does the engine run? `ivrbench` or `ivrbench --serve` starts it")
            for line in self._audio.recorded():
                self._say(line)
        exit_code = EXIT_INTERRUPTED if self._interrupted else ended.exit_code
        if self._options.json:
            self._say(self._report.to_json(exit_code))
        return exit_code

    async def _dial(self) -> None:
        # A text takes a moment to be spoken: the signals are heard meanwhile.
        voice = await asyncio.to_thread(self._audio.voice)
        self._stream = RtpStream(
            voice,
            self._audio.ears(),
            codecs=self._audio.codecs,
            wall_minus_now_s=self._wall_minus_now_s,
        )
        text = await (self._wait() if self._options.answers else self._place())
        assert self._call is not None, "just made"
        if self._options.from_workbench:
            self._steer(self._call, text)
        elif text:
            self._say(text)
        self._rtp.start(self._loop)
        self._rtcp.start(self._loop)
        self._pump()
        self._watch_sound()
        if self._options.from_workbench:
            self._steered = asyncio.create_task(self._read_stdin())
            self._open.callback(self._steered.cancel)

    async def _place(self) -> str:
        """Call somebody; what there is to say of it."""
        target = await self._find_target()
        remote = await resolve(target)
        host = local_address_for(remote)
        self._open_rtp(host)
        self._sip = await self._open_sip(target, host, remote)
        self._audio.open_card()
        call = PhoneCall(self._settings(target, host), self._stream)
        call.dial(self._clock.now())
        self._call = call
        return f"calling {target.uri} at {host_port(*remote)} over {target.transport}"

    async def _wait(self) -> str:
        """Be there to be called."""
        options = self._options
        host = await (self._open_way_to_registrar() if options.register else self._open_place())
        self._open_rtp(host)
        settings = CallSettings(
            self._local_media(host), keys=self._keys, keys_by=options.keys_by, for_s=options.for_s
        )
        callee = Callee(settings, self._stream, read_answers(options.answers))
        callee.wait(host_port(*self._sip.local))
        if options.register:
            flow, now = self._sip.first_flow, self._clock.now()
            callee.register(options.register, flow, self._credentials, now)
        self._call = callee
        return ""

    async def _open_place(self) -> str:
        """Open the socket for calls that come straight to us; its host."""
        host, port = read_place(self._options.target)
        sip = UdpSip(self._on_sip, self._on_failure)
        sip.listen(host, port)
        self._open.callback(sip.close)
        self._sip = sip
        return host

    async def _open_way_to_registrar(self) -> str:
        """Open the socket for calls that the registrar sends us; its host."""
        target = read_target(self._options.register, ())
        remote = await resolve(target)
        host = local_address_for(remote)
        self._sip = await self._open_sip(target, host, remote)
        return host

    def _open_rtp(self, host: str) -> None:
        self._rtp, self._rtcp = open_rtp_pair(host, self._on_rtp, self._on_rtcp)
        self._open.callback(self._rtp.close)
        self._open.callback(self._rtcp.close)

    def _local_media(self, host: str) -> LocalMedia:
        return LocalMedia(host, self._rtp.local[1], session_id=int(self._clock.wall()))

    def _settings(self, target: Target, host: str) -> CallSettings:
        options = self._options
        return CallSettings(
            uri=target.uri,
            flow=self._sip.first_flow,
            media=self._local_media(host),
            from_=f'"test phone" <sip:{options.user or "phone"}@{host_port(host, 0)}>',
            credentials=self._credentials,
            call_id=options.call_id,
            keys=self._keys,
            keys_by=options.keys_by,
            for_s=options.for_s,
        )

    def _steer(self, call: PhoneCall, text: str) -> None:
        """Tell the workbench from now on, and let it steer."""
        self._control = Control(
            call,
            self._stream,
            self._network,
            self._clock,
            voice=self._options.voice,
            sound=self._sound,
        )
        if text:
            self._relay(PhoneProgressed(step="dialled", after_ms=0.0, text=text))
        self._relay(self._control.switches)
        self._loop.call_later(MEASURE_S, self._measure)

    async def _find_target(self) -> Target:
        options = self._options
        listeners = list(options.listen)
        if options.control_socket is not None and ":" not in options.target:
            try:
                listeners = await engine_listeners(options.control_socket) or listeners
            except EngineGone as exc:
                self._tell(Noted(f"{exc}; calling where the configuration says"))
        target = read_target(options.target, listeners)
        self._report = Report(target.uri)
        return target

    async def _open_sip(self, target: Target, host: str, remote: Address) -> SipSocket:
        sip = (TcpSip if target.transport == "tcp" else UdpSip)(self._on_sip, self._on_failure)
        await sip.open(host, remote)
        self._open.callback(sip.close)
        return sip

    def _credentials(self, realm: str) -> tuple[str, str] | None:
        user, password = self._options.user, self._options.password
        return (user, password) if user and password else None

    # -- the outside ---------------------------------------------------------------------

    def _on_sip(self, data: bytes, flow: Flow) -> None:
        if self._call is not None:
            self._call.receive_sip(data, flow, self._clock.now())
            self._pump()

    def _on_failure(self, flow: Flow, reason: str) -> None:
        if self._call is not None:
            self._call.flow_failed(flow, reason, self._clock.now())
            self._pump()

    def _on_rtp(self, data: bytes, source: Address) -> None:
        self._through_network(lambda: self._hear(data, source))

    def _hear(self, data: bytes, source: Address) -> None:
        if self._call is not None:
            self._call.receive_rtp(data, source, self._clock.now())
            self._tell_facts()

    def _through_network(self, deliver: Callable[[], None]) -> None:
        """Deliver a packet now, later or never, as the bad network has it."""
        delay_s = self._network.fate()
        if delay_s == 0:
            deliver()
        elif delay_s is not None:
            self._loop.call_later(delay_s, deliver)

    def _on_rtcp(self, data: bytes, source: Address) -> None:
        if self._call is not None:
            self._call.receive_rtcp(data, source, self._clock.now())

    def _on_timer(self) -> None:
        if self._call is not None:
            self._call.on_deadline(self._clock.now())
            self._pump()

    def _pump(self) -> None:
        """Send what there is to send, tell what there is to tell, set the timer."""
        call = self._call
        if call is None or self._done.done():
            return
        for data, flow in call.sip_to_send():
            self._sip.send(data, flow)
        for data, remote in call.rtp_to_send():
            self._through_network(partial(self._send_rtp, data, remote))
        for data, remote in call.rtcp_to_send():
            self._rtcp.send(data, remote)
        if self._timer is not None:
            self._timer.cancel()
        deadline = call.deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(deadline - self._clock.now(), self._on_timer)
        self._tell_facts()

    def _send_rtp(self, data: bytes, remote: Address) -> None:
        if not self._done.done():
            self._rtp.send(data, remote)

    def _tell_facts(self) -> None:
        while self._call is not None and (fact := self._call.next_fact()) is not None:
            self._tell(fact)
            if isinstance(fact, Ended) and not self._done.done():
                self._done.set_result(fact)

    def _measure(self) -> None:
        if self._done.done():
            return
        self._loop.call_later(MEASURE_S, self._measure)
        if not self._is_idle:
            self._relay(measure(self._stream, self._sound))

    def _watch_sound(self) -> None:
        if self._done.done():
            return
        self._loop.call_later(MEASURE_S, self._watch_sound)
        news = self._sound.watch(self._clock.now())
        for fact in news:
            self._tell(fact)
        if news and self._options.from_workbench:
            self._relay(self._control.switches)

    def _relay(self, event: PhoneEvent) -> None:
        self._say(json_line(event))

    @property
    def _is_idle(self) -> bool:
        return isinstance(self._call, Callee) and not self._call.was_called

    def _tell(self, fact: Fact) -> None:
        if isinstance(fact, Rang):
            self._audio.open_card()
        if isinstance(fact, KeyPressed):
            key = key_from_name(fact.name)
            assert key is not None, "it was pressed"
            self._sound.sidetone(dtmf_tone(key, fact.duration_ms, rate_hz=self._audio.rate_hz))
        if self._options.from_workbench:
            self._relay(event_of(fact, self._clock.wall(), self._wall_minus_now_s))
            return
        for line in self._report.lines(fact):
            self._say(line)

    def _say(self, line: str) -> None:
        if self._stdout_gone:
            return
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except OSError:
            # Whoever read us is gone; the call goes on without telling.
            self._stdout_gone = True

    # -- signals and keys ----------------------------------------------------------------

    def _watch_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "run() is a coroutine of a task"
        for number in END_SIGNALS:
            self._loop.add_signal_handler(number, self._interrupt, task)
            self._open.callback(self._loop.remove_signal_handler, number)

    def _interrupt(self, task: asyncio.Task[Any]) -> None:
        """Ctrl+C: hang up; a second one does not wait for the other side."""
        if self._call is None or self._interrupted:
            task.cancel()
            return
        self._interrupted = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._call is not None:
            self._call.hang_up(self._clock.now())
            self._pump()

    def _on_bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error in a callback ends the phone with its traceback instead of leaving it mute."""
        error = context.get("exception") or RuntimeError(str(context.get("message")))
        if not self._done.done():
            self._done.set_exception(error)

    async def _read_stdin(self) -> None:
        """Take lines from the workbench; when stdin closes it is gone: hang up."""
        async for line in stdin_lines():
            if line is None:
                self._tell(Noted(f"a line of more than {MAX_LINE_BYTES} bytes on stdin"))
            else:
                await self._obey(line)
        self._hang_up()

    async def _obey(self, line: str) -> None:
        try:
            turned = await self._control.do(line)
        except ConfigError as exc:
            self._tell(Noted(str(exc)))
            return
        if turned:
            self._relay(self._control.switches)
        self._pump()
