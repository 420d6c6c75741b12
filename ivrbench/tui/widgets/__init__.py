"""Widgets: they draw lines and post messages, and know nothing of calls."""
