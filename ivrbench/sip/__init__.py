"""SIP: messages, transactions, dialogs (RFC 3261), as pure protocol code: bytes and `now` in, events and bytes out."""
