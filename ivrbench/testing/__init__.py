"""Calls as tests: engine, callers and networks for pytest, in virtual time or on real sockets."""
