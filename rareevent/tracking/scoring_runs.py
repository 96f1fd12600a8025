"""Scoring jobs as runs of the experiment `NAME/scoring`, and their history read back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rareevent.errors import TrackingError
from rareevent.scoring.drift import ColumnDrift
from rareevent.scoring.drift_report import NOT_JUDGED, DriftReport
from rareevent.scoring.summary import ScoreSummary
from rareevent.tracking.home import Home, connect, find_home, tracking_errors
from rareevent.tracking.models import all_pages
from rareevent.tracking.tracked import TrackedRun
from rareevent.tracking.views import SCORING_SUFFIX

if TYPE_CHECKING:
    from mlflow.entities import Run

# Columns whose figures become metrics of their own; all of them stand in drift.json.
_MOST_COLUMNS = 10
_LONGEST_NAME = 200


@dataclass(frozen=True)
class JobRecord:
    """A scoring job that ended well, as its run tells.

    Attributes
    ----------
    started : ISO time, UTC
    model : what the model was known as
    verdict, sentence : on drift, see `DriftReport`
    first, last : ends of the window judged, as texts; None where time is an age
    too_old : whether the model was older than `monitor.max_age`
    metrics : all figures of the run
    """

    run_id: str
    started: str
    model: str
    verdict: str
    sentence: str
    first: str | None
    last: str | None
    too_old: bool
    metrics: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain data, JSON-able."""
        return asdict(self)


def scoring_experiment(name: str) -> str:
    """The experiment of a model's scoring jobs."""
    return f"{name}{SCORING_SUFFIX}"


def log_job(run: TrackedRun, summary: ScoreSummary) -> None:
    """Log what a scoring job did, and how far its rows are from those of training.

    Raises
    ------
    TrackingError
        When MLflow refuses.
    """
    drift = summary.drift
    figures = {
        "scoring/rows": summary.rows_scored,
        "scoring/rows_read": summary.rows_read,
        "scoring/rejected": summary.rows_rejected,
        "scoring/alarms": summary.alarms,
        "scoring/files": len(summary.files),
        "scoring/seconds": summary.seconds,
        "model/age_days": drift.age_days,
    }
    run.metrics(figures | _drift_figures(drift))
    run.tags(
        {
            "verdict": drift.verdict,
            "verdict_sentence": drift.words,
            "window_first": drift.first,
            "window_last": drift.last,
            "too_old": "yes" if any(f.kind == "age" for f in drift.findings) else None,
            "mlflow.note.content": drift.words,
        }
    )
    run.save("drift.json", json.dumps(drift.to_json(columns=None), indent=1, ensure_ascii=False))


def _drift_figures(drift: DriftReport) -> dict[str, float | None]:
    if drift.verdict == NOT_JUDGED:
        return {}
    figures = {
        "drift/findings": len(drift.findings),
        "drift/rows": drift.rows,
        "drift/windows": drift.windows,
        "drift/windows_drifted": drift.windows_drifted,
        "drift/alarm_rate": drift.alarm_rate,
        "drift/alarm_rate_expected": drift.alarm_rate_expected,
        "drift/alarm_rate_ratio": drift.alarm_rate_ratio,
    }
    if drift.columns:
        figures["drift/strain_max"] = drift.columns[0].strain
    for kind in ("psi", "missing", "outside"):
        figures |= _furthest(drift.columns, kind)
    return figures


def _furthest(columns: Sequence[ColumnDrift], kind: str) -> dict[str, float]:
    ranked = sorted(columns, key=lambda column: -getattr(column, kind))
    if not ranked:
        return {}
    named = {f"drift/{kind}/{_safe(c.column)}": getattr(c, kind) for c in ranked[:_MOST_COLUMNS]}
    return {f"drift/{kind}_max": getattr(ranked[0], kind), **named}


def _safe(column: str) -> str:
    """A column's name as MLflow takes it in the name of a metric, which is a path to it."""
    plain = re.sub(r"[^\w.\- ]", "_", column)[:_LONGEST_NAME]
    return re.sub(r"^\.+$", "_", plain)


def read_jobs(name: str, home: Home | None = None, limit: int = 1000) -> list[JobRecord]:
    """The scoring jobs of a model that ended well, newest first.

    Raises
    ------
    TrackingError
        When MLflow cannot be reached, or knows no job of the model; lists the models it knows.
    """
    home = home or find_home()
    client = connect(home)
    with tracking_errors(f"cannot read the scoring jobs at {home.shown}"):
        found = client.get_experiment_by_name(scoring_experiment(name))
        if found is None:
            names = [e.name for e in all_pages(client.search_experiments, None)]
            known = sorted(
                n.removesuffix(SCORING_SUFFIX) for n in names if n.endswith(SCORING_SUFFIX)
            )
            raise TrackingError(
                f"no scoring job of {name!r} is tracked at {home.shown}; there are jobs of:"
                f" {', '.join(known) or 'no model'}; `rareevent score` with models:/NAME tracks one"
            )
        runs = client.search_runs(
            [found.experiment_id],
            "attributes.status = 'FINISHED'",
            max_results=limit,
            order_by=["attributes.start_time DESC"],
        )
    return [_record(run) for run in runs]


def _record(run: Run) -> JobRecord:
    tags, started = run.data.tags, datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return JobRecord(
        run_id=run.info.run_id,
        started=started.isoformat(timespec="seconds"),
        model=tags.get("model", ""),
        verdict=tags.get("verdict", NOT_JUDGED),
        sentence=tags.get("verdict_sentence", ""),
        first=tags.get("window_first"),
        last=tags.get("window_last"),
        too_old="too_old" in tags,
        metrics=dict(run.data.metrics),
    )
