"""What helps against imbalance? On data that judge nothing else.

    python -m tests.benchmarks.quality.imbalance [--only SET …]

Three test periods inside the first half of the sheet-break rows, and three simulated fleets that
no other table uses. Each way teaches the default model (two members) on the same rows with the
same seeds; only `train` differs. Event recall is read off the judged rows' own trade-off curve, so
it compares and promises nothing. The last column is the mean probability of the judged rows, with
nothing but the prior shift taken off, over the share that was positive: 1 is right.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.alarms.calibration import sigmoid
from rareevent.alarms.policy import AlarmPolicy
from rareevent.config import PipelineConfig, TrainStage, load_pipeline
from rareevent.evaluation.metrics import row_metrics
from rareevent.evaluation.objectives import silence_ticks
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.tradeoff import recall_at, tradeoff_curve
from rareevent.ingestion.frame import Float64
from rareevent.jobs.choose import events_of
from rareevent.jobs.parts import Part, window_part
from rareevent.jobs.prepare import Prepared, fill_auto, prepare, repart
from rareevent.lstm.cell import forward
from rareevent.simulate import simulate
from rareevent.training.fit import fit_lstm
from rareevent.training.start import Start, find_start
from rareevent.windowing.split import EventPart, clock_edges, split_by_clock
from tests.benchmarks.quality.sets import REPOSITORY, data_file

FLEET_SEEDS, FLEET_DAYS, MEMBERS = (71, 72, 73), 20, 2
# Shares of all sheet-break rows before the choosing rows, before the judged ones, and their end.
FIRST_HALF = ((0.2, 0.25, 0.3333), (0.28, 0.3333, 0.4167), (0.36, 0.4167, 0.5))
BUDGET, LIMIT = "false_alarms_per_event", 3.0
_UNWEIGHTED: dict[str, Any] = {"class_weight": "none"}
WAYS: dict[str, Mapping[str, Any]] = {
    "nothing (cap of 50 negatives per positive)": _UNWEIGHTED,
    "nothing, not even the cap": {**_UNWEIGHTED, "negatives_per_positive": None},
    "class weights (default)": {},
    "focal loss": {**_UNWEIGHTED, "loss": "focal"},
    "focal loss and class weights": {"loss": "focal"},
    "balanced batches": {**_UNWEIGHTED, "batches": "balanced"},
    **{
        name: {**_UNWEIGHTED, "sampler": name}
        for name in (
            *("random_under", "random_over", "near_miss_1", "near_miss_2", "near_miss_3"),
            *("tomek_links", "edited_nearest_neighbours", "one_sided_selection"),
            "instance_hardness",
        )
    },
}


@dataclass(frozen=True)
class Period:
    """Rows that are judged once, windows that teach, and where every fit starts."""

    prepared: Prepared
    part: Part
    start: Start


@dataclass(frozen=True)
class Figures:
    """What one way reached on a period; `mean` is of the probabilities."""

    pr_auc: float
    roc_auc: float
    recall: float
    events: int
    mean: float
    prevalence: float


def sheet_break(folder: Path) -> Iterator[Prepared]:
    """Three test periods inside the first half of the rows."""
    source = data_file("sheet_break.csv.gz")
    whole = prepare(_pipeline("sheet_break", f"ingest.source={source}"))
    for shares in FIRST_HALF:
        split = split_by_clock(whole.frame, clock_edges(whole.frame, shares), whole.split.reach, 0)
        yield fill_auto(repart(whole, split))


def simulator(folder: Path) -> Iterator[Prepared]:
    """The last 30 % of the days of each fleet."""
    for seed in FLEET_SEEDS:
        place = folder / str(seed)
        simulate(place, seed=seed, days=FLEET_DAYS, difficulty="medium")
        source, log = place / "sensors.parquet", place / "events.csv"
        config = _pipeline("demo", f"ingest.source={source}", f"ingest.events.source={log}")
        yield fill_auto(prepare(config))


SETS: dict[str, Callable[[Path], Iterator[Prepared]]] = {
    "sheet break, first half, 2 rows ahead": sheet_break,
    "simulated fleets 71 to 73, medium": simulator,
}


def main() -> None:
    """Measure, and print a table per data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in given.only:
        began = time.process_time()
        with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
            periods = [_period(prepared) for prepared in SETS[name](Path(folder))]
        print(f"\n{name}:\n")
        print("| way | PR-AUC | ROC-AUC | events caught | mean probability / base rate |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        for way, settings in WAYS.items():
            _print_row(way, [judge(period, settings) for period in periods])
        print(f"\n{time.process_time() - began:.0f} s of CPU", flush=True)


def _pipeline(name: str, *overrides: str) -> PipelineConfig:
    return load_pipeline(REPOSITORY / "pipelines" / f"{name}.yaml", overrides)


def _period(prepared: Prepared) -> Period:
    part = window_part(prepared, prepared.split.test)
    return Period(prepared, part, find_start(part.teach, part.target, prepared.config.model))


def judge(period: Period, settings: Mapping[str, Any]) -> Figures:
    """Teach one way, and judge the test rows."""
    config, part = period.prepared.config, period.part
    train = TrainStage.model_validate({**config.train.model_dump(), **settings})
    judged = part.windows.take(part.judged_on[part.windows.ends])
    logits = []
    for seed in range(MEMBERS):
        fitted = fit_lstm(
            part.teach,
            part.target,
            config.model,
            train,
            seed=train.seed + seed,
            epochs=train.epochs,
            start=period.start,
        )
        logits.append(forward(fitted.network, judged)[:, 0] - fitted.prior_shift)
    probability = sigmoid(np.mean(logits, axis=0, dtype=np.float64))
    return _figures(period.prepared, judged.ends, probability)


def _figures(prepared: Prepared, row: np.ndarray, probability: Float64) -> Figures:
    frame = prepared.frame
    segment, silent = frame.segments.of_row[row], np.zeros(len(row), bool)
    scored = Scored.of_rows(frame, prepared.labels, row, segment, probability, silent)
    judges = prepared.split.rows_of(prepared.split.test)
    counted, _ = events_of(prepared, EventPart.TEST, judges)
    silence = silence_ticks(prepared.config.alarm, frame.clock, prepared.labels.horizon)
    policy = AlarmPolicy(threshold=0.5, k=1, n=1, silence=silence)
    curve, rows = tradeoff_curve(scored, counted, frame.clock, policy), row_metrics(scored)
    return Figures(
        rows["pr_auc"],
        rows["roc_auc"],
        recall_at(curve, BUDGET, LIMIT),
        int(counted.sum()),
        float(probability[scored.target >= 0].mean()),
        rows["prevalence"],
    )


def _print_row(way: str, figures: list[Figures]) -> None:
    pr_auc, roc_auc, mean, prevalence = (
        np.mean([getattr(f, name) for f in figures])
        for name in ("pr_auc", "roc_auc", "mean", "prevalence")
    )
    caught = round(sum(f.recall * f.events for f in figures))
    events = sum(f.events for f in figures)
    ratio = mean / prevalence
    print(
        f"| {way} | {pr_auc:.3f} | {roc_auc:.3f} | {caught} of {events} | {ratio:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
