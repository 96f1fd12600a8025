"""One fold of a backtest, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rareevent.config import PipelineConfig
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.verdict import with_skill
from rareevent.jobs.judge import Judged, judge_test
from rareevent.jobs.learn import learn
from rareevent.jobs.outcome import split_summary, write_predictions
from rareevent.jobs.prepare import (
    Prepared,
    dropped_rows,
    fill_auto,
    prepare,
    receptive_field,
    repart,
    require_events,
)
from rareevent.jobs.progress import Quiet
from rareevent.jobs.register import make_bundle
from rareevent.jobs.skill import skill_of
from rareevent.jobs.train import audit_learning
from rareevent.windowing.split import Split, clock_edges, split_assets, split_by_clock

OUTCOME, SCORED = "outcome.json", "scored.npz"
_SCORED_FIELDS = ("probability", "alarm")
_ROW_FIELDS = ("asset", "time", "segment", "target", "status", "event", "time_to_event")


@dataclass(frozen=True)
class FoldPlan:
    """How a backtest cuts time.

    Attributes
    ----------
    folds : number of consecutive test periods
    first : share of rows before the first test period
    window : "expanding" trains on all rows before, "sliding" on a stretch as long as `first`
    """

    folds: int
    first: float
    window: Literal["expanding", "sliding"]

    def shares(self, fold: int, config: PipelineConfig) -> tuple[float, ...]:
        """Shares of the rows before the start, each validation fold, the test part and its end.

        The validation folds take the same part of what comes before the test as in training.

        Examples
        --------
        >>> from rareevent.config import validate_pipeline
        >>> data = {"ingest": {"source": "a", "time": "t", "label": "y"}}
        >>> config = validate_pipeline({**data, "split": {"folds": 1}})
        >>> FoldPlan(5, 0.5, "expanding").shares(1, config)
        (0.0, 0.375, 0.5, 0.6)
        >>> FoldPlan(5, 0.5, "sliding").shares(5, config)
        (0.4, 0.775, 0.9, 1.0)
        """
        width = (1 - self.first) / self.folds
        test = self.first + (fold - 1) * width
        start = test - self.first if self.window == "sliding" else 0.0
        validation = config.split.validation / (1 - config.split.test) * (test - start)
        choosing = np.linspace(test - validation, test, config.split.folds + 1)
        return tuple(round(float(s), 9) for s in (start, *choosing, test + width))


@dataclass(frozen=True)
class FoldTask:
    """One fold: the pipeline, the plan, which fold, where its outcome goes, and its key.

    The key names pipeline, data and plan; an outcome with another key is not this fold's.
    """

    config: PipelineConfig
    plan: FoldPlan
    fold: int
    folder: Path
    key: str


def fold_is_done(task: FoldTask) -> bool:
    """Whether the fold's outcome is there, whole, and its own."""
    try:
        return bool(json.loads((task.folder / OUTCOME).read_text())["key"] == task.key)
    except (OSError, ValueError, KeyError):
        return False


def run_fold(task: FoldTask) -> int:
    """Learn and judge one fold and write its outcome; returns the fold's number."""
    prepared = fill_auto(split_fold(prepare(task.config), task.plan, task.fold))
    require_events(prepared)
    learned = learn(prepared, Quiet())
    audit, notes = audit_learning(prepared, learned)
    audit.demand()
    judged = judge_test(prepared, learned, make_bundle(prepared, learned, None))
    skill = skill_of(prepared, learned, judged)
    verdict = with_skill(judged.verdict, skill)
    outcome = {
        "key": task.key,
        "fold": task.fold,
        "model": learned.model,
        "weights": learned.weights,
        "split": split_summary(prepared, learned),
        "dropped": dropped_rows(prepared, learned.final.part.windowed),
        "metrics": {name: e.metrics for name, e in judged.test.items()},
        "intervals": {name: e.to_json()["intervals"] for name, e in judged.test.items()},
        "random": judged.random,
        "policies": {name: c.policy.to_json() for name, c in learned.chosen.items()},
        "verdict": verdict.outcome,
        "verdict_sentence": verdict.sentence,
        "skill": skill.to_json(),
        "audit": audit.to_json(),
        "reasons": prepared.reasons,
        "notes": list(notes),
    }
    _write(task, prepared, judged, outcome)
    return task.fold


def split_fold(prepared: Prepared, plan: FoldPlan, fold: int) -> Prepared:
    """The rows parted for one fold."""
    return repart(prepared, _split(prepared, plan.shares(fold, prepared.config)))


def _split(prepared: Prepared, shares: tuple[float, ...]) -> Split:
    frame, stage = prepared.frame, prepared.config.split
    reach = prepared.split.reach
    apart = receptive_field(prepared.config) if stage.purge == "strict" else 0
    if stage.strategy == "by_asset":
        return split_assets(frame, shares[1:], stage.seed, reach, apart, start=shares[0])
    edges = clock_edges(frame, shares)
    return split_by_clock(frame, edges[1:], reach, apart, start=int(edges[0]))


def _write(task: FoldTask, prepared: Prepared, judged: Judged, outcome: Mapping[str, Any]) -> None:
    """Everything into a folder aside, then under its name in one step."""
    aside = task.folder.with_name(f".{task.folder.name}.{os.getpid()}.part")
    for left in task.folder.parent.glob(f".{task.folder.name}.*.part"):
        shutil.rmtree(left, ignore_errors=True)
    aside.mkdir(parents=True)
    write_predictions(aside, prepared, judged, fold=task.fold)
    arrays = {**_arrays(judged), "counted": judged.counted, "boundary": judged.boundary}
    np.savez(aside / SCORED, allow_pickle=False, **arrays)
    (aside / OUTCOME).write_text(json.dumps(outcome, allow_nan=False))
    shutil.rmtree(task.folder, ignore_errors=True)
    aside.replace(task.folder)


def _arrays(judged: Judged) -> dict[str, np.ndarray]:
    first = next(iter(judged.scored.values()))
    arrays = {f"row/{name}": getattr(first, name) for name in _ROW_FIELDS}
    for model, scored in judged.scored.items():
        arrays |= {f"{model}/{name}": getattr(scored, name) for name in _SCORED_FIELDS}
    return arrays


def read_scored(folder: Path, models: tuple[str, ...]) -> dict[str, Scored]:
    """The fold's test rows as every model scored them."""
    with np.load(folder / SCORED, allow_pickle=False) as arrays:
        rows = {name: arrays[f"row/{name}"] for name in _ROW_FIELDS}
        return {
            model: Scored(**rows, **{n: arrays[f"{model}/{n}"] for n in _SCORED_FIELDS})
            for model in models
        }


def read_counted(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Events that the fold counts, and those on its boundary, bool [k] each."""
    with np.load(folder / SCORED, allow_pickle=False) as arrays:
        return arrays["counted"], arrays["boundary"]
