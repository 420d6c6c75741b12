"""Load: many real calls at once, at any SIP server, and what became of them."""
