"""`ivr.conf`: reading, checking, and the settings value."""
