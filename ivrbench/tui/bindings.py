"""Every key of the workbench. Each has an id, so that it can be remapped."""

from __future__ import annotations

from ivrbench.tui.case_keys import CASES, RECORD
from ivrbench.tui.key import key
from ivrbench.tui.model import DTMF_KEYS
from ivrbench.tui.phone_keys import PHONE
from ivrbench.tui.script_keys import CONSOLE, INSPECT, SCRIPT, STEPS

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
]


SCREENS = (
    ("F2", "bench", "Bench"),
    ("F3", "ladder", "Ladder"),
    ("F4", "call", "Call"),
    ("F5", "script", "Script"),
    ("F6", "inspect", "Inspect"),
    ("F7", "log", "Log"),
    ("F8", "cases", "Cases"),
    ("F9", "health", "Health"),
)
"""Key, mode and title of each screen."""

_KEY_NAMES = {"*": "asterisk", "#": "number_sign"}


APP = [
    key(
        "f1,question_mark",
        "help",
        "help",
        "Help",
        "What this screen means, and its keys",
        show=True,
        display="F1",
    ),
    *(
        key(f_key.lower(), f"go('{mode}')", f"go.{mode}", title, f"Go to the {title} screen")
        for f_key, mode, title in SCREENS
    ),
    key(
        "left_square_bracket",
        "step_screen(-1)",
        "go.previous",
        "Previous screen",
        "The screen before this one",
    ),
    key(
        "right_square_bracket",
        "step_screen(1)",
        "go.next",
        "Next screen",
        "The screen after this one",
    ),
    key(
        "ctrl+p,f10",
        "command_palette",
        "palette",
        "Commands",
        "Every command by name",
        show=True,
        display="^P",
        priority=True,
    ),
    key(
        "escape",
        "back",
        "back",
        "Back",
        "Clear the filter, free the keyboard, go back to the Bench",
    ),
    key(
        "c", "dial", "call.dial", "Call", "Call the selected script with the test phone", show=True
    ),
    key(
        "h",
        "hang_up",
        "call.hangup",
        "Hang up",
        "End the selected call; asks if it is not a test call",
        show=True,
    ),
    key("R", "record", "call.record", "Record", "Write the selected call down as a pytest test"),
    key("ctrl+r", "redial_on_reload", "call.redial_on_reload", "Redial on reload", "On or off"),
    key(
        "ctrl+t",
        "type_keys",
        "dtmf.string",
        "Type keys",
        "A string of keys for the test call: 1234#,,5",
    ),
    key("K", "give_keys", "keys.give", "Keys to call", "Give the keyboard to the test call"),
    *(
        key(
            _KEY_NAMES.get(digit, digit),
            f"press('{digit}')",
            f"dtmf.{digit}",
            f"Key {digit}",
            f"Press {digit} in the test call",
        )
        for digit in DTMF_KEYS
    ),
    key(
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
    key(
        "slash",
        "filter",
        "filter",
        "Filter",
        "Filter the legs, or the log when it has the focus",
        show=True,
        display="/",
    ),
    key(
        "s",
        "toggle_scripts",
        "pane.scripts",
        "Scripts",
        "Show or hide the scripts on a narrow screen",
        show=True,
    ),
    key("tab", "app.focus_next", "pane.next", "Next pane", "Go to the next pane"),
    key(
        "shift+tab", "app.focus_previous", "pane.previous", "Previous pane", "Go to the pane before"
    ),
    key("z", "zoom", "zoom", "Zoom", "Fill the screen with this pane, and back", show=True),
    key("r", "app.reload", "script.reload", "Reload", "Load the selected script again", show=True),
    key("n,plus", "app.new_script", "new.script", "New", "Write a new script from a template"),
    key("L", "app.reload_all", "reload.all", "Reload all", "Load every script again"),
    key("l", "app.go('ladder')", "ladder", "Ladder", "The messages of the selected leg", show=True),
    key("a", "app.answer", "call.answer_here", "Answer", "Answer the call that rings here"),
    key("i", "app.go('inspect')", "inspect", "Inspect", "The attributes of the selected leg"),
    key("v", "level", "log.level", "Level", "Show more or fewer log levels"),
    key("e", "errors", "log.errors", "Errors only", "Show only errors in the log, and back"),
    key("y", "copy", "copy", "Copy", "Copy the selected line"),
    key("F", "saved_filters", "filter.saved", "Filters", "Use a saved filter, or save this one"),
    key("space", "mark", "legs.mark", "Mark", "Mark a call; the marked ones have one ladder"),
    key("p", "pause", "pause", "Pause", "Let the view stand still, or go on"),
    key("o", "columns", "legs.columns", "Columns", "Which columns the list of legs has"),
]

CALL = [
    *PHONE,
    key("c", "call", "call.this", "Call", "Call whom the dial box names", show=True),
    key("d", "dial_to", "call.to", "Dial…", "Type whom to call", show=True),
    key("r", "app.redial", "call.redial", "Redial+keys", "Again, with the same keys", show=True),
    key("m", "mute", "call.mute", "Mute", "The caller's voice off, and on", show=True),
    key(
        "x", "hold", "call.hold", "Hold", "A re-INVITE that holds, and one that goes on", show=True
    ),
    key("k", "way", "call.keys_by", "Keys by", "RFC 4733, SIP INFO or in-band tones"),
    key("v", "voice", "call.voice", "Voice", "What the caller says: silence, tone, file"),
    key("n", "network", "call.network", "Network", "Loss, delay and jitter of this phone"),
    key("e", "edit", "call.edit", "Edit", "Open $EDITOR where the script was last"),
    key("s", "save", "call.save", "Save", "What the phone heard, as a WAV file", show=True),
    key("tab", "app.focus_next", "call.pane_next", "Next pane", "Go to the next pane"),
    key("shift+tab", "app.focus_previous", "call.pane_previous", "Previous pane", "The one before"),
    key("z", "zoom", "call.zoom", "Zoom", "Fill the screen with this pane, and back"),
    key("y", "copy", "call.copy", "Copy", "Copy what the script did"),
]

PROMPT = [
    key("escape", "leave", "prompt.leave", "Cancel", "Change nothing", show=True, display="esc"),
]

LADDER = [
    key("space", "mark", "mark", "Mark", "Mark a message; two marks are compared", show=True),
    key("w", "times", "ladder.times", "Time", "Between rows, since the start, or clock", show=True),
    key("d", "sdp", "ladder.sdp", "SDP", "Only messages with SDP, and all again", show=True),
    key("m", "media", "ladder.media", "Media", "Hide RTP and keys, and show them", show=True),
    key("f", "fold", "ladder.fold", "Fold", "Hide the messages a script's call made, or show them"),
    key("a", "script", "ladder.script", "Script", "Hide the script's calls, and show them"),
    key("x", "legs", "ladder.legs", "Legs", "Only the selected leg, or the whole call", show=True),
    key("s", "save", "save", "Save", "Save as pcap, text, Markdown or SVG", show=True),
    key("t", "side", "ladder.raw", "Message", "Hide the message, and show it"),
    key("less_than_sign", "border(-6)", "ladder.wider", "Wider", "More room for the ladder"),
    key("greater_than_sign", "border(6)", "ladder.narrower", "Narrower", "More for the message"),
    key("9", "width(-6)", "ladder.wider_9", "Wider", "As <, while no call has the keyboard"),
    key("0", "width(6)", "ladder.narrower_0", "Narrower", "As >, while no call has the keyboard"),
    key("r", "whole", "ladder.whole", "Whole lines", "Long lines go on below, or are cut"),
    key("slash", "filter", "ladder.find", "Find", "Only rows with this text", display="/"),
    key("n", "step_leg(1)", "ladder.next_leg", "Next leg", "The ladder of the next leg"),
    key("N", "step_leg(-1)", "ladder.previous_leg", "Previous leg", "The leg before"),
    key("end", "last", "ladder.last", "Last", "Follow the newest row"),
    key("tab", "app.focus_next", "ladder.pane_next", "Next pane", "Go to the next pane"),
    key(
        "shift+tab", "app.focus_previous", "ladder.pane_previous", "Previous pane", "The one before"
    ),
    key("p", "pause", "ladder.pause", "Pause", "Let the ladder stand still, or go on"),
    key("z", "zoom", "ladder.zoom", "Zoom", "Fill the screen with this pane, and back"),
    key("y", "copy", "ladder.copy", "Copy", "Copy the message"),
]

LOG = [
    key("slash", "filter", "log.filter", "Filter", "Type a filter", show=True, display="/"),
    key("v", "level", "log.more", "Level", "Show more or fewer levels", show=True),
    key(
        "enter",
        "details",
        "log.details",
        "Details",
        "Show whole tracebacks, or their last line",
        show=True,
    ),
    key("s", "save", "log.save", "Save", "Save what is shown as a text file", show=True),
    key("f", "follow_leg", "log.follow_leg", "This call", "Only the selected call, or all calls"),
    key("F", "saved_filters", "log.saved", "Filters", "Use a saved filter, or save this one"),
    key("space,p", "pause", "log.pause", "Pause", "Let the lines stand still, or go on"),
    key("y", "copy", "log.copy", "Copy", "Copy what is shown"),
]

ROWS = [
    key("up,k", "move(-1)", "list.up", "Up", "The row above"),
    key("down,j", "move(1)", "list.down", "Down", "The row below"),
    key("pageup", "page(-1)", "list.page_up", "Page up", "A page up"),
    key("pagedown", "page(1)", "list.page_down", "Page down", "A page down"),
    key("enter", "open", "list.open", "Open", "See more of the selected row"),
]

FOLLOW = [
    key("end", "follow", "list.follow", "Follow", "Go to the newest line and stay", show=True),
]

FILTER = [
    key(
        "escape",
        "leave",
        "filter.leave",
        "Clear",
        "Clear the filter, then leave",
        show=True,
        display="esc",
    ),
    key(
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
    key("z", "zoom", "health.zoom", "Zoom", "Fill the screen with this pane, and back"),
    key("y", "copy", "health.copy", "Copy", "Copy this page", show=True),
    key("tab", "app.focus_next", "health.pane_next", "Next pane", "Go to the next pane"),
]

HELP = [
    key(
        "escape,f1,q", "dismiss", "help.close", "Close", "Close the help", show=True, display="esc"
    ),
]

ASK = [
    key("escape,n", "choose('')", "ask.no", "No", "Change nothing", show=True, display="esc"),
    key("up,k", "app.focus_previous", "ask.up", "Up", "The choice above"),
    key("down,j", "app.focus_next", "ask.down", "Down", "The choice below"),
]

DOWN = [
    key(
        "r",
        "again",
        "down.again",
        "Start again",
        "Start the engine again, or look for it again",
        show=True,
    ),
    key("l", "look", "down.log", "Last log", "Read the log that was kept", show=True),
    key(
        "escape",
        "dismiss",
        "down.close",
        "Look around",
        "Read what was kept",
        show=True,
        display="esc",
    ),
    key("q,ctrl+q", "quit", "down.quit", "Quit", "Leave the workbench", show=True, display="q"),
]

GROUPS = (
    *(APP, ASK, BENCH, CALL, CASES, CONSOLE, DOWN, FILTER, FOLLOW),
    *(HEALTH, HELP, INSPECT, LADDER, LOG, PROMPT, RECORD, ROWS, SCRIPT, STEPS),
)
"""All of them; keys of one group are awake together."""
