"""Keys of the screens about a script: its versions, and the object of one of its calls."""

from __future__ import annotations

from ivrbench.tui.key import key

__all__ = ["CONSOLE", "INSPECT", "SCRIPT", "STEPS"]

SCRIPT = [
    key("d", "diff", "script.diff", "Diff", "What changed since the version before", show=True),
    key("e", "edit", "script.edit", "Edit", "Open the file in $EDITOR at the line", show=True),
    key("r", "app.reload", "script.reload_this", "Reload", "Load this script again", show=True),
    key(
        "b",
        "roll_back",
        "script.rollback",
        "Roll back",
        "Let the chosen older version serve new calls",
        show=True,
    ),
    key("space", "mark", "script.mark", "Mark", "d compares other versions with this one"),
    key("p", "pin", "script.pin", "Pin", "Let this version serve whatever is loaded, or not"),
    key("plus", "app.new_script", "script.new", "New", "Write a new script from a template"),
    key(
        "n",
        "step_failed(1)",
        "script.next_failed",
        "Next failed",
        "The next script that did not load",
        show=True,
    ),
    key(
        "N",
        "step_failed(-1)",
        "script.previous_failed",
        "Previous failed",
        "The script before that did not load",
    ),
    key(
        "greater_than_sign",
        "step_script(1)",
        "script.next",
        "Next script",
        "The next script",
        show=True,
        display=">",
    ),
    key(
        "less_than_sign",
        "step_script(-1)",
        "script.previous",
        "Previous script",
        "The script before",
    ),
    key(
        "t",
        "all_frames",
        "script.frames",
        "All frames",
        "Show the whole traceback, or only your frames",
    ),
    key(
        "s",
        "toggle_side",
        "script.side",
        "Side",
        "On a narrow screen: traceback and versions instead of the source",
    ),
    key("tab", "app.focus_next", "script.pane_next", "Next pane", "Go to the next pane"),
    key(
        "shift+tab",
        "app.focus_previous",
        "script.pane_previous",
        "Previous pane",
        "Go to the pane before",
    ),
    key("L", "app.reload_all", "script.reload_all", "Reload all", "Load every script again"),
    key("z", "zoom", "script.zoom", "Zoom", "Fill the screen with this pane, and back"),
    key("y", "copy", "script.copy", "Copy", "Copy the error, or the source"),
]

INSPECT = [
    key("colon", "type", "inspect.type", "Console", "Type into the console", show=True),
    key(
        "f", "changed_only", "inspect.changed", "Changed", "Only what the event changed", show=True
    ),
    key("e", "edit", "inspect.edit", "Edit", "Open $EDITOR at the event's line", show=True),
    key("slash", "filter", "inspect.find", "Find", "Only values with this text", display="/"),
    key("n", "step_leg(1)", "inspect.next_leg", "Next call", "The object of the next call"),
    key("N", "step_leg(-1)", "inspect.previous_leg", "Previous call", "The call before"),
    key("s", "toggle_side", "inspect.side", "Events", "On a narrow screen: events and console"),
    key("tab", "app.focus_next", "inspect.pane_next", "Next pane", "Go to the next pane"),
    key(
        "shift+tab",
        "app.focus_previous",
        "inspect.pane_previous",
        "Previous pane",
        "The one before",
    ),
    key("z", "zoom", "inspect.zoom", "Zoom", "Fill the screen with this pane, and back"),
    key("y", "copy", "inspect.copy", "Copy", "Copy the selected value"),
]

STEPS = [
    key("left", "screen.step(-1)", "inspect.back", "Event before", "The values one event before"),
    key("right", "screen.step(1)", "inspect.on", "Event after", "The values one event later"),
    key("end", "screen.now", "inspect.now", "Now", "The values as they are now"),
]

CONSOLE = [
    key("enter", "run", "console.run", "Run", "Evaluate the line", show=True),
    key("up", "history(-1)", "console.up", "Before", "The line typed before", show=True),
    key("down", "history(1)", "console.down", "After", "The line typed after it"),
    key("escape", "leave", "console.leave", "Leave", "Clear the line, then leave", display="esc"),
    key("tab", "keep", "console.keep", "Leave", "Leave with the line as it is"),
]
