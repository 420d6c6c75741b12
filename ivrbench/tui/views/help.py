"""The help pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.filter import WORDS
from ivrbench.tui.text import Line, fit, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ivrbench.tui.theme import Glyphs

__all__ = ["help_lines"]

_PAGES = {
    "bench": (
        "Scripts     each script, the version (@) that new calls get, and its calls.",
        "            {bad} @8 bad: version 8 did not load, the one before keeps serving.",
        "            {bad} none: no version ever loaded, calls are refused.",
        "Legs        one row for each call: {up} up, {waiting} ringing, {held} on hold,",
        "            {ok} done, {bad} refused with its SIP code. The newest is on top.",
        "            o chooses the columns.",
        "Playlist    {play} what sounds now, what is queued, and how each prompt ended.",
        "Media       levels in dBFS (0 is loudest, CLIP is too loud), packets, keys,",
        "            and what the script's handlers returned, with their line.",
        "",
        "New calls get the newest version that loaded. Running calls keep the one they",
        "started with. A version that does not load never replaces one that does.",
        "",
        "The test phone's call has the keyboard while the strip says KEYS{arrow}DTMF:",
        "digits, *, # and A-D go to the call; esc frees the keyboard, K gives it back.",
    ),
    "ladder": (
        "Columns     parties by address: the caller left of us, legs that the script called",
        "            right of us. One picture for all legs of a call; x shows one leg.",
        "            space on the Bench marks calls: those marked have one picture.",
        "Arrows      SIP messages; a thick line is RTP with its packets; keys go to the",
        "            handler beside our column; what the script called stands beside it.",
        "RETRANS     the same bytes again; the message says which timer repeated it.",
        "{open} 4 messages  what connectAudio() made us send: enter shows it, f shows all.",
        "{marked}    a header that the script gave.",
        "Marks       space on two messages compares them: - only the first, + only the second.",
        "Files       s saves next to where ivrbench was started: pcap opens in Wireshark and",
        "            sngrep (TLS is written as it was inside), text, Markdown and SVG.",
        "The first 20 messages of a leg and its newest 180 are kept.",
    ),
    "call": (
        "The test phone is a real caller: SIP, codec, RTP, RFC 4733 keys, jitter buffer.",
        "Set-up      milliseconds since the INVITE; first audio and sound since the answer.",
        "Levels      dBFS of what the phone says (you) and hears (ivr); CLIP: too loud,",
        "            no signal: nothing for more than 5 s.",
        "sent, got   keys that went out, and keys that the script was given.",
        "key{arrow}sound   from key down to the first change of what the phone hears:",
        "            tone    how long the key is held",
        "            settle  until the engine reports it: SEMS waits about 200 ms after a key",
        "            script  until its handler returned",
        "            audio   until it is heard; ≈ means told by when the prompt began,",
        "                    because something else was sounding",
        "mouth{arrow}ear   how late a voice is that goes one way, in this order:",
        "            mic     microphone: its driver's word, and what waits before the codec",
        "            packet  a packet leaves when it is full",
        "            path    half the round trip (RTCP), and the bad network's delay",
        "            buffer  the engine's jitter buffer",
        "            speaker what waits before the loudspeaker, and its driver's word",
        "r           redial: each key at the same moment of the script (so long after the",
        "            same prompt began); stops at the first difference and says so.",
        "^R          that after each good reload: edit, save, hear.",
        "callee      w: what becomes of calls that scripts make. They ring here (a answers,",
        "            f refuses with a code), are answered, refused or let ring by themselves,",
        "            or go where they lead. p goes to the other one of two calls.",
    ),
    "inspect": (
        "The attributes of the script's dialog object (self), of self.dialog and invite_req,",
        "its timers and media switches. {up} was: what the event under the cursor changed.",
        "Values are shown without running the script's code: no __repr__, no property.",
        "Timeline    each handler with what it changed; left and right step through them,",
        "            end comes back to now. e opens the editor at the handler.",
        "Kept        of test calls, of calls shown here, and of all with inspect = all.",
        "Console     : types a line of Python; it runs between two handlers of the call,",
        "            for 1 s at most. self is the dialog object, the script's names are there.",
        "            A line that assigns or calls a method of the call is refused unless it",
        "            begins with !; then the call is marked: recorded tests leave that out.",
    ),
    "script": (
        "The banner says which version serves. If the newest did not load, the line is",
        "marked in the source and the traceback is beside it; fix the file and save.",
        "Versions    @5 is the fifth try to load. Choose one to read its source;",
        "            b lets an older one serve new calls again.",
        "d           what changed since the version before (or the one that serves); space",
        "            marks a version that others are compared with.",
        "b p         roll back to the chosen version; pin it, so that nothing takes its place.",
        "+           a new script from a template, opened in $EDITOR.",
        "Handlers    calls, last and worst time in ms, how often each raised.",
    ),
    "cases": (
        "R on a call that is over writes it down as a test: what the caller did, and what the",
        "script has to do. It is plain Python in tests/calls, and pytest finds it there too.",
        "Each test runs on a clock of its own, without ports and sound card: a minute of call",
        "takes a moment. They call the scripts as they are in the folder now.",
        "enter a     run the selected case; run all of them.",
        "w           run a script's cases whenever it was loaded again: on or off.",
        "expected    the first thing that did not happen, what happened instead, and the line",
        "            of the script that ran last.",
    ),
    "health": (
        "Media clock every 20 ms the worker sends what all legs say; late is how much after",
        "            its time it began. More than 10 ms late is heard sooner or later.",
        "busy        time the worker needs of each 20 ms; room is what that leaves.",
        "skipped     ticks that were left out because the worker could not keep up.",
        "SIP         refused: messages that could not be read, or were dropped.",
        "Scripts     threads that run handlers; a handler that takes long keeps one busy.",
        "This screen old levels skipped: only the newest is wanted; nothing else is skipped.",
        "            kept: calls that are over, SIP messages, lines of the log.",
    ),
    "log": (
        "Type / and a filter. All terms must hold:",
        "  leg:c12         lines of this call; leg:. those of the selected one (f)",
        "  script:mailbox  lines of this script",
        "  level>=warn     warnings and errors",
        "  src:rtp         lines from load, call, sip, rtp, script, engine, watch, config",
        "  since:2m        the last two minutes (s, m, h)",
        "  -word !word     without this word",
        '  "exact words"   as written, capitals too',
        "  /regex/         regular expression",
        f"  {WORDS}",
        "F saves a filter under a name, and lists those that have one.",
        "Scrolling up pauses; end follows again.",
    ),
}


def help_lines(
    mode: str, keys: Iterable[tuple[str, str]], script_path: str, glyphs: Glyphs
) -> list[Line]:
    """The page of a screen.

    Args:
        mode: the screen.
        keys: key and what it does.
        script_path: where the scripts are.
        glyphs: named in the text.
    """
    names = {name: getattr(glyphs, name) for name in glyphs.__slots__ if name != "is_ascii"}
    names["marked"] = glyphs.draw("◂ script")
    lines = [line(" " + text.format(**names)) for text in _PAGES[mode]]
    lines += [line(""), line((" Keys", "head"))]
    lines += [line((f" {fit(key, 10)} ", "accent"), text) for key, text in keys]
    return [*lines, line(""), line((f" scripts: {script_path}", "dim"))]
