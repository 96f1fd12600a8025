"""Tuning: try settings on the forward validation folds, in processes that share a study."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent import __version__
from rareevent.config import PipelineConfig
from rareevent.errors import ConfigError, OutputError
from rareevent.evaluation.objectives import require_objective
from rareevent.jobs.choose import choosing_events
from rareevent.jobs.prepare import Prepared
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.run_page import log_data
from rareevent.jobs.study import (
    finished,
    judged,
    open_study,
    record,
    settle_leftovers,
    values_of,
)
from rareevent.jobs.trial import TrialTask, prepare_before_test, run_trial, with_tuned
from rareevent.jobs.tuned import (
    TITLES,
    TuneResult,
    compare_best,
    make_result,
    tuned_file,
    write_tuned,
)
from rareevent.jobs.workers import in_processes
from rareevent.scoring.folder import output_folder
from rareevent.tracking.home import Home, find_home, tracking_errors
from rareevent.tracking.runs import training_run
from rareevent.tracking.tracked import TrackedRun, cut

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_STUDY_TAG, _TRIAL_TAG = "study", "trial"
_NAME_CHARS = 120
# How many rows back a window or one of its channels reads.
_READS_BACK = (
    "window.lookback",
    "channels.use",
    "channels.change_lags",
    "channels.volatility_windows",
    "channels.surprise",
)


def tune(
    config: PipelineConfig,
    *,
    trials: int,
    workers: int = 1,
    output: str | Path | None = None,
    folder: str | Path | None = None,
    home: Home | None = None,
    progress: Progress | None = None,
) -> TuneResult:
    """Try settings until so many trials are finished; killed and called again, it goes on.

    Every trial learns the validation folds alone, from data in which there is no test row.

    Parameters
    ----------
    config : the pipeline; its `tune` stage says what is varied
    trials : finished ones in all, those of earlier calls and the pipeline as it is included
    workers : processes
    output : file for the best pipeline
    folder : for studies, default `tune` beside the tracking database

    Raises
    ------
    ConfigError
        For the leaky random split, and where a space does not fit the pipeline.
    LockedError
        When another call works on the same study.
    """
    _refuse(config, output)
    progress, started = progress or Quiet(), time.perf_counter()
    home = home or find_home()
    prepared = prepare_before_test(with_tuned(config, {}))
    counted = choosing_events(prepared)
    require_objective(counted, prepared.frame.clock, config.alarm)
    name = study_name(config, prepared)
    place = (Path(folder) if folder else _beside(home)) / name
    with output_folder(place), training_run(config.name, _run_name(config), home=home) as run:
        run.params({**config.dump(), "trials": trials})
        run.tags({"kind": "tune", _STUDY_TAG: name})
        log_data(run, prepared, "tuning", " before the test part")
        study = open_study(place, name)
        study.set_user_attr("metric", config.tune.metric)
        left = settle_leftovers(study)
        if left:
            progress.log(f"{left} trials were left half done, and are tried again")
        reused = len(finished(study))
        task = TrialTask(config, place, name)
        _run_missing(study, task, trials, workers, run, progress)
        found = compare_best(study, task, prepared)
        result = make_result(run.run_id, task, found, output, reused, started)
        _track(run, result)
        write_tuned(result, output)
    return result


def _refuse(config: PipelineConfig, output: str | Path | None) -> None:
    if config.split.strategy == "random_leaky":
        raise ConfigError("split.strategy: random_leaky has no forward folds to tune on")
    for key in config.tune.over():
        if why := _why_other_rows(config, key):
            raise ConfigError(
                f"tune.space: {key} cannot be tuned {why}, or leave it out of the space"
            )
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise OutputError(f"{output}: there is no such folder to write into; make it first")


def _why_other_rows(config: PipelineConfig, key: str) -> str:
    """Why trials that differ in this key would be judged on different rows; empty if they are not.

    Figures of different rows do not compare.
    """
    if key == "window.lookback" and config.window.pad == "none":
        return (
            "with window.pad: none, where a longer one is judged on fewer rows; set"
            " window.pad: first"
        )
    if config.split.strategy != "chronological":
        return ""
    if key == "label.auxiliary":
        return (
            "by the clock, where a longer one purges more of the rows that judge; set"
            " split.strategy: by_asset"
        )
    if key in _READS_BACK and config.split.purge == "strict":
        return (
            "with split.purge: strict, where reading further back purges more of the rows that"
            " judge; set split.purge: horizon"
        )
    return ""


def study_name(config: PipelineConfig, prepared: Prepared) -> str:
    """A name for the study of this pipeline, these data and this version: others start anew."""
    identity = json.dumps([__version__, prepared.frame.data_sha256(), config.dump()])
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9._-]+', '-', config.name)}-{key}"


def _beside(home: Home) -> Path:
    if home.artifacts is None:
        raise ConfigError(
            f"the runs are tracked at {home.shown}, where no file can lie beside them; say with"
            " --study DIR where the study should lie"
        )
    return home.artifacts.parent / "tune"


def _run_name(config: PipelineConfig) -> str:
    when = datetime.now().strftime("%d %b %H:%M")
    return f"tuning by {TITLES[config.tune.metric]}, {when}"


def _run_missing(
    study: Study,
    task: TrialTask,
    trials: int,
    workers: int,
    run: TrackedRun,
    progress: Progress,
) -> None:
    """Run what is missing to so many finished trials, and track each as it ends."""
    done = finished(study)
    logged = _logged(run, task.study)
    for trial in done:
        if str(trial.number) not in logged:
            _track_trial(run, task, trial)
    missing = [task] * (trials - len(done))
    progress.step("trials", len(done), trials, _standing(done, task))
    for _, number in in_processes(run_trial, missing, min(workers, len(missing)), _named):
        done = finished(study)
        _track_trial(run, task, next(t for t in done if t.number == number))
        progress.step("trials", len(done), trials, _standing(done, task))


def _named(_task: TrialTask) -> str:
    return "a trial"


def _standing(trials: list[FrozenTrial], task: TrialTask) -> str:
    ranked = judged(trials)
    if not ranked:
        return "none judged yet"
    best, metric = ranked[0], TITLES[task.config.tune.metric]
    values = json.dumps(values_of(best, task.config.tune.over())) if best.params else "as it is"
    return f"best {metric} {best.value:.4f}, trial {best.number}: {values}"


def _logged(run: TrackedRun, study: str) -> set[str]:
    """Numbers of the study's trials that have a run, of this call or an earlier one."""
    with tracking_errors("cannot look for the trials of an earlier call"):
        runs = run.client.search_runs(
            [run.experiment_id], f"tags.{_STUDY_TAG} = '{study}'", max_results=10_000
        )
    return {r.data.tags[_TRIAL_TAG] for r in runs if _TRIAL_TAG in r.data.tags}


def _track_trial(run: TrackedRun, task: TrialTask, trial: FrozenTrial) -> None:
    """A run of its own, nested under the tuning's."""
    config, found = task.config, record(trial, task.config.tune.over())
    tried = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in found["values"].items())
    name = cut(f"trial {trial.number}: {tried or 'as it is'}", _NAME_CHARS)
    marks = {"kind": "tune trial", "state": found["state"], "error": found["error"]}
    marks |= {_STUDY_TAG: task.study, _TRIAL_TAG: trial.number}
    with training_run(config.name, name, home=run.home, parent=run.run_id, tags=marks) as child:
        child.params(found["values"] or {"as_is": True})
        metric = f"validation/{config.tune.metric}"
        child.metrics({metric: found["value"]})
        for fold, value in enumerate(found["by_fold"], start=1):
            child.metrics({f"fold/{config.tune.metric}": value}, step=fold)


def _track(run: TrackedRun, result: TuneResult) -> None:
    best, as_is = result.best["value"], result.as_is
    run.metrics({f"validation/{result.metric}": best, f"validation/{result.metric}_as_is": as_is})
    word = result.difference["verdict"].replace(" ", "_")
    run.tags({"verdict": word, "verdict_sentence": result.sentence})
    run.describe(result.sentence)
    run.save("tune.json", json.dumps(result.to_json(), allow_nan=False))
    run.save("tuned.yaml", tuned_file(result))
