"""Sockets, sessions and scripts: the process that answers calls."""
