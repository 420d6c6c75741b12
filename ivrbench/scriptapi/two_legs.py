"""TwoLegs: the methods of every `IvrDialog` for a second party in a call (ivr-api §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.scriptapi.arguments import need_str
from ivrbench.scriptapi.port import Parties
from ivrbench.sip.grammar import check_text, quote
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import CallPort

__all__ = ["TwoLegs"]


class TwoLegs:
    """The second party, the "other leg": calling it, joining and parting both, ending either."""

    __slots__ = ()
    _ivrbench_port: CallPort

    B2BMode = False

    def connectCallee(
        self,
        remote_party: str | None,
        remote_uri: str | None = None,
        local_party: str | None = None,
        local_uri: str | None = None,
        /,
    ) -> None:
        """Call a second party and join it with the caller; how it goes comes to `onOtherReply`.

        `connectCallee(None)` calls whom the caller called. A second party that is there already
        is hung up first. The callee gets the caller's headers and those added to
        `invite_req.hdrs`.

        Args:
            remote_party: the To of the new call, `"Ann" <sip:ann@example.com>`.
            remote_uri: where it goes to, `sip:ann@example.com`.
            local_party, local_uri: its From; without both of them the caller's.

        Raises:
            TypeError: something else than these forms.
            ValueError: a URI is none, or a line end is in a text.
        """
        if remote_party is None:
            if remote_uri is not None:
                raise TypeError("connectCallee(None) takes no further arguments")
            self._ivrbench_port.connect_callee(None)
            return
        need_str("connectCallee", 1, remote_party)
        uri = _uri("connectCallee", 2, remote_uri)
        to = _party("connectCallee", 1, remote_party, uri)
        from_ = ""
        for position, text in ((3, local_party), (4, local_uri)):
            if text is not None:
                need_str("connectCallee", position, text)
        if local_party and local_uri:
            from_ = _party("connectCallee", 3, local_party, _uri("connectCallee", 4, local_uri))
        self._ivrbench_port.connect_callee(Parties(uri, to, from_))

    def terminateOtherLeg(self, *ignored: object) -> None:
        """Hang up the second party, or stop calling it; the caller stays."""
        self._ivrbench_port.terminate_other_leg()

    def terminateLeg(self, *ignored: object) -> None:
        """Hang up the caller now, and end the session."""
        self._ivrbench_port.terminate_leg()

    def setRelayonly(self) -> None:
        """From now on requests of one party go to the other instead of being processed here."""
        self._ivrbench_port.set_relay_only(on=True)

    def setNoRelayonly(self) -> None:
        """Process requests here again."""
        self._ivrbench_port.set_relay_only(on=False)

    def connectAudio(self) -> None:
        """Let the caller hear this session's playlist instead of the second party.

        Where the audio of both goes past us, a re-INVITE brings the caller's here.
        """
        self._ivrbench_port.connect_audio(on=True)

    def disconnectAudio(self) -> None:
        """Join the caller's audio with the second party's again."""
        self._ivrbench_port.connect_audio(on=False)


def _uri(function: str, position: int, value: str | None) -> str:
    """A URI that can be called; angle brackets around it are taken off."""
    text = need_str(function, position, value).strip().removeprefix("<").removesuffix(">")
    try:
        parse_uri(text)
    except RemoteProtocolError as exc:
        message = f"{function}() argument {position} {value!r} is no SIP URI: {exc.reason}"
        raise ValueError(message) from None
    return text


def _party(function: str, position: int, value: str, uri: str) -> str:
    """A From or To value without tag; a plain name is put before the URI."""
    text = need_str(function, position, value).strip()
    try:
        check_text(text, f"{function}() argument {position}")
        return parse_name_addr(text).address
    except LocalProtocolError as exc:
        raise ValueError(str(exc)) from None
    except RemoteProtocolError:
        return f"{quote(text)} <{uri}>" if text else f"<{uri}>"
