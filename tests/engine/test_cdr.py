"""Call records."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ivrbench.engine.cdr import CallRecord, CdrFile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ROW = CallRecord(
    leg="c1",
    call_id="x@y",
    direction="in",
    script="app",
    generation=3,
    caller='"Ann" <sip:a@b>',
    called="sip:app@c",
    started_s=1.0,
    answered_s=2.0,
    ended_s=4.5,
    duration_s=2.5,
    code=200,
    ended_by="caller",
    reason="the caller hung up",
    keys="12#",
    rtp_received=1,
    rtp_sent=2,
    rtp_lost=0,
)


def test_one_line_of_json_each(tmp_path: Path) -> None:
    """Rows are appended; telephone numbers are for the owner's eyes only."""
    path = tmp_path / "cdr"
    for _ in range(2):
        cdr = CdrFile(path)
        cdr.append(ROW)
        cdr.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 2
    assert rows[0]["keys"] == "12#"
    assert rows[0]["duration_s"] == 2.5
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_costs_rows_and_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """architecture §9: it is said once, half a row never stays, and rows go on afterwards."""
    path = tmp_path / "cdr"
    cdr = CdrFile(path)
    cdr.append(ROW)
    whole = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    cdr.append(ROW)
    cdr.append(ROW)
    assert path.read_bytes() == whole
    assert cdr.lost == 2
    monkeypatch.undo()
    cdr.append(ROW)
    cdr.close()
    assert path.read_bytes() == whole * 2
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert said[1] == "call records are written again; 2 were lost"
