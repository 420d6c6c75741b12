"""Bench: an engine in virtual time, for tests: dial a script, and say what it must do.

with Bench("scripts") as bench:
    call = bench.dial("pin_collect")
    call.answered()
    call.plays("pin.wav")
    call.press("1234#")
    call.plays("accepted.wav")
    call.hangs_up(by="script")
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ivrbench.config import Settings, load_settings
from ivrbench.errors import ConfigError
from ivrbench.testing.callee import Callee, Invited
from ivrbench.testing.caller import Caller
from ivrbench.testing.dates import REAL_DATETIME
from ivrbench.testing.stage import Stage
from ivrbench.testing.virtual import VirtualEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ivrbench.sip.flow import Address, Flow
    from ivrbench.testing.network import BadNetwork

__all__ = ["Bench", "BenchBase"]

NOON_S: Final = REAL_DATETIME(2026, 6, 1, 12).timestamp()
"""Monday, in the time zone of the machine: a test does not depend on the hour it runs at."""
REPLACED = ("ivr", "log")
"""Modules the engine puts into `sys.modules`; they are put back."""


class BenchBase(Stage):
    """What a bench in virtual time and one on real sockets have in common.

    It opens with the first call, so settings can be changed before.

    Args:
        script_path: the folder of the scripts.
        settings: keys of `ivr.conf` that differ from the default, as `session_limit=1` or
            `codec_order="PCMA"`: what would be written there.

    Raises:
        ConfigError: there is no such setting.
    """

    def __init__(self, script_path: Path | str = "scripts", **settings: object) -> None:
        super().__init__()
        self._settings: dict[str, object] = {}
        self._is_open = False
        self._agents: list[Invited] = []
        self._modules: dict[str, Any] = {}
        self.choose_scripts: Callable[[], tuple[Path, Path | None]] = lambda: (
            Path(script_path),
            None,
        )
        """Asked when it opens: folder of the scripts, and of their `NAME.conf` (None: as usual)."""
        self.configure(**settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- before the first call ----------------------------------------------------------------

    def configure(self, **settings: object) -> None:
        """Change settings, before the first call.

        Raises:
            ConfigError: there is no such setting.
        """
        known = {field.name for field in fields(Settings)}
        for key in settings:
            if key not in known:
                raise ConfigError("there is no such setting", key=key)
        assert not self._is_open, "configure before the first call"
        self._settings.update(settings)

    def open(self) -> None:
        """Bring the engine up; `dial` does it if it is not.

        Raises:
            ConfigError: a setting cannot be used.
            RuntimeError: an event loop runs here: the test is `async def`.
        """
        if self._is_open:
            return
        if _loop_is_running():
            raise RuntimeError(
                "a bench lets time pass itself: write the test as `def`, not `async`"
            )
        self._modules = {name: sys.modules.get(name) for name in REPLACED}
        self._excepthook = sys.excepthook
        script_path, conf_folder = self.choose_scripts()
        self.folders.insert(0, script_path)
        if conf_folder is not None:
            self._settings.setdefault("plugin_config_path", conf_folder)
        if not script_path.is_dir():
            raise ConfigError(f"{script_path} is not a directory", key="script_path")
        settings = _read({**self._settings, "script_path": script_path.absolute()})
        self._is_open = True
        self._open(settings)
        self.began_s = self.now()

    def close(self) -> None:
        """End all calls and the engine; may be called twice."""
        if not self._is_open:
            return
        self._is_open = False
        for agent in self._agents:
            agent.close()
        try:
            self._close()
        finally:
            sys.excepthook = self._excepthook
            for name, module in self._modules.items():
                sys.modules.pop(name, None)
                if module is not None:
                    sys.modules[name] = module

    def _open(self, settings: Settings) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    # --- calls --------------------------------------------------------------------------------

    def dial(
        self,
        script: str = "",
        *,
        uri: str = "",
        caller: str = "",
        params: dict[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        keys: bool = True,
        body: bytes | None = None,
        network: BadNetwork | None = None,
    ) -> Caller:
        """Call a script. Returns at once; say what must happen by the caller's verbs.

        Args:
            script: its name: the user part of the Request-URI.
            uri: another Request-URI.
            caller: the From header's value, `"Ann" <sip:ann@example.org>`.
            params: what `getAppParam` finds: header P-App-Param.
            headers: more headers of the INVITE.
            codecs: what the caller offers, best first: "PCMU", "PCMA", "G722", "opus", "GSM".
            keys: the caller offers telephone-event (RFC 4733).
            body: another session description; `b""`: none, the offer comes from the engine.
            network: how bad the way of the audio is.
        """
        self.open()
        agent = Invited(self.network, codecs=codecs, keys=keys)
        self._agents.append(agent)
        if network is not None:
            self.network.impair(agent.audio.address, network)
        made = Caller(self, agent, script)
        more = list(headers)
        if params:
            more.append(("P-App-Param", ";".join(f"{k}={v}" for k, v in params.items())))
        self.note_step(made, f"caller dials {uri or script}")
        invited = agent.invite(script, uri=uri, caller=caller, headers=more, body=body)
        made.is_of(invited)
        return made

    # --- who is called ------------------------------------------------------------------------

    def invited(self, uri: str = "") -> Invited | None:
        """Who was called, and no test has asked for them yet; the first first."""
        for agent in self._agents:
            if agent.waits and _leads_to(agent.invite_request.uri, uri):
                return agent
        return None

    def invited_uris(self) -> list[str]:
        """Whom the scripts have called, and no test has asked for."""
        return [agent.invite_request.uri for agent in self._agents if agent.waits]

    def take_invited(self, uri: str = "") -> Callee | None:
        """The one a script has called."""
        agent = self.invited(uri)
        return None if agent is None else Callee(self, agent)


class Bench(BenchBase):
    """An engine in this process, on a clock of its own and a network in memory.

    Time passes only within the verbs, and as fast as the machine can compute. Whatever address a
    script calls, somebody is there: `Caller.connects` gives them to the test.
    """

    engine: VirtualEngine
    _wall_s = NOON_S

    def starts_at(self, moment: str) -> None:
        """Set the wall clock the scripts see, before the first call.

        Args:
            moment: local time, "2026-12-24 18:30"; without it, it is noon of a Monday.

        Raises:
            ValueError: it is no such time.
        """
        assert not self._is_open, "set the clock before the first call"
        self._wall_s = REAL_DATETIME.fromisoformat(moment).timestamp()

    def _open(self, settings: Settings) -> None:
        early: list[Any] = []
        told = early.append
        self.engine = VirtualEngine(settings, lambda event: told(event), wall_s=self._wall_s)
        self._run = self.engine.run
        self.network = self.engine.network
        for event in early:
            self.note(event)
        told = self.note
        self.engine.on_fault = self.changed
        self.is_broken = lambda: self.engine.is_faulty
        self.engine.let_any_name_lead_somewhere()
        self.engine.network.nobody = self._somebody

    def _close(self) -> None:
        self.engine.close()

    def _somebody(self, flow: Flow) -> None:
        """The engine sends to an address where nobody is."""
        remote: Address = flow.remote
        agent = Invited(self.network, remote)
        agent.on_change = self.changed
        self._agents.append(agent)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _read(given: dict[str, object]) -> Settings:
    """Settings from what a test wrote: as text of `ivr.conf`, or of their own type already."""
    texts = {
        key: _text(value) for key, value in given.items() if isinstance(value, (str, int, float))
    }
    typed = {key: value for key, value in given.items() if key not in texts}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ivr.conf"
        path.write_text("".join(f"{key} = {text}\n" for key, text in texts.items()))
        return replace(load_settings(path, typed, strict=True), config_file=None)


def _text(value: str | float) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _leads_to(uri: str, wanted: str) -> bool:
    """Whether a Request-URI is the one meant: parameters and the default port do not count."""
    return not wanted or _plain(uri) == _plain(wanted)


def _plain(uri: str) -> str:
    return uri.strip("<>").partition(";")[0].partition("?")[0].removesuffix(":5060").lower()
