"""Does a forecaster's surprise help? On data that judge nothing else.

    python -m tests.benchmarks.quality.forecast [--only SET …]

Three test periods inside the first half of the sheet-break rows, simulated fleets that no other
table uses, and the validation units of the turbofans. Every model is taught twice, on the same
rows with the same seeds, without and with `channels.surprise`; event recall, at one and at three
false alarms per event, is read off the judged rows' own trade-off curve, so it compares and
promises nothing. A second table has the forecast itself: its negative log-likelihood per sensor
and row.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rareevent.alarms.policy import AlarmPolicy
from rareevent.config import ChannelsStage, PipelineConfig, SurpriseStage, load_pipeline
from rareevent.evaluation.baselines import fit_baseline
from rareevent.evaluation.metrics import row_metrics
from rareevent.evaluation.objectives import silence_ticks
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.tradeoff import recall_at, tradeoff_curve
from rareevent.forecast.encoder import own_channels
from rareevent.forecast.forecaster import Forecaster, negative_log_likelihood
from rareevent.ingestion.frame import Float64
from rareevent.jobs.choose import events_of
from rareevent.jobs.parts import Part, normal_rows, window_part
from rareevent.jobs.prepare import Prepared, fill_auto, prepare, repart
from rareevent.lstm.cell import forward
from rareevent.simulate import simulate
from rareevent.training.fit import fit_lstm
from rareevent.training.forecast import ForecastRows, fit_forecaster, forecast_rows
from rareevent.training.start import find_start
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.split import EventPart, clock_edges, split_by_clock
from rareevent.windowing.temporalize import Windows
from tests.benchmarks.quality.sets import REPOSITORY, data_file

MODELS = ("lstm", "logistic", "boosting")
# Of judged rows; of training rows that taught, and of stretches of them that were left out as if
# an event had followed; and of judged rows by a twin without a recurrence.
LIKELIHOODS = ("normal", "before events", "taught", "left out", "normal, one-row twin")
FLEET_SEED, FLEET_DAYS = 57, 30
# Shares of all sheet-break rows before the choosing rows, before the judged ones, and their end.
FIRST_HALF = ((0.2, 0.25, 0.3333), (0.28, 0.3333, 0.4167), (0.36, 0.4167, 0.5))
BUDGET, LIMITS = "false_alarms_per_event", (1.0, 3.0)


@dataclass(frozen=True)
class Period:
    """Rows that are judged once: the labelled and parted frame, and which part judges."""

    prepared: Prepared
    part: int


@dataclass(frozen=True)
class Figures:
    """What a model reached on a period; recalls at one and at three false alarms per event."""

    roc_auc: float
    pr_auc: float
    recall_1: float
    recall_3: float


def sheet_break(folder: Path) -> Iterator[Period]:
    """Three test periods inside the first half of the rows."""
    config = _pipeline("sheet_break", f"ingest.source={data_file('sheet_break.csv.gz')}")
    whole = prepare(config)
    for shares in FIRST_HALF:
        split = split_by_clock(whole.frame, clock_edges(whole.frame, shares), whole.split.reach, 0)
        yield Period(fill_auto(repart(whole, split)), split.test)


def turbofan(folder: Path) -> Iterator[Period]:
    """The validation units, by what the training units teach; the test units are not read."""
    source = f"ingest.source={data_file('cmapss_train_FD001.txt.gz')}"
    config = _pipeline("turbofan", source, "split.folds=1")
    yield Period(fill_auto(prepare(config)), 1)


def simulator(difficulty: str) -> Callable[[Path], Iterator[Period]]:
    """The last 30 % of the days of a fleet."""

    def periods(folder: Path) -> Iterator[Period]:
        simulate(folder, seed=FLEET_SEED, days=FLEET_DAYS, difficulty=difficulty)
        source, log = folder / "sensors.parquet", folder / "events.csv"
        config = _pipeline("demo", f"ingest.source={source}", f"ingest.events.source={log}")
        prepared = fill_auto(prepare(config))
        yield Period(prepared, prepared.split.test)

    return periods


SETS: dict[str, Callable[[Path], Iterator[Period]]] = {
    "sheet-break, first half": sheet_break,
    **{f"simulator, {d}": simulator(d) for d in ("easy", "medium", "hard")},
    "turbofan, validation units": turbofan,
}


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--members", type=int, default=1, help="of the LSTM ensemble")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| data | model | surprise | ROC-AUC | PR-AUC | recall at 1 | recall at 3 |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    forecasts = []
    for name in given.only:
        with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
            periods = list(SETS[name](Path(folder)))
        forecasts.append((name, [forecast_figures(period) for period in periods]))
        for surprise in (False, True):
            judged = [
                judge_period(period, surprise, given.models, given.members) for period in periods
            ]
            for model in given.models:
                _print_row(name, model, surprise, [figures[model] for figures in judged])
    print(f"\n| data | {' | '.join(LIKELIHOODS)} |")
    print("| --- " * (1 + len(LIKELIHOODS)) + "|")
    for name, figures in forecasts:
        cells = " | ".join(f"{value:.3f}" for value in np.nanmean(figures, axis=0))
        print(f"| {name} | {cells} |")


def judge_period(
    period: Period, surprise: bool, models: Sequence[str], members: int
) -> dict[str, Figures]:
    """Teach and judge every model with or without surprise."""
    config = period.prepared.config
    stage = config.channels.model_copy(update={"surprise": SurpriseStage() if surprise else None})
    config = config.model_copy(update={"channels": stage})
    prepared = replace(period.prepared, config=config)
    part = window_part(prepared, period.part)
    judged = part.windows.take(part.judged_on[part.windows.ends])
    found = {}
    for model in models:
        logit = (
            _lstm(part, config, judged, members)
            if model == "lstm"
            else _simple(model, part, judged)
        )
        found[model] = _figures(prepared, period, judged.ends, logit)
    return found


def forecast_figures(period: Period) -> list[float]:
    """Negative log-likelihoods in the order of `LIKELIHOODS`."""
    prepared, config = period.prepared, period.prepared.config
    frame, seed = prepared.frame, config.train.seed
    learned = prepared.split.rows_before(period.part) & prepared.in_segment
    judged = prepared.split.rows_of(period.part) & prepared.in_segment
    normal = normal_rows(prepared.targets, np.ones(len(frame), bool))
    base = fit_encoder(frame, learned, config.channels)
    changes = fit_encoder(frame, learned, ChannelsStage(use=("change",)))
    aside = learned & normal & (np.arange(len(frame)) % 1_000 < 50)
    taught = learned & normal & ~aside
    positive = judged & (prepared.labels.target == 1)
    found = []
    for stage, asked in (
        (SurpriseStage(), (judged & normal, positive, taught, aside)),
        (SurpriseStage(lookback=1), (judged & normal,)),
    ):
        rows = forecast_rows(frame, base, changes, stage.lookback)
        forecaster = fit_forecaster(rows.of(taught), own_channels(base), stage, seed=seed)
        found += [_likelihood(forecaster, rows.of(these)) for these in asked]
    return found


def _likelihood(forecaster: Forecaster, rows: ForecastRows) -> float:
    lost = negative_log_likelihood(rows.target, *forecaster.predict(rows.windows))
    return float(lost[rows.known].mean()) if rows.known.any() else np.nan


def _lstm(part: Part, config: PipelineConfig, judged: Windows, members: int) -> Float64:
    start, logits = find_start(part.teach, part.target, config.model), []
    for member in range(members):
        fitted = fit_lstm(
            part.teach,
            part.target,
            config.model,
            config.train,
            seed=config.train.seed + member,
            epochs=config.train.epochs,
            start=start,
        )
        logits.append(forward(fitted.network, judged)[:, 0])
    return np.mean(logits, axis=0, dtype=np.float64)


def _simple(model: str, part: Part, judged: Windows) -> Float64:
    return fit_baseline(model, part.teach, part.target[:, 0], seed=7).logits(judged)


def _figures(prepared: Prepared, period: Period, row: np.ndarray, logit: Float64) -> Figures:
    frame, horizon = prepared.frame, prepared.labels.horizon
    segment, silent = frame.segments.of_row[row], np.zeros(len(row), bool)
    # Only the order of rows matters here.
    probability = 0.5 + 0.5 * np.tanh((logit - np.median(logit)) / 20)
    scored = Scored.of_rows(frame, prepared.labels, row, segment, probability, silent)
    judges = prepared.split.rows_of(period.part)
    kind = EventPart.TEST if period.part == prepared.split.test else EventPart.VALIDATION
    counted, _ = events_of(prepared, kind, judges)
    silence = silence_ticks(prepared.config.alarm, frame.clock, horizon)
    policy = AlarmPolicy(threshold=0.5, k=1, n=1, silence=silence)
    curve = tradeoff_curve(scored, counted, frame.clock, policy)
    rows = row_metrics(scored)
    recalls = [recall_at(curve, BUDGET, limit) for limit in LIMITS]
    return Figures(rows["roc_auc"], rows["pr_auc"], *recalls)


def _pipeline(name: str, *overrides: str) -> PipelineConfig:
    return load_pipeline(REPOSITORY / "pipelines" / f"{name}.yaml", overrides)


def _print_row(name: str, model: str, surprise: bool, figures: list[Figures]) -> None:
    mean = np.mean([list(vars(f).values()) for f in figures], axis=0)
    cells = " | ".join(f"{value:.3f}" for value in mean)
    print(f"| {name} | {model} | {'with' if surprise else 'without'} | {cells} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
