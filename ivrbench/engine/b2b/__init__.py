"""Two-legged calls: a session's second party, and what goes between the two."""
