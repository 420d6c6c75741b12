"""One module per codec."""
