"""SIP as pure protocol code (RFC 3261): bytes and `now` in, events and bytes out."""
