"""Keys of the Cases screen, and of the question before a call becomes a case."""

from __future__ import annotations

from ivrbench.tui.key import key

__all__ = ["CASES", "RECORD"]

CASES = [
    key("a", "run_all", "cases.run_all", "Run all", "Run every case", show=True),
    key("w", "on_reload", "cases.on_reload", "On reload", "Run a script's cases at each reload"),
    key("l", "hear", "cases.hear", "Listen", "Call its script with the same keys", show=True),
    key("d", "diff", "cases.diff", "Diff", "What changed in the script", show=True),
    key("e", "edit", "cases.edit", "Edit", "Open the case in $EDITOR", show=True),
    key("X", "delete", "cases.delete", "Delete", "Take the case out of its file", show=True),
    key("y", "copy", "cases.copy", "Copy", "Copy what the last run said", show=True),
    key("tab", "app.focus_next", "cases.pane_next", "Next pane", "Go to the next pane"),
]

RECORD = [
    key("escape", "leave", "record.leave", "Cancel", "Write nothing", show=True, display="esc"),
    key("ctrl+s", "write", "record.write", "Write", "Write the test", show=True, display="^S"),
]
