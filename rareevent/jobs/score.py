"""Batch scoring: a model by its name, files in, scores and alarms out."""

from __future__ import annotations

from pathlib import Path

from rareevent.bundle import load_bundle
from rareevent.scoring.job import ScoreSummary, score_files
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model


def score(
    model: str,
    source: str,
    output: str | Path,
    events: str | None = None,
    *,
    home: Home | None = None,
) -> ScoreSummary:
    """Score new sensor files with a registered model or a bundle directory.

    Parameters
    ----------
    model : "models:/NAME@champion", "models:/NAME/VERSION", "runs:/RUN_ID" or a bundle directory
    source : file, directory or glob
    output : directory; its `scores.parquet` and `alarms.parquet` are replaced
    events : file of known events, one row each

    Raises
    ------
    ModelError, DataError, OutputError, TrackingError
    """
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    return score_files(bundle, source, output, events, model=found.uri)
