"""The console: a line of Python, evaluated between two handlers of a call.

It runs where handlers run, in the same order, so that nothing of the call changes meanwhile. A line
may only look, unless it is said to change something: then the call is marked as touched.
"""

from __future__ import annotations

import ast
import asyncio
import contextvars
import reprlib
import sys
import time
import traceback
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ivrbench import scriptapi
from ivrbench.observe.commands import Answered
from ivrbench.observe.inspection import CallTouched
from ivrbench.scriptapi.running import current

from .outcome import Call

if TYPE_CHECKING:
    from types import FrameType

    from ivrbench.observe.commands import Evaluate
    from ivrbench.scriptapi.dialog import IvrDialogBase

    from .outcome import Outcome
    from .session import Session
    from .switchboard import Switchboard

__all__ = ["CONSOLE", "Consoles", "refusal_of_line"]

CONSOLE: Final = "console"
"""Name of the call in the mailbox."""
MAX_RUN_S: Final = 1.0
"""A line that computes for longer is interrupted."""
TURN_WITHIN_S: Final = 3.0
"""A line that does not get its turn in this time, because a handler runs, is dropped."""
MAX_RESULT: Final = 2_000
MAX_LINE: Final = 4_000
_HINT: Final = "Prefix with ! to do it."
_FILE: Final = "<console>"
_API_FOLDER: Final = str(Path(scriptapi.__file__).parent)
_CHANGES: Final = frozenset(
    {
        *("append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault"),
        *("popitem", "add", "discard", "sort", "reverse", "write", "close", "open", "fpopen"),
        *("rewind", "exec", "eval", "setattr", "delattr", "compile", "__import__", "__setattr__"),
    }
)
"""Names of functions that change something, whatever they are called on."""
_REFUSED_NODES: Final[dict[type[ast.AST], str]] = {
    ast.NamedExpr: "this assigns",
    ast.Await: "this waits",
    ast.Yield: "this waits",
    ast.YieldFrom: "this waits",
}


class _Stopped(BaseException):
    """Ends a line from within; a BaseException, so that the script's code does not catch it."""


@dataclass(slots=True, eq=False)
class _Line:
    """One line, on its way to the call's thread and back."""

    text: str
    may_change: bool
    names: dict[str, object]
    """What earlier lines assigned; goes on from line to line."""
    module: dict[str, Any]  # Any: a script's globals
    dropped: bool = False
    began: bool = False
    result: str = ""
    ok: bool = False
    _dialog: object = None
    _until_s: float = 0.0

    def run(self, dialog: IvrDialogBase) -> None:
        """Evaluate it, in the script's thread."""
        if self.dropped:
            return
        self.began = True
        self._dialog = dialog
        self._until_s = time.monotonic() + MAX_RUN_S
        before = sys.gettrace()
        sys.settrace(self._watch)
        try:
            self.result, self.ok = self._evaluate(dialog), True
        except _Stopped as stop:
            self.result = str(stop)
        except BaseException as exc:  # a script's sys.exit() ends its line and nothing else
            sys.settrace(before)
            self.result = "".join(traceback.format_exception_only(exc)).strip()[:MAX_RESULT]
        finally:
            sys.settrace(before)
            self._dialog = None

    def _evaluate(self, dialog: object) -> str:
        tree = ast.parse(self.text, _FILE)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        scope: dict[str, Any] = {**self.module, **self.names, "self": dialog}
        value = None
        exec(compile(tree, _FILE, "exec"), scope)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), _FILE, "eval"), scope)
        shown = _shown(value)
        self.names.update((n, v) for n, v in scope.items() if self.module.get(n) is not v)
        for name in ("self", "__builtins__"):
            self.names.pop(name, None)
        return shown

    def _watch(self, frame: FrameType, event: str, _: object) -> Any:
        """Trace function: ends what takes too long, and what would change the call."""
        if time.monotonic() > self._until_s:
            raise _Stopped(f"interrupted: it computed for more than {MAX_RUN_S:.0f} s")
        frame.f_trace_opcodes = True  # a loop on one line has no further lines
        if event == "call" and not self.may_change:
            self._check(frame)
        return self._watch

    def _check(self, frame: FrameType) -> None:
        code = frame.f_code
        first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        is_api = code.co_filename.startswith(_API_FOLDER) and code.co_argcount > 0
        if not is_api and first is not self._dialog:
            return
        if code.co_name.startswith("__") or _is_property(type(first), code.co_name):
            return
        raise _Stopped(f"refused: {code.co_name}() may change the call. {_HINT}")


class Consoles:
    """Evaluates lines for workbenches; on the loop.

    Args:
        board: whose calls.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._names: weakref.WeakKeyDictionary[Session, dict[str, object]] = (
            weakref.WeakKeyDictionary()
        )

    async def evaluate(self, command: Evaluate) -> Answered:
        """Evaluate a line and give what came of it."""
        session = self._board.sessions.get(command.leg)
        refusal = self._refusal(session, command)
        if session is None or refusal:
            return Answered(command.request, ok=False, text=refusal, leg=command.leg)
        names = self._names.setdefault(session, {})
        text = command.text.strip()
        line = _Line(text, command.may_change, names, vars(session.generation.module))
        await _have_run(session, line)
        result = line.result or _not_run(session, line)
        if command.may_change and line.began:
            self._board.publish(CallTouched(command.leg, text, result))
        if not session.over:
            session.inspector.look()
            session.settle()
        return Answered(command.request, ok=line.ok, text=result, leg=command.leg)

    def _refusal(self, session: Session | None, command: Evaluate) -> str:
        if not self._board.settings.console_is_on:
            return "the console is off here: console = yes in ivr.conf turns it on"
        if session is None or session.over:
            return f"{command.leg} is not up any more"
        if len(command.text) > MAX_LINE:
            return f"the line is longer than {MAX_LINE} characters"
        return refusal_of_line(command.text.strip(), may_change=command.may_change)


def refusal_of_line(text: str, *, may_change: bool) -> str:
    """Why a line is not evaluated, as far as its text tells; "" if it may be.

    Args:
        text: the line.
        may_change: whether it was said to change something.
    """
    try:
        tree = ast.parse(text, _FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        return f"{type(exc).__name__}: {getattr(exc, 'msg', exc)}"
    if may_change:
        return ""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return f"refused: this changes something. {_HINT}" if tree.body else "there is nothing"
    for node in ast.walk(tree):
        why = _REFUSED_NODES.get(type(node)) or _changes(node)
        if why:
            return f"refused: {why}. {_HINT}"
    return ""


def _changes(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return f"{name}() changes something" if name in _CHANGES else ""


async def _have_run(session: Session, line: _Line) -> None:
    """Wait until the line was evaluated, or for as long as anybody would."""
    loop = session.board.loop
    ran: asyncio.Future[None] = loop.create_future()

    def done(_: Outcome) -> None:
        if not ran.done():
            ran.set_result(None)

    waiting: asyncio.Future[None] = ran
    dialog = session.mailbox.dialog
    if session.mailbox.is_suspended and dialog is not None:
        # The `async def` handler waits, perhaps for minutes: beside it the object stands still.
        context = contextvars.copy_context()
        context.run(current.set, session.mailbox.where)
        waiting = loop.run_in_executor(None, context.run, line.run, dialog)
    else:
        session.mailbox.post(Call(CONSOLE, action=line.run), done)
    try:
        async with asyncio.timeout(TURN_WITHIN_S):
            await asyncio.shield(waiting)
    except TimeoutError:
        line.dropped = True


def _not_run(session: Session, line: _Line) -> str:
    """Why there is no result."""
    if line.began:
        return f"it has not returned after {TURN_WITHIN_S:.0f} s; the call waits for it"
    call = session.mailbox.call
    if session.over or call is None:
        return "the call is over"
    return f"{call.handler} has not returned: the line was dropped. Try again when it has"


def _is_property(kind: type, name: str) -> bool:
    return any(isinstance(vars(cls).get(name), property) for cls in kind.__mro__)


def _shown(value: object) -> str:
    short = reprlib.Repr()
    short.maxlevel = 5
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxdeque = 50
    short.maxstring = short.maxother = short.maxlong = MAX_RESULT
    return short.repr(value)[:MAX_RESULT]
