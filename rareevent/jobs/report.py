"""The report of an earlier run, drawn anew from what the run stored."""

from __future__ import annotations

import json
from pathlib import Path

from rareevent.report.content import RunReport
from rareevent.report.page import write_report
from rareevent.tracking.artifacts import run_artifacts
from rareevent.tracking.home import Home
from rareevent.tracking.listing import full_run_id


def report(run_id: str, path: str | Path, *, home: Home | None = None) -> Path:
    """Write the HTML report of a run to a file.

    Raises
    ------
    TrackingError
        When there is no such run, or it stored no report.
    OutputError
        When the file cannot be written.
    """
    with run_artifacts(full_run_id(run_id, home), "report.json", home) as stored:
        content = RunReport.from_json(json.loads(stored.read_text(encoding="utf-8")))
    return write_report(content, path)
