"""Everything that can be set, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .values import CallLimit, Listen

if TYPE_CHECKING:
    from .values import Account, Network

__all__ = ["NEEDS_RESTART", "Settings", "differences"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What `ivr.conf` and the command line say; a field has the name of its key.

    Frozen: calls in progress never see it change; a changed file makes a new value.
    """

    # --- scripts ---

    script_path: Path = Path("scripts")
    """The folder whose `*.py` become applications."""
    plugin_config_path: Path | None = None
    """Where `NAME.conf` of a script lies; None: the folder of `ivr.conf`, then `script_path`."""
    application: str = "auto"
    """How a call finds its script: a script's name, `$(ruri.user)`, `$(ruri.param)`, `$(apphdr)`,
    `$(mapping)`, or `auto`: header P-App-Name, then URI parameter `app`, then URI user."""
    unknown_application_code: int = 404
    """SIP status for a call whose script does not exist or did not load."""
    on_script_error: str = "keep"
    """What becomes of a call whose handler raised: `keep`, `bye`, `announce`."""
    error_announcement: Path | None = None
    """What `announce` plays before it hangs up; None: three tones."""
    python2_conversion: bool = True
    """Convert scripts that are written for Python 2 when they are loaded."""
    script_threads: int = 64
    """How many handlers may run (and block) at the same time."""
    max_memory_mb: int | None = None
    """MiB the engine may use, scripts in it; 0: no limit, None: 60 % of the machine's."""

    # --- SIP ---

    sip_ip: str = "127.0.0.1"
    """Address for SIP over UDP and TCP, where `--listen` names none."""
    sip_port: int = 5060
    """Port for it; 0: any free one."""
    allow_from: tuple[Network, ...] = ()
    """Networks calls may come from; empty: any that reaches us."""
    users: Path | None = None
    """File of who may call, `name = password`; None: nobody is asked."""
    digest_algorithms: tuple[str, ...] = ("MD5",)
    """How they may prove their password, the preferred way first (RFC 8760)."""
    digest_qop: tuple[str, ...] = ("auth",)
    """What that proof may protect: the request alone (auth), or its body too (auth-int)."""
    ban_time: int = 600
    """Seconds a source is kept away after too many wrong passwords and the like; 0: never."""
    session_limit: CallLimit = CallLimit()
    """Calls at the same time."""
    cps_limit: CallLimit = CallLimit()
    """New calls in any one second."""
    max_shutdown_time: int = 10
    """Seconds that calls get to end by themselves when the engine is told to stop."""
    outbound_proxy: str = ""
    """SIP URI that requests outside a dialog go to first; "": straight to the target."""
    backup_proxies: tuple[str, ...] = ()
    """SIP URIs of more outbound proxies: each account keeps a flow through each of them too."""
    register_flows: int = 2
    """Flows of each account where the DNS, not `backup_proxies`, names the servers (RFC 5626)."""
    gruu: bool = False
    """Ask registrars for a GRUU, and show it as Contact of calls of ours (RFC 5627)."""
    public_ip: str = ""
    """Address shown to the outside where a NAT stands before us; "": our own."""
    nat: str = "no"
    """`latch`: send RTP to where the caller's really comes from; `no`: to where the SDP says."""
    register: tuple[Account, ...] = ()
    """Addresses to register, each at its registrar, with the logins written below them."""
    user: str = ""
    """Name to log in with where an account has none of its own, and for calls we make."""
    password: str = field(default="", repr=False)
    """Password for it."""
    enable_session_timer: bool = False
    """Ask for session timers (RFC 4028); a peer that asks for one gets it in any case."""
    session_expires: int = 120
    """Seconds; our Session-Expires."""
    minimum_timer: int = 90
    """Seconds; our Min-SE."""
    maximum_timer: int = 900
    """Seconds; the longest interval we accept."""
    session_refresh_method: str = "UPDATE_FALLBACK_INVITE"
    """`UPDATE_FALLBACK_INVITE`, `UPDATE` or `INVITE`."""
    accept_501_reply: bool = True
    """Whether 501 to a session refresh leaves the call up."""
    tls_cert: Path | None = None
    """Certificate chain, PEM, for `tls:` and `wss:`."""
    tls_key: Path | None = None
    """Its private key, PEM; None: it is in `tls_cert`."""
    tls_ca: Path | None = None
    """Certificates, PEM, that vouch for peers, beside those the system trusts."""
    tls_verify_server: bool = True
    """Whether a server we connect to must show a certificate that fits its name."""
    tls_verify_client: bool = False
    """Whether who connects to us must show a certificate `tls_ca` vouches for."""

    # --- media ---

    media_ip: str = ""
    """Address for RTP; "": the one the call's SIP came in on."""
    rtp_low_port: int = 10_000
    """Lowest RTP port; a call takes an even port and the odd one above it for RTCP."""
    rtp_high_port: int = 19_999
    """Highest port."""
    dead_rtp_time: int = 300
    """Seconds without a packet until `onRtpTimeout`; 0: never."""
    codec_order: tuple[str, ...] = ()
    """Codecs we take, the preferred first; none: all we have, the caller's order decides."""
    srtp: str = "off"
    """`off`, `optional`, `required`."""
    srtp_offer: str = "sdes"
    """What our own offers carry where `srtp` is on: `sdes` or `dtls`."""
    b2b_media: str = "auto"
    """Media of two-legged calls: `auto`, `direct` (end to end), `anchored` (through us)."""
    dtmf_report: str = "release"
    """When `onDtmf` hears of a key: at its `release` or already at its `press`."""
    dtmf_settle_ms: int = 0
    """Milliseconds to wait after a key's end before it is reported."""
    dtmf_inband: str = "auto"
    """Listen for tones in the audio: `auto` (where no telephone-event was agreed), `on`, `off`."""
    media_workers: int = 1
    """Media processes."""
    media_capacity: int = 1000
    """What one media process carries, in G.711 calls (G.722 counts 7, Opus 30); 0: no limit."""
    prompt_memory_mb: int = 64
    """Memory for prompts shared among calls, in MiB; the least used are dropped beyond it."""

    # --- watching and records ---

    loglevel: int = 2
    """0 errors, 1 warnings, 2 information, 3 all."""
    control_socket: Path | None = None
    """Unix socket for workbenches; None: the engine has none unless `ivrbench` starts it."""
    console: str = "auto"
    """Whether workbenches may evaluate lines of Python in calls: `yes`, `no`, `auto` (only one
    that started the engine)."""
    inspect: str = "watched"
    """Whose attributes are kept after each event: `all` calls, those `watched`, `off`."""
    cdr: Path | None = None
    """File for one line about each call; None: none is written."""
    metrics_listen: tuple[str, int] | None = None
    """IP and port for a metrics page; None: none."""

    # --- from the command line, and about the reading itself ---

    listen: tuple[Listen, ...] = ()
    """What `--listen` named; see `listeners`."""
    leashed: bool = False
    """A workbench started this engine, and ends it."""
    next_free_port: bool = False
    """Take the next free SIP port where the wanted one is taken, and say so."""
    watch: bool = True
    """Load scripts again when their files change."""
    config_file: Path | None = None
    """The `ivr.conf` this was read from."""
    notes: tuple[str, ...] = ()
    """Sentences for the log: unknown keys, keys written twice, keys that do nothing yet."""

    @property
    def console_is_on(self) -> bool:
        """Whether lines of Python are evaluated in calls."""
        return self.console == "yes" or (self.console == "auto" and self.leashed)

    @property
    def listeners(self) -> tuple[Listen, ...]:
        """The addresses to take SIP on."""
        if self.listen:
            return self.listen
        return tuple(Listen(transport, self.sip_ip, self.sip_port) for transport in ("udp", "tcp"))

    @property
    def script_config_dirs(self) -> tuple[Path, ...]:
        """Where a script's `NAME.conf` is looked for, in this order."""
        if self.plugin_config_path is not None:
            return (self.plugin_config_path,)
        if self.config_file is not None:
            return (self.config_file.parent, self.script_path)
        return (self.script_path,)


NEEDS_RESTART: Final = frozenset(
    {
        "accept_501_reply",
        "ban_time",
        "console",
        "control_socket",
        "digest_algorithms",
        "digest_qop",
        "enable_session_timer",
        "gruu",
        "leashed",
        "listen",
        "maximum_timer",
        "media_workers",
        "metrics_listen",
        "minimum_timer",
        "nat",
        "next_free_port",
        "plugin_config_path",
        "prompt_memory_mb",
        "public_ip",
        "rtp_high_port",
        "rtp_low_port",
        "script_path",
        "script_threads",
        "session_expires",
        "session_refresh_method",
        "sip_ip",
        "sip_port",
        "tls_ca",
        "tls_cert",
        "tls_key",
        "tls_verify_client",
        "tls_verify_server",
        "users",
        "watch",
    }
)
"""Settings that a running engine cannot take over; all others apply to the next call."""

_NO_SETTING = {"config_file", "notes"}


def differences(old: Settings, new: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a changed file changes.

    Returns:
        the keys that can work from now on, and those that need a restart.
    """
    changed = [
        each.name
        for each in fields(Settings)
        if each.name not in _NO_SETTING and getattr(old, each.name) != getattr(new, each.name)
    ]
    return (
        tuple(name for name in changed if name not in NEEDS_RESTART),
        tuple(name for name in changed if name in NEEDS_RESTART),
    )
