"""One test period by one recipe: learned and judged as a fold of a backtest, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

import rareevent
from rareevent.config import AlarmStage
from rareevent.evaluation.metrics import rate_factors
from rareevent.evaluation.objectives import fit_policy
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Events
from rareevent.jobs.choose import Chosen, choosing_events, with_alarms
from rareevent.jobs.fold import split_fold
from rareevent.jobs.judge import judge_test
from rareevent.jobs.learn import Learned, learn
from rareevent.jobs.prepare import Prepared, fill_auto, prepare, require_events
from rareevent.jobs.progress import Quiet
from rareevent.jobs.register import make_bundle
from rareevent.jobs.train import audit_learning
from tests.benchmarks.quality.recipes import Recipe
from tests.benchmarks.quality.sets import Budget, DataSet, Piece

_ROW_FIELDS = ("asset", "time", "segment", "target", "status", "event", "time_to_event")


@dataclass(frozen=True)
class Task:
    """What has to be measured, and the file that keeps it.

    Attributes
    ----------
    key : names code, data, settings and cut; a file with another key is not this task's
    """

    piece: Piece
    fold: int
    recipe: Recipe
    budgets: tuple[Budget, ...]
    file: Path
    key: str


@dataclass(frozen=True)
class Measured:
    """The test rows of one period.

    Attributes
    ----------
    scored : model -> per budget the rows with its probabilities and alarms
    events, counted : all events, and which of them this period counts
    clock, lookback, horizon : rows and ticks
    seconds : that learning took
    """

    scored: Mapping[str, tuple[Scored, ...]]
    events: Events
    counted: Bool
    clock: Clock
    lookback: int
    horizon: int
    seconds: float


def tasks_of(data: DataSet, pieces: tuple[Piece, ...], recipes: tuple[Recipe, ...], output: Path):
    """Every task of a data set, in the order of its pieces, periods and recipes."""
    found = []
    for piece in pieces:
        source = _digest(*_sources(piece))
        for fold in piece.folds:
            for recipe in recipes:
                config = recipe.of(piece.config)
                plan = asdict(piece.plan) if piece.plan else None
                known = [
                    _code(),
                    source,
                    config.dump(),
                    plan,
                    fold,
                    list(map(asdict, data.budgets)),
                ]
                key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
                name = f"{piece.name.replace(' ', '_')}_{fold}_{recipe.name}.npz"
                mine = replace(piece, config=config)
                found.append(Task(mine, fold, recipe, data.budgets, output / data.name / name, key))
    return found


def _sources(piece: Piece) -> tuple[Path, ...]:
    ingest = piece.config.ingest
    log = () if ingest.events in (None, "last_row") else (Path(ingest.events.source),)
    return (Path(ingest.source), *log)


def _code() -> str:
    """Digest of the package: a figure of older code is measured again."""
    return _digest(*sorted(Path(rareevent.__file__).parent.rglob("*.py")))


def _digest(*files: Path) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def is_done(task: Task) -> bool:
    """Whether the file is there, whole, and this task's."""
    try:
        with task.file.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))["key"] == task.key
    except (OSError, ValueError, KeyError, BadZipFile):
        return False


def measure(task: Task) -> Path:
    """Learn, judge and keep one test period; returns the file."""
    started = time.perf_counter()
    prepared = prepare(task.piece.config)
    if task.piece.plan is not None:
        prepared = split_fold(prepared, task.piece.plan, task.fold)
    require_events(prepared)
    prepared = fill_auto(prepared)
    learned = learn(prepared, Quiet())
    audit_learning(prepared, learned)[0].demand()
    seconds = time.perf_counter() - started
    judged = judge_test(prepared, learned, make_bundle(prepared, learned, None))
    about = {
        "key": task.key,
        "clock": vars(prepared.frame.clock),
        "lookback": prepared.config.window.lookback,
        "horizon": prepared.labels.horizon,
        "models": list(judged.scored),
        "budgets": len(task.budgets),
        "reasons": dict(prepared.reasons),
        "seconds": seconds,
    }
    events = prepared.frame.events
    arrays = {"counted": judged.counted, "event_asset": events.asset, "event_time": events.time}
    first = next(iter(judged.scored.values()))
    arrays |= {f"row/{name}": getattr(first, name) for name in _ROW_FIELDS}
    for model, rows in judged.scored.items():
        arrays[f"{model}/probability"] = rows.probability
        for i, alarm in enumerate(_alarms(prepared, learned, model, rows, task.budgets)):
            arrays[f"{model}/alarm_{i}"] = alarm
    _write(task.file, about, arrays)
    return task.file


def _alarms(
    prepared: Prepared, learned: Learned, model: str, rows: Scored, budgets: tuple[Budget, ...]
) -> list[Bool]:
    """The alarms of a model under each budget; its threshold is fitted on validation rows."""
    chosen, found = learned.chosen[model], []
    for budget in budgets:
        stage = _stage(prepared, chosen, budget)
        if stage is None:
            found.append(np.zeros(len(rows), bool))
            continue
        fitted = fit_policy(
            chosen.scored,
            choosing_events(prepared),
            prepared.frame.clock,
            stage,
            horizon=prepared.labels.horizon,
        )
        found.append(with_alarms(rows, fitted.policy).alarm)
    return found


def _stage(prepared: Prepared, chosen: Chosen, budget: Budget) -> AlarmStage | None:
    """The alarm stage for a budget; one that the product has no key for is put per event."""
    alarm = prepared.config.alarm
    shape = {"k": alarm.k, "n": alarm.n, "silence": alarm.silence}
    if budget.rate in AlarmStage.model_fields:
        return AlarmStage(**shape, **{budget.rate: budget.limit})
    events = int(choosing_events(prepared).sum())
    if not events:
        return None
    scored = chosen.scored
    factor = rate_factors(prepared.frame.clock, scored.assets_seen())[budget.rate]
    return AlarmStage(**shape, false_alarms_per_event=budget.limit * len(scored) / factor / events)


def _write(file: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Aside, then under its name in one step: a killed run leaves no half of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.stem}.{os.getpid()}.npz")
    np.savez_compressed(aside, about=json.dumps(about), **arrays)
    aside.replace(file)


def read(task: Task) -> Measured:
    """What a task has measured."""
    with np.load(task.file, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        rows = {name: stored[f"row/{name}"] for name in _ROW_FIELDS}
        scored = {
            model: tuple(
                Scored(
                    **rows,
                    probability=stored[f"{model}/probability"],
                    alarm=stored[f"{model}/alarm_{i}"],
                )
                for i in range(about["budgets"])
            )
            for model in about["models"]
        }
        asset, time = stored["event_asset"], stored["event_time"]
        events = Events(asset, time, np.zeros(len(time), np.int32))
        return Measured(
            scored,
            events,
            stored["counted"],
            Clock(**about["clock"]),
            about["lookback"],
            about["horizon"],
            about["seconds"],
        )
