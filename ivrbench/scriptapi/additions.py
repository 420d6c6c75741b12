"""What ivrbench adds to the API of the reference server: methods of every `IvrDialog`.

Attributes and methods of a script with the same names come before these.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi.arguments import need_int, need_number, need_str
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.host import the_host
from ivrbench.scriptapi.ivr import AUDIO_READ, AUDIO_WRITE

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import CallPort

__all__ = ["KEYS", "Additions", "CallVariables"]

KEYS: Final = "0123456789*#ABCD"
"""Key codes 0 to 15 as characters."""
_MIN_KEY_MS, _MAX_KEY_MS = 40, 6000  # ITU-T Q.24: shorter ones may not be heard


class CallVariables(MutableMapping[str, object]):
    """What a script remembers of its call and the workbench shows.

    Each change is written into the monitoring store too, under the call's local tag.

    Args:
        local_tag: the call's.
    """

    def __init__(self, local_tag: str) -> None:
        self._local_tag = local_tag
        self._values: dict[str, object] = {}

    def __repr__(self) -> str:
        return repr(self._values)

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __setitem__(self, name: str, value: object) -> None:
        self._values[name] = value
        the_host().monitor(self._local_tag, str(name), str(value), added=False)

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        the_host().monitor(self._local_tag, str(name), "", added=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Additions:
    """Answering, keys to the caller, call variables, and waiting in `async def` handlers.

    `play`, `say`, `collect` and `record` are for `async def` handlers: `await` them. When the call
    ends meanwhile they raise `ivr.HungUp`, which a handler need not catch. While a handler uses
    them, keys do not go to `onDtmf`: `collect` gets them, also those pressed before it was called.
    """

    __slots__ = ()
    _ivrbench_port: CallPort

    # --- answering: in onInvite, or later if that returned None ---

    def answer(self, hdrs: str = "") -> None:
        """Answer the call with 200. Nothing happens if it has been answered.

        Args:
            hdrs: header lines to add, each ending in CRLF.

        Raises:
            ivr.semserror: no codec could be agreed on.
        """
        self._ivrbench_port.reply_to_invite(200, "OK", need_str("answer", 1, hdrs))

    def ring(self, hdrs: str = "") -> None:
        """Tell the caller that it rings here (180); the caller's phone makes the tone."""
        self._ivrbench_port.reply_to_invite(180, "Ringing", need_str("ring", 1, hdrs))

    def early_media(self, hdrs: str = "") -> None:
        """Let the caller hear audio before the answer (183): what is played comes through now.

        Raises:
            ivr.semserror: no codec could be agreed on.
        """
        hdrs = need_str("early_media", 1, hdrs)
        self._ivrbench_port.reply_to_invite(183, "Session Progress", hdrs)

    def reject(self, code: int = 486, reason: str = "", hdrs: str = "") -> None:
        """Refuse the call, and end the session. Nothing happens if it has been answered.

        Raises:
            ValueError: the code is none of a refusal, 300 to 699.
        """
        status = need_int("reject", 1, code)
        if not 300 <= status <= 699:
            raise ValueError(f"reject() code must be 300 to 699, not {status}")
        need_str("reject", 2, reason)
        self._ivrbench_port.reply_to_invite(status, reason, need_str("reject", 3, hdrs))

    # --- keys and variables ---

    def send_dtmf(self, keys: str, ms: int = 100) -> None:
        """Press keys towards the caller, one after the other.

        Args:
            keys: of `0123456789*#ABCD`.
            ms: how long each is held, 40 to 6000 milliseconds.

        Raises:
            ValueError: there is no such key or length.
        """
        need_str("send_dtmf", 1, keys)
        length_ms = need_int("send_dtmf", 2, ms)
        if not _MIN_KEY_MS <= length_ms <= _MAX_KEY_MS:
            raise ValueError(f"send_dtmf() needs {_MIN_KEY_MS} to {_MAX_KEY_MS} ms, not {ms}")
        self._ivrbench_port.send_keys(tuple(map(_code_of, keys.upper())), length_ms)

    @cached_property
    def vars(self) -> MutableMapping[str, object]:
        """A dict of the call's own; the workbench shows it."""
        return CallVariables(self._ivrbench_port.dialog.local_tag)

    # --- waiting, in async def handlers ---

    async def play(self, *prompts: str | IvrAudioFile, stop_on: str = "") -> str:
        """Play prompts one after the other, and wait until they have ended.

        Args:
            prompts: names of files, or files that are open.
            stop_on: keys that end it at once; a key of these that was pressed before and not
                collected does so too.

        Returns:
            the key that ended it, "" if it played to its end.

        Raises:
            OSError: a prompt cannot be played.
            ivr.HungUp: the call is over.
        """

        def files() -> list[IvrAudioFile]:
            return [_opened(prompt) for prompt in prompts]

        waits = self._ivrbench_port.waits
        return await waits.played(files, need_str("play", 2, stop_on), keep_key=False)

    async def say(self, text: str, stop_on: str = "") -> str:
        """Speak a text, and wait until it is said; see `play`.

        Raises:
            OSError: text to speech is not installed.
            ivr.HungUp: the call is over.
        """
        need_str("say", 1, text)
        waits = self._ivrbench_port.waits
        need_str("say", 2, stop_on)
        return await waits.played(lambda: [IvrAudioFile.tts(text)], stop_on, keep_key=False)

    async def collect(
        self,
        max_digits: int = 32,
        timeout: float = 5.0,  # noqa: ASYNC109  # between keys, and no error when it is over
        terminators: str = "#",
        *,
        prompt: str | IvrAudioFile | None = None,
    ) -> str:
        """Wait for keys.

        Args:
            max_digits: end when there are so many.
            timeout: seconds to wait for the first key, and for each after it.
            terminators: keys that end it; they are not part of the result.
            prompt: played before, until the first key.

        Returns:
            the keys, "" if none was pressed.

        Raises:
            ivr.HungUp: the call is over.
        """
        wanted = need_int("collect", 1, max_digits)
        timeout_s = need_number("collect", 2, timeout)
        need_str("collect", 3, terminators)
        waits = self._ivrbench_port.waits
        if prompt is not None:
            await waits.played(lambda: [_opened(prompt)], KEYS, keep_key=True)
        keys = ""
        while len(keys) < wanted:
            key = await waits.key(timeout_s)
            if not key or key in terminators:
                break
            keys += key
        return keys

    async def record(
        self,
        file: str | IvrAudioFile,
        max_seconds: float = 60.0,
        stop_on: str = "#",
        silence: float = 0.0,
    ) -> int:
        """Record the caller, and wait until that has ended.

        Args:
            file: name of the file, or one that is open for writing.
            max_seconds: how long at most.
            stop_on: keys that end it.
            silence: seconds without a voice that end it; 0: they do not.

        Returns:
            how many milliseconds were recorded.

        Raises:
            OSError: the file cannot be written.
            ivr.HungUp: the call is over; what was said until then is in the file.
        """
        limit_ms = round(need_number("record", 2, max_seconds) * 1000)
        need_str("record", 3, stop_on)
        silence_ms = max(0, round(need_number("record", 4, silence) * 1000))
        return await self._ivrbench_port.waits.recorded(
            lambda: _to_record(file, limit_ms), stop_on, silence_ms, closes=isinstance(file, str)
        )


def _opened(prompt: str | IvrAudioFile) -> IvrAudioFile:
    if isinstance(prompt, IvrAudioFile):
        return prompt
    file = IvrAudioFile()
    file.open(prompt, AUDIO_READ)
    return file


def _to_record(file: str | IvrAudioFile, limit_ms: int) -> IvrAudioFile:
    if isinstance(file, str):
        name, file = file, IvrAudioFile()
        file.open(name, AUDIO_WRITE)
    file.setRecordTime(limit_ms)
    return file


def _code_of(key: str) -> int:
    code = KEYS.find(key)
    if code < 0:
        raise ValueError(f"send_dtmf(): there is no key {key!r}")
    return code
