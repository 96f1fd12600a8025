"""The check before training: what the data are like, and what would stop `train`."""

from __future__ import annotations

from dataclasses import replace

from rareevent.config import PipelineConfig
from rareevent.errors import RareEventError
from rareevent.evaluation.objectives import require_objective
from rareevent.ingestion import Quality, check_source
from rareevent.jobs.choose import choosing_events
from rareevent.jobs.prepare import prepare, require_events


def check(config: PipelineConfig) -> Quality:
    """The quality report, with what `train` would refuse among its problems.

    Raises
    ------
    ConfigError
        When a setting does not fit the data.
    """
    quality = check_source(config.ingest)
    if quality.problems:
        return quality
    try:
        prepared = prepare(config)
        require_events(prepared)
        require_objective(choosing_events(prepared), prepared.frame.clock, config.alarm)
    except RareEventError as error:
        return replace(quality, problems=(str(error),))
    return quality
