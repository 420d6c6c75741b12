"""The lines every screen has: status at the top, the call strip at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.phone_choice import ringing_phone
from ivrbench.tui.text import Line, Span, cells, clock_time, fit, line, minutes

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import EngineView
    from ivrbench.tui.model import Model

__all__ = ["status_line", "strip_line"]

WIDE = 100
"""From this width on there is room for everything."""


def status_line(model: Model, now_s: float, width: int) -> Line:
    """Program, scripts, addresses, engine, clock."""
    engine = model.history.engine
    clock = clock_time(now_s, model.zone)
    path = _short_path(engine.script_path) or "…"
    spans: list[Span] = [(" ivrbench", "head"), (f" {path}", "")]
    if model.link == "down":
        since = clock_time(model.down_since_s, model.zone)
        spans.append((f"  engine {model.glyphs.bad} DOWN since {since}", "bad"))
    elif model.link == "connecting":
        spans.append((f"  engine {model.glyphs.waiting} starting", "warn"))
    else:
        spans += _engine_spans(model, engine, wide=width >= WIDE)
    taken = sum(cells(text) for text, _ in spans)
    room = width - len(clock) - 2
    if taken > room:
        spans, taken = _cut(spans, room), room
    return line(*spans, " " * (width - taken - len(clock) - 1), (clock, ""), " ")


def _engine_spans(model: Model, engine: EngineView, *, wide: bool) -> list[Span]:
    spans: list[Span] = [(f"  {_listeners(engine, wide=wide)}", "")]
    if not any(listener.up for listener in engine.listeners.values()):
        spans = [(f"  {model.glyphs.bad} not listening", "bad")]
    if engine.registrations:
        bound = sum(each.expires_s > 0 for each in engine.registrations.values())
        whole = bound == len(engine.registrations)
        shown = f"  registered {bound}/{len(engine.registrations)}"
        spans.append((shown, "ok" if whole else "warn"))
    if wide and engine.rtp_low_port:
        spans.append((f"  RTP {engine.rtp_low_port}-{engine.rtp_high_port}", ""))
    spans.append(("  engine ", ""))
    if engine.draining is not None:
        spans.append((f"{model.glyphs.warn} draining", "warn"))
    else:
        spans.append((f"{model.glyphs.up} up", "ok"))
    if wide:
        spans.append((f" pid {engine.pid}", ""))
    if engine.report is not None:
        late_ms = engine.report.late_p99_ms
        label = "tick late p99" if wide else "tick"
        spans.append((f"  {label} {late_ms:.1f} ms", "warn" if late_ms > 10 else ""))
    return spans


def _listeners(engine: EngineView, *, wide: bool) -> str:
    by_address: dict[str, list[str]] = {}
    for listener in engine.listeners.values():
        if listener.up:
            ip = f"[{listener.ip}]" if ":" in listener.ip else listener.ip
            by_address.setdefault(f"{ip}:{listener.port}", []).append(listener.transport)
    texts = [f"{','.join(transports)} {address}" for address, transports in by_address.items()]
    if len(texts) > 1 and not wide:
        return f"{texts[0]} +{len(texts) - 1}"
    return ("SIP " if wide else "") + "  ".join(texts[:2]) + (" …" if len(texts) > 2 else "")


def _short_path(path: str) -> str:
    """The last two parts; the whole path is in the help."""
    parts = path.rstrip("/").split("/")
    return path if len(parts) <= 2 else "…/" + parts[-1]


def _cut(spans: list[Span], room: int) -> list[Span]:
    kept: list[Span] = []
    for text, role in spans:
        if cells(text) > room:
            kept.append((fit(text, room), role))
            break
        kept.append((text, role))
        room -= cells(text)
    return kept


def strip_line(model: Model, now_s: float, width: int, paused: str = "") -> Line:
    """Who has the keyboard, the test call, and the latest news.

    Args:
        model: for all of it.
        now_s: wall-clock time.
        width: cells of the line.
        paused: that the screen stands still, in words; "" if it does not.
    """
    rule, dot = model.glyphs.rule, model.glyphs.dot
    call, owner = model.test_call, model.keys_owner
    spans = [*_call_spans(model, now_s), *_ringing_spans(model)]
    if owner == "call":
        spans.append((f"KEYS{model.glyphs.arrow}DTMF", "accent"))
        if model.sent_keys:
            spans.append((f"sent {' '.join(model.sent_keys)}", ""))
    elif owner == "filter":
        what = {"prompt": "input", "console": "console"}.get(model.filter_owner, "filter")
        spans.append((f"KEYS{model.glyphs.arrow}{what}", "accent"))
    if paused:
        spans.append((f"{model.glyphs.held} {paused}", "warn"))
    news = model.fresh_news(now_s)
    if news is not None:
        spans.append((news.text, news.role))
    elif owner == "call":
        spans.append((f"digits * # A-D go to the call {dot} esc frees", ""))
    elif call is not None and owner != "filter":
        spans.append(("K gives it the keyboard", "dim"))
    if not spans:
        return Line(((rule * width, "dim"),))
    return _ruled(spans, rule, width)


def _call_spans(model: Model, now_s: float) -> list[Span]:
    """The test call, if there is one."""
    glyphs, call = model.glyphs, model.test_call
    if call is not None:
        up_s = now_s - (call.answered_at_s or call.at_s)
        state = {"up": f"{glyphs.up} up", "held": f"{glyphs.held} hold"}
        word = state.get(call.state, f"{glyphs.waiting} {call.state}")
        return [(f"test call {call.name} {word} {minutes(up_s)}", "ok")]
    if model.phone_is_up and model.phone is not None:
        return [(f"test call {model.phone.name} {glyphs.up} up", "ok")]
    return [(f"{glyphs.waiting} dialling …", "warn")] if model.dialling else []


def _ringing_spans(model: Model) -> list[Span]:
    """That somebody waits for the person to answer."""
    phone = ringing_phone(model)
    if phone is None or phone.started.answers != "ring":
        return []
    who = phone.leg or phone.name
    return [(f"{model.glyphs.waiting} {who} rings: a answers, f refuses (F4)", "warn")]


def _ruled(spans: list[Span], rule: str, width: int) -> Line:
    parts: list[Span] = [(rule * 2 + " ", "dim")]
    for index, span in enumerate(spans):
        parts += [("   ", "")] if index else []
        parts.append(span)
    parts = _cut(parts, width - 1)
    taken = sum(cells(text) for text, _ in parts)
    return line(*parts, (" " + rule * (width - taken - 1), "dim"))
