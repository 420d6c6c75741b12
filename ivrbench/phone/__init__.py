"""The test phone: a SIP user agent that calls a script."""
