"""The modules `ivr` and `log` (ivr-api §1, rules 8, 9, 11)."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from ivrbench.scriptapi import host as host_module
from ivrbench.scriptapi.running import Loading, Where, current
from tests.scriptapi.fakes import FakeHost, FakePort

NAMES = (
    "AUDIO_READ AUDIO_WRITE LOCAL_SIP_IP LOCAL_SIP_PORT SEMS_LOG_LEVEL semserror log getHeader "
    "getHeaders getSessionParam getAppParam createThread setIgnoreSigchld sendMessage monitorLog "
    "monitorLogAdd monitorFinish IvrDialogBase IvrSipDialog IvrSipRequest IvrSipReply "
    "IvrAudioFile IvrAudioMixIn IvrNullAudio IvrUAC Dialout"
).split()


def run(source: str) -> dict[str, Any]:
    """Execute a script's text."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names


def test_everything_is_there(ivr: Any) -> None:
    """Names and constants of ivr-api §1.1 to §1.3; READ is 1, WRITE is 2."""
    assert [name for name in NAMES if not hasattr(ivr, name)] == []
    assert (ivr.AUDIO_READ, ivr.AUDIO_WRITE) == (1, 2)
    assert (ivr.LOCAL_SIP_IP, ivr.LOCAL_SIP_PORT, ivr.SEMS_LOG_LEVEL) == ("127.0.0.1", 5060, 2)
    assert ivr.semserror.__bases__ == (Exception,)


def test_star_import_of_log_gives_ivr_and_sys(host: FakeHost) -> None:
    """Rule 11: `from log import *` exports `ivr` and `sys`."""
    names = run("from log import *\nread = ivr.AUDIO_READ")
    assert names["read"] == 1
    assert names["sys"] is sys


def test_star_import_of_ivr_replaces_log(host: FakeHost) -> None:
    """Rule 11: after `from ivr import *`, `log` takes two arguments and adds nothing."""
    run("from log import *\nlog(L_WARN, 'a %s', 'b')\nfrom ivr import *\nlog(1, 'c')")
    assert host.lines == [(1, "Ivr-Python: a b\n"), (1, "c")]


@pytest.mark.parametrize(("given", "used"), [(-5, 0), (0, 0), (3, 3), (9, 3)])
def test_log_levels_are_clamped(ivr: Any, host: FakeHost, given: int, used: int) -> None:
    """Levels outside 0 to 3 are pulled in; the message is no format."""
    ivr.log(given, "100% sure")
    assert host.lines == [(used, "100% sure")]


@pytest.mark.parametrize(
    "call",
    [
        "log('1', 'x')",
        "log(1.0, 'x')",
        "log(1, 2)",
        "log(1)",
        "log(level=1, msg='x')",
        "getHeader('x', 1)",
        "getHeader(None, 'x')",
        "getHeaders(hdrs='', name='')",
        "getSessionParam('', 1)",
        "sendMessage('a', 1)",
        "setIgnoreSigchld('x')",
        "getAppParam(1)",
        "createThread(3)",
        "createThread()",
    ],
)
def test_wrong_arguments_are_type_errors(ivr: Any, call: str) -> None:
    """Positional only, checked types."""
    with pytest.raises(TypeError):
        eval(call, vars(ivr))


def test_header_functions(ivr: Any) -> None:
    """They are in the module, with the rules tested elsewhere."""
    hdrs = "A: 1\r\nA: 2\r\nP-App-Param: k=v\r\n"
    assert ivr.getHeader(hdrs, "a") == "1"
    assert ivr.getHeaders(hdrs, "a") == "1, 2"
    assert ivr.getSessionParam(hdrs, "K") == "v"


def test_config_is_there_only_while_loading(ivr: Any) -> None:
    """Rule 9: `ivr.config` exists while the script's module is being imported."""
    with pytest.raises(AttributeError, match="global `config`"):
        _ = ivr.config
    token = current.set(Where("menu", 1, loading=Loading({"a": "1"})))
    try:
        assert ivr.config == {"a": "1"}
        assert run("from ivr import config")["config"] == {"a": "1"}
    finally:
        current.reset(token)
    assert not hasattr(ivr, "config")


def test_create_thread_queues_while_loading(ivr: Any, host: FakeHost) -> None:
    """The function is kept for after the load; later calls only leave a warning."""
    loading = Loading({})
    token = current.set(Where("menu", 1, loading=loading))
    ivr.createThread(print)
    current.reset(token)
    assert loading.threads == [print]
    ivr.createThread(print)
    assert loading.threads == [print]
    assert host.lines[0][0] == 1
    assert "createThread(print) has no effect" in host.lines[0][1]


def test_global_get_app_param_asks_the_running_call(ivr: Any) -> None:
    """The parameter of the dialog whose handler runs; "" outside of handlers."""
    assert ivr.getAppParam("a") == ""
    token = current.set(Where("menu", 1, FakePort()))
    assert ivr.getAppParam("a") == "1"
    current.reset(token)


def test_messages_go_to_the_host(ivr: Any, host: FakeHost) -> None:
    """sendMessage is the host's business; setIgnoreSigchld is accepted."""
    ivr.sendMessage("tag", "hi")
    assert host.messages == [("tag", "hi")]
    assert ivr.setIgnoreSigchld(1) is None


def test_the_monitoring_store_is_the_hosts(ivr: Any, host: FakeHost) -> None:
    """Three strings each, and one; anything else is a TypeError."""
    ivr.monitorLog("t", "a", "1")
    ivr.monitorLogAdd("t", "a", "2")
    ivr.monitorFinish("t")
    assert host.messages == [("t", "a = 1"), ("t", "a + 2"), ("t", "finished")]
    for wrong in (("t", "a"), ("t", "a", 1), (1, "a", "b")):
        with pytest.raises(TypeError):
            ivr.monitorLog(*wrong)
    with pytest.raises(TypeError):
        ivr.monitorFinish(5)


def test_null_audio(ivr: Any) -> None:
    """Silence of a length; unusable before init, which is an error and no crash."""
    silence = ivr.IvrNullAudio("ignored")
    for call in (silence.length_ms, lambda: silence.setReadLength(1)):
        with pytest.raises(ValueError, match=r"call init\(\)"):
            call()
    silence.init()
    assert silence.length_ms() == -1
    silence.init(500, 100)
    silence.setWriteLength(3)
    assert silence.length_ms() == 500
    silence.setReadLength(20)
    assert silence.length_ms() == 20
    with pytest.raises(TypeError):
        silence.init("x")


def test_log_functions(host: FakeHost) -> None:
    """error, warn, info, debug with and without arguments."""
    module: Any = sys.modules["log"]
    module.error("e")
    module.warn("w %s", "x")
    module.info("i %d %d", (1, 2))
    module.debug("100%")
    assert host.lines == [
        (0, "Ivr-Python: e\n"),
        (1, "Ivr-Python: w x\n"),
        (2, "Ivr-Python: i 1 2\n"),
        (3, "Ivr-Python: 100%\n"),
    ]
    levels = (module.L_ERR, module.L_WARN, module.L_INFO, module.L_DBG)
    assert levels == (0, 1, 2, 3)


def test_excepthook_logs_innermost_first(host: FakeHost) -> None:
    """`sys.excepthook` is log_excepthook; frames are logged from the inside out."""
    module: Any = sys.modules["log"]
    assert sys.excepthook is module.log_excepthook
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("def f():\n    1/0\nf()\n", "inner.py", "exec"), {})
    sys.excepthook(caught.type, caught.value, caught.tb)
    text = [line for _, line in host.lines]
    assert "ZeroDivisionError raised: division by zero" in text[1]
    assert "File 'inner.py': line 2" in text[2]
    assert "File 'inner.py': line 3" in text[3]
    assert {level for level, _ in host.lines} == {0}
    assert module.stacktrace(caught.tb) == "inner.py"
    assert module.stacktrace(None) == ""


def test_install_says_that_logging_started(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line the reference server's log has, at debug."""
    from ivrbench import scriptapi

    scriptapi.install(host)
    assert host.lines == [(3, "Ivr-Python: Python-Ivr logging started\n")]
    assert isinstance(sys.modules["log"], ModuleType)


def test_without_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Using the API before it is installed is our mistake and says so."""
    monkeypatch.setattr(host_module, "_installed", [])
    with pytest.raises(RuntimeError, match="install"):
        host_module.the_host()
