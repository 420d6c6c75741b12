"""What all tests share: hypothesis without clock and dice, so that a run is like any other, and
folders whose paths are short.
"""

from __future__ import annotations

import os
import tempfile

from hypothesis import HealthCheck, settings

# A deadline and the check for slow examples would measure the machine; random examples would make
# a red run hard to repeat.
settings.register_profile(
    "ivrbench",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ivrbench")

# A Unix socket's path has 107 bytes at most, of which pytest takes 70 and a test some 20.
if len(tempfile.gettempdir()) > 16 and os.access("/tmp", os.W_OK):
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"
