"""The media plane: RTP for many calls at once, in its own process."""
