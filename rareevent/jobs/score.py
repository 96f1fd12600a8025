"""Batch scoring: a model by its name, files in, scores and alarms out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rareevent.bundle import load_bundle
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.scoring_run import tracked_job
from rareevent.scoring.job import ScoreOptions, ScoreSummary, plan_files, score_files
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model


def score(
    model: str,
    source: str,
    output: str | Path,
    events: str | None = None,
    options: ScoreOptions | None = None,
    *,
    home: Home | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ScoreSummary:
    """Score the files that were not scored before, with a registered model or a bundle directory.

    The job is tracked as a run of the experiment `NAME/scoring`, see `tracked_job`.

    Parameters
    ----------
    model : "models:/NAME@champion", "models:/NAME/VERSION", "runs:/RUN_ID" or a bundle directory
    source : file, directory or glob
    output : directory; what it holds of earlier jobs is continued
    events : file of known events, one row each
    options : ScoreOptions; its `model` is what this one is known as, unless given
    stop : asked before each file; once it is true the job ends

    Raises
    ------
    ModelError, DataError, OutputError, TrackingError
    """
    progress = progress or Quiet()
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    options = options or ScoreOptions()
    known = replace(options, model=options.model or found.uri)
    return tracked_job(
        found,
        bundle,
        home,
        lambda: score_files(bundle, source, output, events, known, step=progress.step, stop=stop),
    )


def plan_score(
    model: str,
    source: str,
    output: str | Path,
    options: ScoreOptions | None = None,
    *,
    home: Home | None = None,
) -> dict[str, Any]:
    """What `score` would do, as plain data; nothing is written.

    Raises
    ------
    ModelError, DataError, OutputError, TrackingError
    """
    bundle = load_bundle(resolve_model(model, home).folder)
    return plan_files(bundle, source, output, options)
