"""Batch scoring: a model by its name, files in, scores and alarms out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rareevent.bundle import Bundle, load_bundle
from rareevent.errors import ConfigError
from rareevent.ingestion.sql import is_sql
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.scoring_run import tracked_job
from rareevent.scoring.job import ScoreOptions, Step, plan_files, score_files
from rareevent.scoring.summary import ScoreSummary
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import load_model, resolve_model


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
    source : file, directory or glob; or a SQLAlchemy URL with "#" and a table or a query
    output : directory, or a SQLAlchemy URL with "#" and a table; what it holds of earlier jobs is
        continued
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
    _check_engine(source, output, options)
    known = replace(options, model=options.model or found.uri)
    return tracked_job(
        found,
        bundle,
        home,
        lambda: _score(bundle, source, output, events, known, step=progress.step, stop=stop),
    )


def _score(
    bundle: Bundle,
    source: str,
    output: str | Path,
    events: str | None,
    options: ScoreOptions,
    *,
    step: Step,
    stop: Callable[[], bool],
) -> ScoreSummary:
    """Score with what the source, the output and the engine ask for."""
    given = (bundle, source, output, events, options)
    # Neither Spark nor a database is in a light install, nor wanted by a job on files.
    if options.engine == "spark":
        from rareevent.scoring.spark_job import score_on_spark

        return score_on_spark(*given, step=step, stop=stop)
    if is_sql(str(output)):
        from rareevent.scoring.sql_job import score_to_tables

        return score_to_tables(bundle, source, str(output), events, options, step=step, stop=stop)
    if is_sql(source):
        from rareevent.scoring.sql_job import score_from_table

        return score_from_table(*given, step=step, stop=stop)
    return score_files(*given, step=step, stop=stop)


def _check_engine(source: str, output: str | Path, options: ScoreOptions) -> None:
    if options.master is not None and options.engine != "spark":
        raise ConfigError("--master: names a cluster of Spark; give --engine spark with it")
    if options.engine == "spark" and (is_sql(source) or is_sql(str(output))):
        raise ConfigError(
            "--engine spark: reads and writes files, not databases; export the table, or score"
            " with --engine local"
        )


def plan_score(
    model: str,
    source: str,
    output: str | Path,
    events: str | None = None,
    options: ScoreOptions | None = None,
    *,
    home: Home | None = None,
) -> dict[str, Any]:
    """What `score` would do, as plain data; nothing is written.

    Raises
    ------
    ModelError, DataError, OutputError, TrackingError
    """
    bundle = load_model(model, home)
    if is_sql(source) or is_sql(str(output)):
        from rareevent.scoring.sql_plan import plan_tables

        return plan_tables(bundle, source, str(output), options, events)
    return plan_files(bundle, source, output, options, events)
