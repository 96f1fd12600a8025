"""Backtest: the whole of learning and judging, repeated on consecutive test periods.

Each fold is a process of its own that writes its outcome into a folder of its own, whole or not
at all; a backtest that was killed goes on with the folds that are missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rareevent import __version__
from rareevent.config import PipelineConfig, dump_pipeline
from rareevent.errors import ConfigError, OutputError
from rareevent.jobs.backtest_report import backtest_report
from rareevent.jobs.fold import OUTCOME, FoldPlan, FoldTask, fold_is_done, run_fold
from rareevent.jobs.outcome import save_report
from rareevent.jobs.pool import Pooled, pool_folds
from rareevent.jobs.predictions import ALARMS, EVENTS, PREDICTIONS
from rareevent.jobs.prepare import Prepared, prepare
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.run_page import describe, log_data
from rareevent.jobs.train import absolute
from rareevent.jobs.workers import in_processes
from rareevent.report.page import write_report
from rareevent.scoring.folder import output_folder
from rareevent.tracking.home import Home, find_home
from rareevent.tracking.runs import training_run
from rareevent.tracking.tracked import TrackedRun
from rareevent.whole_files import written_aside

SUMMARY, REPORT = "backtest.json", "report.html"


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest found; `to_json` is what `backtest --json` prints.

    Attributes
    ----------
    folds : per fold its split, metrics of every model, policies, audit and verdict
    pooled : model -> metrics and intervals over the test rows of all folds
    mean : model -> metric -> mean over the folds
    model : the model that the pipeline registers, "lstm" or "blend"
    comparisons : other model -> paired differences to the registered one on the pooled rows
    verdict, verdict_sentence : over all folds, as a word and in words; see `train.TrainResult`
    skill : `Skill.to_json()` over the test rows of all folds
    folds_reused : folds that an earlier, interrupted call had finished
    """

    run_id: str
    output: str
    folds: Sequence[Mapping[str, Any]]
    model: str
    pooled: Mapping[str, Any]
    mean: Mapping[str, Any]
    comparisons: Mapping[str, Any]
    verdict: str
    verdict_sentence: str
    skill: Mapping[str, Any]
    seconds: float
    folds_reused: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


def backtest(
    config: PipelineConfig,
    plan: FoldPlan,
    output: str | Path,
    *,
    workers: int | None = None,
    home: Home | None = None,
    progress: Progress | None = None,
) -> BacktestResult:
    """Learn and judge every fold, in parallel processes, and pool what they found.

    Parameters
    ----------
    config : the pipeline; everything that is chosen is chosen inside each fold
    plan : how time is cut
    output : folder for predictions.parquet, events.parquet, alarms.parquet, backtest.json,
        report.html and folds/
    workers : processes, default one per core, at most one per fold

    Raises
    ------
    ConfigError
        For the leaky random split, which has no time to walk along.
    OutputError, LockedError
        When the output holds another backtest, or cannot be written, or is in use.
    """
    if config.split.strategy == "random_leaky":
        raise ConfigError("split.strategy: random_leaky has no order in time to backtest along")
    progress = progress or Quiet()
    started = time.perf_counter()
    folder = Path(output)
    prepared = prepare(config)
    name = _name(config, plan)
    with output_folder(folder):
        tasks = _tasks(absolute(config), plan, folder, prepared.frame.data_sha256())
        reused = sum(fold_is_done(task) for task in tasks)
        with training_run(config.name, name, home=home) as run:
            run.params({**config.dump(), "backtest": vars(plan)})
            run.save("pipeline.yaml", dump_pipeline(absolute(config)))
            log_data(run, prepared, "backtest")
            _run_missing(tasks, workers or os.cpu_count() or 1, progress)
            outcomes = [json.loads((t.folder / OUTCOME).read_text()) for t in tasks]
            pooled = pool_folds(prepared, [t.folder for t in tasks], outcomes)
            result = _result(run, folder, outcomes, pooled, started, reused)
            _write(folder, tasks, result)
            _track(run, prepared, outcomes, result, folder, home)
            title = f"{config.name}, {name}"
            report = backtest_report(prepared, pooled, outcomes, run.run_id, title)
            save_report(run, report)
            write_report(report, folder / REPORT)
    return result


def _tasks(config: PipelineConfig, plan: FoldPlan, folder: Path, data: str) -> list[FoldTask]:
    """The folds, and the key that ties an outcome to this pipeline, these data and this plan."""
    identity = json.dumps([__version__, data, config.dump(), vars(plan)], sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()
    folds = folder / "folds"
    tasks = [FoldTask(config, plan, k, folds / f"fold_{k}", key) for k in range(1, plan.folds + 1)]
    _refuse_other_backtest(folder, key)
    return tasks


def _refuse_other_backtest(folder: Path, key: str) -> None:
    """An output belongs to one backtest: what another one left is never mixed in or replaced."""
    for stored in sorted((folder / "folds").glob(f"fold_*/{OUTCOME}")):
        if json.loads(stored.read_text()).get("key") != key:
            raise OutputError(
                f"{folder}: holds the folds of another backtest (other data, settings or version);"
                " give another --output, or delete it"
            )


def _run_missing(tasks: Sequence[FoldTask], workers: int, progress: Progress) -> None:
    missing = [task for task in tasks if not fold_is_done(task)]
    done = len(tasks) - len(missing)
    if done:
        progress.log(f"{done} of {len(tasks)} folds were finished before")
    if not missing:
        return
    workers = max(1, min(workers, len(missing)))
    progress.step("folds", done, len(tasks), f"{workers} at a time")
    for task, _ in in_processes(run_fold, missing, workers, lambda task: f"fold {task.fold}"):
        done += 1
        progress.step("folds", done, len(tasks), f"fold {task.fold} finished")


def _result(
    run: TrackedRun,
    folder: Path,
    outcomes: Sequence[Mapping[str, Any]],
    pooled: Pooled,
    started: float,
    reused: int,
) -> BacktestResult:
    figures = {
        name: {"metrics": e.metrics, "intervals": e.to_json()["intervals"]}
        for name, e in pooled.evaluations.items()
    }
    figures["random"] = {"metrics": dict(pooled.random), "intervals": {}}
    return BacktestResult(
        run_id=run.run_id,
        output=str(folder),
        folds=[{k: v for k, v in o.items() if k != "key"} for o in outcomes],
        model=outcomes[0]["model"],
        pooled=figures,
        mean=pooled.mean,
        comparisons=pooled.comparisons,
        verdict=pooled.verdict.outcome,
        verdict_sentence=pooled.verdict.sentence,
        skill=pooled.skill.to_json(),
        seconds=round(time.perf_counter() - started, 3),
        folds_reused=reused,
    )


def _write(folder: Path, tasks: Sequence[FoldTask], result: BacktestResult) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in (PREDICTIONS, EVENTS, ALARMS):
        whole = pa.concat_tables([pq.read_table(t.folder / name) for t in tasks])
        with written_aside(folder / name) as aside:
            pq.write_table(whole, aside)
    with written_aside(folder / SUMMARY) as aside:
        aside.write_text(json.dumps(result.to_json(), indent=2, allow_nan=False))


def _track(
    run: TrackedRun,
    prepared: Prepared,
    outcomes: Sequence[Mapping[str, Any]],
    result: BacktestResult,
    folder: Path,
    home: Home | None,
) -> None:
    """Pooled figures on the parent run, each fold's on a run nested in it."""
    run.metrics(result.pooled[result.model]["metrics"], prefix="test")
    for name, figures in result.pooled.items():
        if name != result.model:
            run.metrics(figures["metrics"], prefix=f"test_{name}")
    run.metrics({"test/skill_p_value": result.skill["p_value"]})
    run.tags({"kind": "backtest"})
    figures = {name: found["metrics"] for name, found in result.pooled.items()}
    said = result.verdict, result.verdict_sentence
    describe(run, *said, figures, result.model, prepared.frame.clock.kind)
    for name in (PREDICTIONS, EVENTS, ALARMS):
        run.save_file(folder / name, "predictions")
    run.save_file(folder / SUMMARY)
    for outcome in outcomes:
        _track_fold(run, prepared, outcome, home)


def _track_fold(
    run: TrackedRun, prepared: Prepared, outcome: Mapping[str, Any], home: Home | None
) -> None:
    config, test, fold = prepared.config, outcome["split"]["test"], outcome["fold"]
    name = f"fold {fold}, test from {test['from']}"
    home, marks = home or find_home(), {"kind": "backtest fold"}
    with training_run(config.name, name, home=home, parent=run.run_id, tags=marks) as child:
        child.params({**config.dump(), "fold": fold, "test": {k: test[k] for k in ("from", "to")}})
        log_data(child, prepared, "backtest")
        child.metrics(outcome["metrics"][outcome["model"]], prefix="test")
        child.metrics({"test/skill_p_value": outcome["skill"]["p_value"]})
        figures = {**outcome["metrics"], "random": outcome["random"]}
        said = outcome["verdict"], outcome["verdict_sentence"]
        describe(child, *said, figures, outcome["model"], prepared.frame.clock.kind)
        child.save("outcome.json", json.dumps(outcome, allow_nan=False))


def _name(config: PipelineConfig, plan: FoldPlan) -> str:
    when = datetime.now().strftime("%d %b %H:%M")
    return f"backtest, {plan.folds} {plan.window} folds, horizon {config.label.horizon}, {when}"
