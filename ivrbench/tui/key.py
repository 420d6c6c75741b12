"""One key of the workbench."""

from __future__ import annotations

from textual.binding import Binding

__all__ = ["key"]


def key(
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
    """A binding with an id, so that it can be remapped.

    Args:
        keys: as Textual names them, separated by commas.
        action: what they do.
        id: unique in the workbench, `call.dial`.
        description: one or two words for the footer.
        tooltip: a sentence for the help.
        show: in the footer.
        display: how the key is written there.
        priority: also while something is typed.
    """
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
