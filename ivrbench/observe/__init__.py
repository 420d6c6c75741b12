"""What happened: events, snapshot, history, and the control socket's wire format."""
