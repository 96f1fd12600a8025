"""Looking back at runs: listing them, and comparing two on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.config import EvaluateStage
from rareevent.errors import DataError
from rareevent.evaluation.compare import Comparison, compare
from rareevent.evaluation.verdict import Verdict, give_verdict
from rareevent.jobs.predictions import StoredPredictions, read_predictions
from rareevent.tracking.artifacts import run_artifacts
from rareevent.tracking.home import Home
from rareevent.tracking.listing import full_run_id, get_record, list_runs

__all__ = ["ComparedRuns", "compare_runs", "list_runs"]


@dataclass(frozen=True)
class ComparedRuns:
    """Two runs on the test rows that both have."""

    ours: str
    theirs: str
    comparison: Comparison
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "a": self.ours,
            "b": self.theirs,
            "comparison": self.comparison.to_json(),
            "verdict": self.verdict.outcome,
            "verdict_sentence": self.verdict.sentence,
            "details": list(self.verdict.details),
        }


def compare_runs(ours: str, theirs: str, *, home: Home | None = None) -> ComparedRuns:
    """Paired differences between two runs, with intervals and words.

    Raises
    ------
    TrackingError
        When there is no such run, or it kept no predictions.
    DataError
        When the two were not judged on the same rows.
    """
    ours, theirs = full_run_id(ours, home), full_run_id(theirs, home)
    a, b = get_record(ours, home), get_record(theirs, home)
    with run_artifacts(ours, "predictions", home) as one:
        first = read_predictions(Path(one))
    with run_artifacts(theirs, "predictions", home) as other:
        second = read_predictions(Path(other))
    _check_same_events(first, second)
    comparison = compare(
        first.scored,
        second.scored,
        first.events,
        first.counted,
        first.clock,
        EvaluateStage(),
        lookback=max(first.lookback, second.lookback),
        horizon=first.horizon,
    )
    verdict = give_verdict({f"run {b.run_id[:8]} ({b.name})": comparison}, f"run {a.run_id[:8]}")
    return ComparedRuns(a.run_id, b.run_id, comparison, verdict)


def _check_same_events(a: StoredPredictions, b: StoredPredictions) -> None:
    if a.horizon != b.horizon:
        raise DataError(
            f"the runs look ahead by {a.clock.duration_text(a.horizon)} and"
            f" {b.clock.duration_text(b.horizon)}: their events are not caught by the same rows,"
            " so they cannot be compared"
        )
    if not np.array_equal(a.events.time[a.counted], b.events.time[b.counted]):
        raise DataError(
            "the runs count different events in their test parts; train both on the same data"
            " and split"
        )
