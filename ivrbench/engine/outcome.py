"""Outcome: a handler's call, what became of it, and the events that tell of it."""

from __future__ import annotations

import contextlib
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.engine.memory.brake import OUT_OF_MEMORY
from ivrbench.observe.events import HandlerCalled, HandlerRaised, HandlerStarted
from ivrbench.scriptapi.ivr import semserror
from ivrbench.scriptapi.sipviews import IvrSipReply, IvrSipRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ivrbench.engine.scripts.generation import Generation
    from ivrbench.scriptapi.dialog import IvrDialogBase

__all__ = [
    "Call",
    "Outcome",
    "Running",
    "ScriptRefusal",
    "arguments_text",
    "called_event",
    "drop_frames",
    "let_go_of_locals",
    "log_stuck",
    "message_of",
    "raised_event",
    "refusal_of",
    "script_frames",
    "started_event",
    "traceback_text",
]

log = logging.getLogger("ivrbench.script")

_HAS_DEFAULT: Final = frozenset(
    {
        "onInvite",
        "onBye",
        "onDtmf",
        "onOtherBye",
        "onOtherReply",
        "onFailed",
        "onTransfer",
        "onRefer",
    }
)
"""Handlers whose return value decides whether a default action runs (ivr-api §0.1)."""
STACK_AFTER_S: Final = 1.0
"""A handler that runs longer is told of with its stack."""
NO_MEMORY: Final = "there is no more memory, see max_memory_mb"
"""Python's own says nothing."""
_MAX_TEXT = 200  # characters of one argument or return value shown to people


@dataclass(slots=True)
class Call:
    """One event for a script."""

    handler: str
    args: tuple[object, ...] = ()
    old_args: tuple[object, ...] | None = None
    """Arguments of the handler's older form, if it had one (`compat.fit_arguments`):
    onSessionStart `(hdrs,)`, onSipReply `(reply,)`."""
    action: Callable[[IvrDialogBase], object] | None = None
    """What is called with the dialog object instead of a handler of it."""
    number: int = 0
    """Counts the calls of one mailbox from 1; set when its turn comes."""


@dataclass(slots=True)
class Outcome:
    """What became of a `Call`."""

    call: Call
    defined: bool
    """False: the script has no such handler, so nothing ran."""
    returned: object = None
    raised: BaseException | None = None
    elapsed_s: float = 0.0
    file: str = ""
    """Real path of the source the handler is written in, "" if unknown."""
    line: int = 0
    """Line of its `def`, 0 if unknown."""
    waited: bool = False
    """It is an `async def`: the time it took it may have spent waiting."""

    @property
    def default_runs(self) -> bool:
        """The default action is due: no handler, or it returned exactly True (ivr-api §0.1)."""
        return not self.defined or self.returned is True


@dataclass(frozen=True, slots=True)
class Running:
    """A handler that has not returned yet."""

    call: Call
    elapsed_s: float
    file: str
    """Real path of the innermost source of the script it is executing, "" if unknown."""
    line: int
    stack: str
    """As in a traceback."""
    waits: bool = False
    """It is an `async def` and occupies no thread."""


@dataclass(frozen=True, slots=True)
class ScriptRefusal:
    """What `ivr.semserror` asks for: a final reply to the INVITE, or the end of the session."""

    code: int
    reason: str
    hdrs: str


def refusal_of(raised: BaseException | None) -> ScriptRefusal | None:
    """The reply a `semserror` carries: a dict with `code`, `reason` and `hdrs` (ivr-api §2.3).

    Returns:
        None for any other exception, and for a `semserror` without a usable dict, which is then
        reported like any other exception.
    """
    if not isinstance(raised, semserror):
        return None
    for value in raised.args:
        if isinstance(value, dict):
            code, reason, hdrs = (value.get(key) for key in ("code", "reason", "hdrs"))
            if type(code) is int and isinstance(reason, str) and isinstance(hdrs, str):
                return ScriptRefusal(code, reason, hdrs)
    return None


def started_event(leg: str, running: Running) -> HandlerStarted:
    """For a handler that has run for a while."""
    call = running.call
    return HandlerStarted(
        leg=leg,
        call=call.number,
        handler=call.handler,
        line=running.line,
        elapsed_ms=running.elapsed_s * 1000.0,
        waits=running.waits,
        stack=running.stack if running.elapsed_s >= STACK_AFTER_S else "",
    )


def log_stuck(running: Running, leg: str, script: str) -> None:
    """Tell of a handler that has run for so long that it may never return, with its stack."""
    log.warning(
        "%s has not returned after %.0f s; it is at %s:%d, and its call waits\n%s",
        running.call.handler,
        running.elapsed_s,
        running.file,
        running.line,
        running.stack.rstrip("\n"),
        extra={"leg": leg, "script": script},
    )


def called_event(leg: str, outcome: Outcome) -> HandlerCalled:
    """For a handler that returned."""
    call = outcome.call
    default = ""
    if call.handler in _HAS_DEFAULT:
        default = "ran" if outcome.default_runs else "suppressed"
    return HandlerCalled(
        leg=leg,
        call=call.number,
        handler=call.handler,
        arguments=arguments_text(call.args),
        returned=_text_of(outcome.returned),
        default=default,
        elapsed_ms=outcome.elapsed_s * 1000.0,
        file=outcome.file,
        line=outcome.line,
        waited=outcome.waited,
    )


def raised_event(leg: str, outcome: Outcome, generation: Generation, then: str) -> HandlerRaised:
    """For a handler that raised.

    Args:
        leg: the leg's name.
        outcome: with `raised` set.
        generation: the script.
        then: what became of the call, for people.
    """
    raised = outcome.raised
    assert raised is not None, "raised_event is for handlers that raised"
    frames = script_frames(raised.__traceback__, generation)
    ours = [frame for frame in frames if frame.filename in generation.files]
    file, line = outcome.file or generation.file, outcome.line
    if ours:
        file, line = generation.real_file(ours[-1].filename), ours[-1].lineno or 0
    return HandlerRaised(
        leg=leg,
        call=outcome.call.number,
        script=generation.script,
        generation=generation.number,
        handler=outcome.call.handler,
        arguments=arguments_text(outcome.call.args),
        error_type=type(raised).__name__,
        message=message_of(raised),
        traceback=traceback_text(raised, frames),
        file=file,
        line=line,
        elapsed_ms=outcome.elapsed_s * 1000.0,
        then=then,
    )


def arguments_text(args: tuple[object, ...]) -> str:
    """Arguments as they would be written in the source: `1, 100`."""
    return ", ".join(_text_of(arg) for arg in args)


def script_frames(
    trace: TracebackType | None, generation: Generation
) -> list[traceback.FrameSummary]:
    """The frames of a traceback from the script's first on, without ours before it."""
    frames = list(traceback.extract_tb(trace))
    first = next((i for i, f in enumerate(frames) if f.filename in generation.files), len(frames))
    return frames[first:]


def traceback_text(raised: BaseException, frames: list[traceback.FrameSummary]) -> str:
    """A traceback as Python prints it, of these frames only."""
    head = ["Traceback (most recent call last):\n"] if frames else []
    try:
        last = traceback.format_exception_only(type(raised), raised)
    except Exception:  # the script's own __str__ may raise
        last = [f"{type(raised).__name__}\n"]
    return "".join([*head, *traceback.format_list(frames), *last])


def message_of(raised: BaseException) -> str:
    """What an exception says; what Python's own `MemoryError` does not say."""
    try:
        return str(raised) or (NO_MEMORY if isinstance(raised, OUT_OF_MEMORY) else "")
    except Exception:  # as above
        return ""


def _text_of(value: object) -> str:
    if isinstance(value, IvrSipRequest):
        return value.method
    if isinstance(value, IvrSipReply):
        return f"{value.code} {value.reason}"
    try:
        text = repr(value)
    except Exception:  # the script's own __repr__ may raise
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def let_go_of_locals(raised: BaseException) -> None:
    """Give back at once what a handler had collected when it ran out of memory.

    Its frames would keep that until the loop has told of the exception. Where they are in the
    source stays known.

    Args:
        raised: what went through the frame that calls this.
    """
    each: BaseException | None = raised
    while each is not None and not isinstance(each, OUT_OF_MEMORY):
        each = each.__cause__ or each.__context__
    if each is None:
        return
    ours = raised.__traceback__
    each = raised
    while each is not None:
        trace = each.__traceback__
        while trace is not None:
            if trace is not ours:
                with contextlib.suppress(RuntimeError):  # it still runs, here or in another thread
                    trace.tb_frame.clear()
            trace = trace.tb_next
        each = each.__cause__ or each.__context__


def drop_frames(raised: BaseException | None) -> None:
    """Keep an exception that nobody asks any more where it came from.

    Its frames know it and the call, and would keep both until the collector comes.
    """
    while raised is not None and raised.__traceback__ is not None:
        raised.__traceback__ = None
        raised = raised.__cause__ or raised.__context__
