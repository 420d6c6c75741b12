"""Every key of the workbench. Each has an id, so that it can be remapped."""

from __future__ import annotations

from textual.binding import Binding

from ivrbench.tui.model import DTMF_KEYS
from ivrbench.tui.phone_keys import PHONE

__all__ = [
    "APP",
    "ASK",
    "BENCH",
    "CALL",
    "DOWN",
    "FILTER",
    "FOLLOW",
    "GROUPS",
    "HEALTH",
    "HELP",
    "LADDER",
    "LOG",
    "PROMPT",
    "ROWS",
    "SCREENS",
    "SCRIPT",
]


SCREENS = (
    ("F2", "bench", "Bench"),
    ("F3", "ladder", "Ladder"),
    ("F4", "call", "Call"),
    ("F5", "script", "Script"),
    ("F7", "log", "Log"),
    ("F9", "health", "Health"),
)
"""Key, mode and title of each screen."""

_KEY_NAMES = {"*": "asterisk", "#": "number_sign"}


def _key(
    keys: str,
    action: str,
    id: str,
    description: str,
    tooltip: str,
    *,
    show: bool = False,
    display: str | None = None,
    priority: bool = False,
) -> Binding:
    return Binding(
        keys,
        action,
        description,
        show=show,
        key_display=display,
        priority=priority,
        tooltip=tooltip,
        id=id,
    )


APP = [
    _key(
        "f1,question_mark",
        "help",
        "help",
        "Help",
        "What this screen means, and its keys",
        show=True,
        display="F1",
    ),
    *(
        _key(key.lower(), f"go('{mode}')", f"go.{mode}", title, f"Go to the {title} screen")
        for key, mode, title in SCREENS
    ),
    _key(
        "left_square_bracket",
        "step_screen(-1)",
        "go.previous",
        "Previous screen",
        "The screen before this one",
    ),
    _key(
        "right_square_bracket",
        "step_screen(1)",
        "go.next",
        "Next screen",
        "The screen after this one",
    ),
    _key(
        "ctrl+p,f10",
        "command_palette",
        "palette",
        "Commands",
        "Every command by name",
        show=True,
        display="^P",
        priority=True,
    ),
    _key(
        "escape",
        "back",
        "back",
        "Back",
        "Clear the filter, free the keyboard, go back to the Bench",
    ),
    _key(
        "c", "dial", "call.dial", "Call", "Call the selected script with the test phone", show=True
    ),
    _key(
        "h",
        "hang_up",
        "call.hangup",
        "Hang up",
        "End the selected call; asks if it is not a test call",
        show=True,
    ),
    _key("ctrl+r", "redial_on_reload", "call.redial_on_reload", "Redial on reload", "On or off"),
    _key(
        "ctrl+t",
        "type_keys",
        "dtmf.string",
        "Type keys",
        "A string of keys for the test call: 1234#,,5",
    ),
    _key("K", "give_keys", "keys.give", "Keys to call", "Give the keyboard to the test call"),
    *(
        _key(
            _KEY_NAMES.get(key, key),
            f"press('{key}')",
            f"dtmf.{key}",
            f"Key {key}",
            f"Press {key} in the test call",
        )
        for key in DTMF_KEYS
    ),
    _key(
        "ctrl+q",
        "leave",
        "quit",
        "Quit",
        "Leave; asks if calls are up",
        show=True,
        display="^Q",
        priority=True,
    ),
]

BENCH = [
    _key(
        "slash",
        "filter",
        "filter",
        "Filter",
        "Filter the legs, or the log when it has the focus",
        show=True,
        display="/",
    ),
    _key(
        "s",
        "toggle_scripts",
        "pane.scripts",
        "Scripts",
        "Show or hide the scripts on a narrow screen",
        show=True,
    ),
    _key("tab", "app.focus_next", "pane.next", "Next pane", "Go to the next pane"),
    _key(
        "shift+tab", "app.focus_previous", "pane.previous", "Previous pane", "Go to the pane before"
    ),
    _key("z", "zoom", "zoom", "Zoom", "Fill the screen with this pane, and back", show=True),
    _key("r", "app.reload", "script.reload", "Reload", "Load the selected script again", show=True),
    _key("L", "app.reload_all", "reload.all", "Reload all", "Load every script again"),
    _key(
        "l", "app.go('ladder')", "ladder", "Ladder", "The messages of the selected leg", show=True
    ),
    _key("v", "level", "log.level", "Level", "Show more or fewer log levels"),
    _key("e", "errors", "log.errors", "Errors only", "Show only errors in the log, and back"),
    _key("y", "copy", "copy", "Copy", "Copy the selected line"),
]

SCRIPT = [
    _key("d", "diff", "script.diff", "Diff", "What changed since the version before", show=True),
    _key("e", "edit", "script.edit", "Edit", "Open the file in $EDITOR at the line", show=True),
    _key("r", "app.reload", "script.reload_this", "Reload", "Load this script again", show=True),
    _key(
        "b",
        "roll_back",
        "script.rollback",
        "Roll back",
        "Let the chosen older version serve new calls",
        show=True,
    ),
    _key(
        "n",
        "step_failed(1)",
        "script.next_failed",
        "Next failed",
        "The next script that did not load",
        show=True,
    ),
    _key(
        "N",
        "step_failed(-1)",
        "script.previous_failed",
        "Previous failed",
        "The script before that did not load",
    ),
    _key(
        "greater_than_sign",
        "step_script(1)",
        "script.next",
        "Next script",
        "The next script",
        show=True,
        display=">",
    ),
    _key(
        "less_than_sign",
        "step_script(-1)",
        "script.previous",
        "Previous script",
        "The script before",
    ),
    _key(
        "t",
        "all_frames",
        "script.frames",
        "All frames",
        "Show the whole traceback, or only your frames",
    ),
    _key(
        "s",
        "toggle_side",
        "script.side",
        "Side",
        "On a narrow screen: traceback and versions instead of the source",
    ),
    _key("tab", "app.focus_next", "script.pane_next", "Next pane", "Go to the next pane"),
    _key(
        "shift+tab",
        "app.focus_previous",
        "script.pane_previous",
        "Previous pane",
        "Go to the pane before",
    ),
    _key("L", "app.reload_all", "script.reload_all", "Reload all", "Load every script again"),
    _key("y", "copy", "script.copy", "Copy", "Copy the error, or the source"),
]

CALL = [
    *PHONE,
    _key("c", "call", "call.this", "Call", "Call whom the dial box names", show=True),
    _key("d", "dial_to", "call.to", "Dial…", "Type whom to call", show=True),
    _key("r", "app.redial", "call.redial", "Redial+keys", "Again, with the same keys", show=True),
    _key("m", "mute", "call.mute", "Mute", "The caller's voice off, and on", show=True),
    _key(
        "x", "hold", "call.hold", "Hold", "A re-INVITE that holds, and one that goes on", show=True
    ),
    _key("k", "way", "call.keys_by", "Keys by", "RFC 4733, SIP INFO or in-band tones"),
    _key("v", "voice", "call.voice", "Voice", "What the caller says: silence, tone, file"),
    _key("n", "network", "call.network", "Network", "Loss, delay and jitter of this phone"),
    _key("s", "save", "call.save", "Save", "What the phone heard, as a WAV file", show=True),
    _key("tab", "app.focus_next", "call.pane_next", "Next pane", "Go to the next pane"),
    _key(
        "shift+tab", "app.focus_previous", "call.pane_previous", "Previous pane", "The one before"
    ),
    _key("y", "copy", "call.copy", "Copy", "Copy what the script did"),
]

PROMPT = [
    _key("escape", "leave", "prompt.leave", "Cancel", "Change nothing", show=True, display="esc"),
]

LADDER = [
    _key("space", "mark", "mark", "Mark", "Mark a message; two marks are compared", show=True),
    _key(
        "w", "times", "ladder.times", "Time", "Between rows, since the start, or clock", show=True
    ),
    _key("d", "sdp", "ladder.sdp", "SDP", "Only messages with SDP, and all again", show=True),
    _key("m", "media", "ladder.media", "Media", "Hide RTP and keys, and show them", show=True),
    _key("a", "script", "ladder.script", "Script", "Hide the script's calls, and show them"),
    _key("x", "legs", "ladder.legs", "Legs", "Only the selected leg, or the whole call", show=True),
    _key("s", "save", "save", "Save", "Save as pcap, text, Markdown or SVG", show=True),
    _key("t", "side", "ladder.raw", "Message", "Hide the message, and show it"),
    _key("less_than_sign", "border(-6)", "ladder.wider", "Wider", "More room for the ladder"),
    _key("greater_than_sign", "border(6)", "ladder.narrower", "Narrower", "More for the message"),
    _key("9", "width(-6)", "ladder.wider_9", "Wider", "As <, while no call has the keyboard"),
    _key("0", "width(6)", "ladder.narrower_0", "Narrower", "As >, while no call has the keyboard"),
    _key("r", "whole", "ladder.whole", "Whole lines", "Long lines go on below, or are cut"),
    _key("slash", "filter", "ladder.find", "Find", "Only rows with this text", display="/"),
    _key("n", "step_leg(1)", "ladder.next_leg", "Next leg", "The ladder of the next leg"),
    _key("N", "step_leg(-1)", "ladder.previous_leg", "Previous leg", "The leg before"),
    _key("end", "last", "ladder.last", "Last", "Follow the newest row"),
    _key("tab", "app.focus_next", "ladder.pane_next", "Next pane", "Go to the next pane"),
    _key(
        "shift+tab", "app.focus_previous", "ladder.pane_previous", "Previous pane", "The one before"
    ),
    _key("y", "copy", "ladder.copy", "Copy", "Copy the message"),
]

LOG = [
    _key("slash", "filter", "log.filter", "Filter", "Type a filter", show=True, display="/"),
    _key("v", "level", "log.more", "Level", "Show more or fewer levels", show=True),
    _key(
        "enter",
        "details",
        "log.details",
        "Details",
        "Show whole tracebacks, or their last line",
        show=True,
    ),
    _key("y", "copy", "log.copy", "Copy", "Copy what is shown"),
]

ROWS = [
    _key("up,k", "move(-1)", "list.up", "Up", "The row above"),
    _key("down,j", "move(1)", "list.down", "Down", "The row below"),
    _key("pageup", "page(-1)", "list.page_up", "Page up", "A page up"),
    _key("pagedown", "page(1)", "list.page_down", "Page down", "A page down"),
    _key("enter", "open", "list.open", "Open", "See more of the selected row"),
]

FOLLOW = [
    _key("end", "follow", "list.follow", "Follow", "Go to the newest line and stay", show=True),
]

FILTER = [
    _key(
        "escape",
        "leave",
        "filter.leave",
        "Clear",
        "Clear the filter, then leave",
        show=True,
        display="esc",
    ),
    _key(
        "enter,tab",
        "keep",
        "filter.keep",
        "Done",
        "Leave with the filter as it is",
        show=True,
        display="enter",
    ),
]

HEALTH = [
    _key("y", "copy", "health.copy", "Copy", "Copy this page", show=True),
    _key("tab", "app.focus_next", "health.pane_next", "Next pane", "Go to the next pane"),
]

HELP = [
    _key(
        "escape,f1,q", "dismiss", "help.close", "Close", "Close the help", show=True, display="esc"
    ),
]

ASK = [
    _key("escape,n", "choose('')", "ask.no", "No", "Change nothing", show=True, display="esc"),
    _key("up,k", "app.focus_previous", "ask.up", "Up", "The choice above"),
    _key("down,j", "app.focus_next", "ask.down", "Down", "The choice below"),
]

DOWN = [
    _key(
        "r",
        "again",
        "down.again",
        "Start again",
        "Start the engine again, or look for it again",
        show=True,
    ),
    _key("l", "look", "down.log", "Last log", "Read the log that was kept", show=True),
    _key(
        "escape",
        "dismiss",
        "down.close",
        "Look around",
        "Read what was kept",
        show=True,
        display="esc",
    ),
    _key("q,ctrl+q", "quit", "down.quit", "Quit", "Leave the workbench", show=True, display="q"),
]

GROUPS = (
    *(APP, ASK, BENCH, CALL, DOWN, FILTER, FOLLOW),
    *(HEALTH, HELP, LADDER, LOG, PROMPT, ROWS, SCRIPT),
)
"""All of them; keys of one group are awake together."""
