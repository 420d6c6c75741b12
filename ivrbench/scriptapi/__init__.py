"""The modules `ivr` and `log` that scripts import."""
