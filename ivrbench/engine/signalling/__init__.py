"""What the engine does around the SIP core: sockets, names, accounts, and who may call."""
