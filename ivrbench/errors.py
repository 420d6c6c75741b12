"""The error tree. Every error ivrbench raises on purpose is one of these.

    IvrbenchError
    ├── ConfigError              ivr.conf or NAME.conf cannot be used (file, line, key)
    ├── ScriptError              a script is at fault (script, file, line)
    │   ├── ScriptLoadError      it does not load
    │   └── ScriptRaised         one of its handlers raised
    ├── SipError
    │   ├── LocalProtocolError   we tried to send something the RFC forbids: our bug
    │   └── RemoteProtocolError  the peer sent something unusable; `status_hint` is the answer
    ├── SdpError                 a session description cannot be parsed or agreed on
    ├── MediaError               audio file, codec, port or recording trouble
    ├── DeviceError              no sound card, or it went away
    ├── ControlError             bytes on the control socket are no message of ours
    ├── EngineGone               the control socket's other end is not there any more
    └── ExpectationFailed        a call of a test went another way than the test says

Data is kept as attributes; `str()` gives a sentence for people.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "ControlError",
    "DeviceError",
    "EngineGone",
    "ExpectationFailed",
    "IvrbenchError",
    "LocalProtocolError",
    "MediaError",
    "RemoteProtocolError",
    "ScriptError",
    "ScriptLoadError",
    "ScriptRaised",
    "SdpError",
    "SipError",
]


class IvrbenchError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(IvrbenchError):
    """A configuration file cannot be used as it is.

    Attributes:
        file: path of the file the problem is written in, "" if it came from the command line.
        line: 1-based line, 0 if unknown.
        key: the key at fault, "" if none.
    """

    def __init__(self, reason: str, *, file: str = "", line: int = 0, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        key = f"{self.key}: " if self.key else ""
        return f"{where}{key}{self.reason}"


class ScriptError(IvrbenchError):
    """A script is at fault.

    Attributes:
        script: the script's name, without `.py`.
        file: path of the source file.
        line: 1-based line, 0 if unknown.
    """

    def __init__(self, reason: str, *, script: str, file: str = "", line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.script = script
        self.file = file
        self.line = line

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self.reason}"


class ScriptLoadError(ScriptError):
    """A script does not load: bad syntax, an import that raised, no usable `IvrDialog`."""


class ScriptRaised(ScriptError):
    """A handler of a script raised."""


class SipError(IvrbenchError):
    """Base of the SIP errors."""


class LocalProtocolError(SipError):
    """We were asked to send something the RFC forbids."""


class RemoteProtocolError(SipError):
    """The peer sent something unusable.

    Attributes:
        status_hint: the SIP status code to answer with (400, 505, 416, …).
    """

    def __init__(self, reason: str, *, status_hint: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint


class SdpError(IvrbenchError):
    """A session description cannot be parsed (400) or has nothing we can use (488).

    Attributes:
        status_hint: the SIP status code to answer with.
    """

    def __init__(self, reason: str, *, status_hint: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint


class MediaError(IvrbenchError):
    """Audio file, codec, port or recording trouble."""


class DeviceError(IvrbenchError):
    """There is no sound card, or it went away."""


class ControlError(IvrbenchError):
    """The other end of the control socket sent something that is no message of ours."""


class EngineGone(IvrbenchError):
    """The engine at the other end of the control socket is not there any more."""


class ExpectationFailed(IvrbenchError, AssertionError):
    """A call of a test went another way than the test says.

    Attributes:
        expected: what the test says, in words.
        got: what happened instead.
        script_line: "file:line" where the script was, "" if it has not run.
        timeline: lines about what happened around it.
    """

    def __init__(
        self, expected: str, got: str, *, script_line: str = "", timeline: tuple[str, ...] = ()
    ) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got
        self.script_line = script_line
        self.timeline = timeline

    def __str__(self) -> str:
        lines = [f"expected  {self.expected}", f"got       {self.got}"]
        if self.script_line:
            lines.append(f"script    {self.script_line}")
        return "\n".join([*lines, *(["", *self.timeline] if self.timeline else [])])
