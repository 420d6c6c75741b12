"""Inspector: tells what attributes the dialog object of a call has after each of its handlers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.observe.inspection import AttributeChanged, InspectedValue, LegInspected
from ivrbench.scriptapi.dialog import IvrDialogBase
from ivrbench.scriptapi.sipviews import STATUS_NAMES

from .describe import TEST_PHONE, peer_name
from .part import Part
from .value_text import Describer, instance_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session

__all__ = ["Inspector", "attributes_of"]

log = logging.getLogger("ivrbench.script")

MAX_ATTRIBUTES: Final = 200
_DIALOG: Final = (
    *("user", "domain", "local_uri", "remote_uri", "callid", "local_tag", "remote_tag"),
    *("local_party", "remote_party", "route", "outbound_proxy", "cseq"),
)
_REQUEST: Final = ("method", "r_uri", "from_header", "to_header", "callid", "cseq", "hdrs", "body")
_CODE: Final = (property, staticmethod, classmethod)


class Inspector(Part):
    """Looks at one session; on the loop, while none of its handlers runs.

    It looks after calls of the test phone, calls that a workbench asked for, and with
    `inspect = all` after every call.

    Args:
        session: whose dialog object is looked at.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._began_s = session.board.loop.time()
        self._shown: dict[str, InspectedValue] = {}
        self._request: object = None
        """The INVITE that `_invite` describes."""
        self._invite = InspectedValue("")
        self._is_test: bool | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody wants to know."""
        session = self.session
        which = session.board.settings.inspect
        if which != "watched":
            return which == "all"
        if self._is_test is None:
            came_in = session.order is None
            self._is_test = came_in and peer_name(session.leg.call.invite_request) == TEST_PHONE
        return self._is_test or session.leg.name in session.board.hub.inspected

    def look(self, call: int = 0) -> None:
        """Publish what changed since the last look, if anybody wants to know.

        Args:
            call: number of the handler's call that has just returned, 0 if none has.
        """
        if self.session.over or not self.is_wanted:
            return
        try:
            values = dict(self._values())
        except Exception:  # whatever it stumbles over, the call goes on
            log.exception("the attributes could not be looked at; this is a fault of ivrbench")
            return
        before, self._shown = self._shown, values
        changes = [
            AttributeChanged(path, value, before[path].text if path in before else "")
            for path, value in values.items()
            if before.get(path) != value
        ]
        gone = (path for path in before if path not in values)
        changes += [AttributeChanged(path, None, before[path].text) for path in gone]
        if changes:
            name = self.session.leg.name
            self.session.board.publish(LegInspected(name, call, tuple(changes), not before))

    def _values(self) -> Iterator[tuple[str, InspectedValue]]:
        describer = Describer()
        for name, value in attributes_of(self.session.mailbox.dialog):
            yield f"self.{name}", describer.value(value)
        session = self.session
        dialog = session.leg.dialog
        for name in _DIALOG:
            yield f"dialog.{name}", describer.value(getattr(dialog, name))
        yield "dialog.status_str", describer.value(STATUS_NAMES[dialog.status])
        yield "invite_req.", self._invite_value()
        names = _timer_names(vars(session.generation.module))
        for timer_id, due_s in session.timers.due().items():
            text = f"{due_s - self._began_s:.1f}"
            yield f"timers.{timer_id}", InspectedValue(f"{text} {names.get(timer_id, '')}".rstrip())
        switches = session.port.switches
        for name in ("receiving", "detect_keys", "muted", "attached"):
            yield f"media.{name}", InspectedValue("on" if getattr(switches, name) else "off")

    def _invite_value(self) -> InspectedValue:
        """The INVITE; described anew only when there is another one."""
        request = self.session.leg.invite_req
        if request is not self._request:
            self._request = request
            describer = Describer()
            n_headers = request.hdrs.count("\n")
            body = "SDP" if "v=0" in request.body[:10] else "body" if request.body else "no body"
            self._invite = InspectedValue(
                f"{request.method}, {n_headers} headers, {body}",
                tuple((name, describer.value(getattr(request, name))) for name in _REQUEST),
            )
        return self._invite


def attributes_of(dialog: IvrDialogBase | None) -> Iterator[tuple[str, object]]:
    """The attributes of a dialog object, with those its class gives to every call."""
    if dialog is None:
        return
    own = dict(instance_attributes(dialog))
    found: dict[str, object] = {}
    for cls in reversed(type(dialog).__mro__):
        if cls not in IvrDialogBase.__mro__:
            found.update((n, v) for n, v in list(vars(cls).items()) if _is_data(n, v))
    found.update(own)
    yield from list(found.items())[:MAX_ATTRIBUTES]


def _is_data(name: str, value: object) -> bool:
    """An attribute of a class that is no method and none of Python's own."""
    if name.startswith("__"):
        return False
    return not (type(value) in _CODE or hasattr(type(value), "__get__"))


def _timer_names(module: dict[str, object]) -> dict[int, str]:
    """Constants of the script that look like numbers of timers, by number."""
    found: dict[int, str] = {}
    for name, value in list(module.items()):
        if type(value) is int and name.isupper() and "TIMER" in name:
            found.setdefault(value, name)
    return found
