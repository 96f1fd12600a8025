"""A scoring job as an MLflow run; where tracking fails, the job goes on without."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

from rareevent.bundle import Bundle
from rareevent.errors import RareEventWarning, TrackingError
from rareevent.scoring.summary import ScoreSummary
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import ResolvedModel


def tracked_job(
    found: ResolvedModel, bundle: Bundle, home: Home | None, work: Callable[[], ScoreSummary]
) -> ScoreSummary:
    """Run a scoring job inside a run of the experiment `NAME/scoring`.

    A bundle directory is scored without MLflow, which takes longer to load than many a job lasts,
    unless a tracking home is named: by `home`, or by MLFLOW_TRACKING_URI. What was scored stays
    scored when the run cannot be written; that is a warning.

    Parameters
    ----------
    found : the model as it was found
    bundle : its bundle
    home : tracking home; None for `find_home()`
    work : the job; its errors end the run as failed, and are raised
    """
    if not found.uri.startswith("models:/") and not _home_named(home):
        return work()
    from rareevent.tracking.runs import training_run
    from rareevent.tracking.scoring_runs import log_job, scoring_experiment

    done: list[ScoreSummary] = []
    asked: list[bool] = []
    name = found.name or bundle.config.name
    tags = {"model": found.uri, "bundle": bundle.digest, "model_version": found.version}
    try:
        with training_run(scoring_experiment(name), "score", home=home, tags=tags) as run:
            asked.append(True)
            done.append(work())
            log_job(run, done[0])
    except TrackingError as error:
        if asked and not done:
            raise
        warnings.warn(f"the scoring job is not tracked: {error}", RareEventWarning, stacklevel=2)
    return done[0] if done else work()


def _home_named(home: Home | None) -> bool:
    return home is not None or bool(os.environ.get("MLFLOW_TRACKING_URI", "").strip())
