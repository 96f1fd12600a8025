"""One trial of a tuning: learn and judge the validation folds with some keys replaced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.config import Ingest, Metric, PipelineConfig, validate_pipeline, with_values
from rareevent.errors import ConfigError, DataError, TrainingError
from rareevent.evaluation.catches import judge
from rareevent.evaluation.metrics import ratio, row_metrics
from rareevent.ingestion import Quality, ingest
from rareevent.ingestion.frame import Float64, Int64, SensorFrame
from rareevent.jobs.before_test import before_test
from rareevent.jobs.choose import Chosen, as_scored, choose, choosing_events
from rareevent.jobs.learn import forward_scores_of_fold
from rareevent.jobs.prepare import Prepared, arrange, fill_auto, require_events
from rareevent.jobs.progress import Quiet
from rareevent.jobs.study import AS_IS, ERROR, ask, open_study, suggest
from rareevent.whole_files import written_aside

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True)
class TrialTask:
    """The pipeline to be tuned, and the study that says what to try next."""

    config: PipelineConfig
    folder: Path
    study: str


def run_trial(task: TrialTask) -> int:
    """Ask for values, judge them on the validation folds, tell; returns the trial's number.

    Its forward scores are kept in the study's folder before the study hears of it.
    """
    import optuna

    study = open_study(task.folder, task.study)
    trial = ask(study, task.config.tune.seed)
    try:
        config = with_tuned(task.config, suggest(trial, task.config.tune.over()))
        row, logit, value = _learn_and_judge(config, trial)
        _keep(scores_path(task.folder, trial.number), row, logit)
        study.tell(trial, value)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except (ConfigError, DataError, TrainingError) as error:
        # These values cannot be learned with; the next trial may try others.
        trial.set_user_attr(ERROR, str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if trial.user_attrs.get(AS_IS):
            raise
    return trial.number


def with_tuned(config: PipelineConfig, values: dict[str, Any]) -> PipelineConfig:
    """The pipeline with some keys replaced, and nothing left to tune."""
    data = {**with_values(config.dump(), values), "tune": {}}
    return validate_pipeline(data, where="trial")


def prepare_before_test(config: PipelineConfig) -> Prepared:
    """The rows before the test part, labelled and parted; no test row is among them.

    Raises
    ------
    DataError
        Where no event lies in the training part.
    """
    frame, quality = _ingested(config.ingest.model_dump_json(by_alias=True))
    prepared = before_test(arrange(config, frame, quality))
    require_events(prepared)
    return fill_auto(prepared)


@lru_cache(maxsize=1)
def _ingested(stage: str) -> tuple[SensorFrame, Quality]:
    """What a stage reads; a process that runs many trials reads it once."""
    return ingest(Ingest.model_validate_json(stage))


def _learn_and_judge(config: PipelineConfig, trial: Trial) -> tuple[Int64, Float64, float]:
    """Rows, log-odds and the figure; may be pruned after any fold but the last."""
    import optuna

    prepared = prepare_before_test(config)
    metric, folds = trial.study.user_attrs["metric"], prepared.split.folds
    row, logit = np.zeros(0, np.int64), np.zeros(0)
    for fold in range(1, folds + 1):
        more = forward_scores_of_fold(prepared, fold, Quiet())
        row, logit = np.append(row, more[0]), np.append(logit, more[1])
        order = np.argsort(row, kind="stable")
        row, logit = row[order], logit[order]
        value = figure(prepared, row, logit, metric)
        if value is not None:
            trial.report(value, fold)
        prunable = fold < folds and not trial.user_attrs.get(AS_IS)
        if prunable and value is not None and trial.should_prune():
            raise optuna.TrialPruned
    if value is None:
        raise TrainingError(f"tune.metric {metric}: no event lies in the validation folds")
    return row, logit, value


def figure(prepared: Prepared, row: Int64, logit: Float64, metric: Metric) -> float | None:
    """The figure that is tuned by, on forward scores of some rows; None where it is undefined."""
    if metric != "event_recall":
        return row_metrics(as_scored(prepared, row, logit))[metric]
    chosen, counted = choose(prepared, row, logit), choosing_events(prepared)
    return ratio(int(judge(chosen.scored, counted).caught.sum()), int(counted.sum()))


def scores_path(folder: Path, number: int) -> Path:
    """Where a trial's forward scores lie."""
    return folder / f"trial_{number}.npz"


def chosen_on(prepared: Prepared, path: Path) -> Chosen:
    """Calibration, alarms and scored rows of a trial's forward scores."""
    with np.load(path, allow_pickle=False) as arrays:
        return choose(prepared, arrays["row"], arrays["logit"])


def _keep(path: Path, row: Int64, logit: Float64) -> None:
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, row=row, logit=logit)
