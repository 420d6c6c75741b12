"""How the engine is: its clock, its sockets, its scripts, and this screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.text import Line, count, line, minutes

if TYPE_CHECKING:
    from ivrbench.observe.events import EngineReported
    from ivrbench.tui.model import Model

__all__ = ["health_panes", "warning"]

LATE_MS = 10.0
SLOW_MS = 20.0
TICK_MS = 20.0
ROOM_SHARE = 0.7
"""How much of a tick may be used before calls begin to suffer."""
LEAST_SHARE = 0.001
"""Ticks that are as good as idle tell nothing of what a call costs."""

_Page = tuple[str, str, list[Line]]
"""Widget id, title and lines of a pane."""


def health_panes(model: Model, now_s: float) -> list[_Page]:
    """The six panes, in reading order."""
    report = model.history.engine.report
    if report is None:
        waiting = [line(("the engine reports once a second while somebody looks", "dim"))]
        return [("clock", "Media clock", waiting), *_quiet_panes(model, now_s)]
    return [
        ("clock", "Media clock (20 ms)", _clock(model, report)),
        *_quiet_panes(model, now_s),
        ("traffic", "SIP messages", _traffic(report)),
        ("ports", "RTP", _ports(model, report)),
        ("threads", "Scripts", _threads(model, report)),
    ]


def _quiet_panes(model: Model, now_s: float) -> list[_Page]:
    return [
        ("listeners", "Listeners", _listeners(model)),
        ("screen", "This screen", _screen(model, now_s)),
    ]


def _clock(model: Model, report: EngineReported) -> list[Line]:
    late = (
        f"late p50 {report.late_p50_ms:.1f}  p99 {report.late_p99_ms:.1f}  "
        f"max {report.late_max_ms:.1f} ms"
    )
    share = report.busy_ms_per_tick / TICK_MS
    lines = [
        line((late, "warn" if report.late_p99_ms > LATE_MS else "")),
        line((f"skipped ticks {report.skipped_ticks}", "bad" if report.skipped_ticks else "")),
        line(f"used {report.busy_ms_per_tick:.1f} of 20 ms  ({share:.0%})"),
        line(_room(report)),
    ]
    for number, worker in sorted(model.history.engine.workers.items()):
        state = f"{model.glyphs.up} up" if worker.up else f"{model.glyphs.bad} down"
        text = f"worker {number} {state} pid {worker.pid}  {worker.priority} {worker.reason}"
        lines.append(line((text.rstrip(), "" if worker.up else "bad")))
    return lines


def _room(report: EngineReported) -> str:
    used = report.busy_ms_per_tick / TICK_MS
    if not report.live_legs or used < LEAST_SHARE:
        return "no leg to measure with"
    more = max(0, int(report.live_legs * ROOM_SHARE / used) - report.live_legs)
    return f"room for about {more} more such legs"


def _listeners(model: Model) -> list[Line]:
    lines: list[Line] = []
    for name, listener in model.history.engine.listeners.items():
        mark = f"{model.glyphs.up} up" if listener.up else f"{model.glyphs.bad} off"
        text = f"{name}  {mark}  {listener.reason}".rstrip()
        lines.append(line((text, "" if listener.up else "bad")))
    return lines or [line(("nothing listens", "bad"))]


def _traffic(report: EngineReported) -> list[Line]:
    return [
        line(f"in {report.sip_in}  out {report.sip_out}"),
        line(f"transactions {report.transactions}"),
        line(f"retransmissions received {report.sip_retransmitted}"),
        line((f"refused or dropped {report.sip_refused}", "warn" if report.sip_refused else "")),
    ]


def _ports(model: Model, report: EngineReported) -> list[Line]:
    codecs: dict[str, int] = {}
    for leg in model.history.live.values():
        if leg.media is not None:
            codecs[leg.media.codec] = codecs.get(leg.media.codec, 0) + 1
    used = f" {model.glyphs.dot} ".join(f"{name} {n}" for name, n in sorted(codecs.items()))
    return [
        line(f"port pairs in use {report.ports_used} of {report.ports_total}"),
        line(f"rx {report.packets_in_per_s} packets/s  tx {report.packets_out_per_s} packets/s"),
        line(f"codecs {used or '-'}"),
    ]


def _threads(model: Model, report: EngineReported) -> list[Line]:
    busy, total = report.script_threads_busy, report.script_threads
    lines = [line((f"handlers running {busy} of {total}", "warn" if busy >= total else ""))]
    if report.memory_limit_mb:
        text = f"memory {report.memory_mb} of {report.memory_limit_mb} MB"
        lines.append(line((text, "bad" if _is_short(model) else "")))
    worst = _worst(model)
    if worst is None:
        return [*lines, line(("no handler was called yet", "dim"))]
    ms, name = worst
    return [*lines, line((f"worst {ms:.0f} ms {name}", "warn" if ms > SLOW_MS else ""))]


def _is_short(model: Model) -> bool:
    memory = model.history.engine.memory
    return memory is not None and memory.state != "roomy"


def _worst(model: Model) -> tuple[float, str] | None:
    """The slowest handler of all versions that are still known."""
    times = [
        (stats.worst_ms, f"{script.name}@{generation.generation} {handler}()")
        for script in model.history.scripts.values()
        for generation in script.generations
        for handler, stats in generation.handlers.items()
    ]
    return max(times, default=None)


def _screen(model: Model, now_s: float) -> list[Line]:
    engine, history = model.history.engine, model.history
    messages = sum(len(leg.sip) for leg in (*history.live.values(), *history.done.values()))
    return [
        line(
            f"engine {engine.version} pid {engine.pid}  up {minutes(now_s - engine.started_at_s)}"
        ),
        line(f"events {model.events_taken}  old levels skipped {model.skipped}"),
        line("SIP, key and log events skipped 0"),
        line(
            f"kept {count(len(history.done), 'call')} {model.glyphs.dot} "
            f"{messages} SIP {model.glyphs.dot} {len(history.logs.events)} log"
        ),
    ]


def warning(model: Model) -> Line:
    """The one thing to look at, if there is one."""
    report = model.history.engine.report
    worst = _worst(model)
    if report is not None and report.skipped_ticks:
        text = "the media worker could not keep up: fewer calls, or a faster machine"
        return line((f" {model.glyphs.warn} {text}", "bad"))
    memory = model.history.engine.memory
    if memory is not None and _is_short(model):
        users = ", ".join(f"{user.script} {count(user.calls, 'call')}" for user in memory.users)
        text = f"memory is short, new calls are refused: {users or 'no script has a call'}"
        return line((f" {model.glyphs.warn} {text}", "bad"))
    if report is not None and report.late_p99_ms > LATE_MS:
        text = f"the media clock is {report.late_p99_ms:.0f} ms late: something takes the processor"
        return line((f" {model.glyphs.warn} {text}", "warn"))
    if worst is not None and worst[0] > SLOW_MS:
        text = f"worst handler: {worst[1]} kept its call waiting for {worst[0]:.0f} ms"
        return line((f" {model.glyphs.warn} {text}", "warn"))
    return line((f" {model.glyphs.ok} nothing to worry about", "ok"))
