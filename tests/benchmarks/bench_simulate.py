"""How hard the simulated fleets are, measured without any neural network, and how fast made.

    python -m tests.benchmarks simulate

*logistic*: row ROC-AUC of logistic regression on the last row's channels (value, change over one
row, log of the trailing standard deviation over 5 and 20 rows, grade), trained on the first 65 %
of the time and judged on the rest. *oracle*: the same rows scored by who reads the true onsets of
disturbances up to each row, and knows the mechanism, but neither the future nor which pairs were
planted. Both for the horizon that fits the leads (`HORIZON_ROWS`).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from rareevent.simulate import (
    ANSWER,
    DIFFICULTIES,
    GRADES,
    HORIZON_ROWS,
    SENSORS,
    TRIGGER,
    Fleet,
    make_fleet,
    simulate,
)
from tests.benchmarks.lines import Line, Size

SEEDS = (1, 2, 3)
TRAINING_SHARE = 0.65
FAR = 10**6  # rows; "never" for a count of rows since


def row_numbers(fleet: Fleet) -> np.ndarray:
    """Place of every row on its asset's grid, int64 [n]."""
    return grid_rows(fleet, fleet.time)


def grid_rows(fleet: Fleet, times: np.ndarray) -> np.ndarray:
    """Last grid row at or before each time, int64."""
    interval = np.timedelta64(round(fleet.interval_minutes * 60e6), "us")
    return (times - fleet.time.min()) // interval


def segment_ages(fleet: Fleet) -> np.ndarray:
    """Rows since the row's segment began, int64 [n]; a stoppage begins a new one."""
    step = np.diff(row_numbers(fleet), prepend=-FAR)
    new = (step != 1) | (np.diff(fleet.asset, prepend=-1) != 0)
    here = np.arange(len(fleet))
    return here - np.maximum.accumulate(np.where(new, here, 0))


def labels(fleet: Fleet) -> tuple[np.ndarray, np.ndarray]:
    """Event within the horizon, and whether the row's label is known, bool [n] each."""
    horizon = np.timedelta64(round(HORIZON_ROWS * fleet.interval_minutes * 60e6), "us")
    positive = np.zeros(len(fleet), bool)
    known = np.zeros(len(fleet), bool)
    for asset in range(len(fleet.assets)):
        rows = fleet.asset == asset
        time, events = fleet.time[rows], fleet.events.time[fleet.events.asset == asset]
        upcoming = np.append(events, np.datetime64("9999", "us"))
        wait = upcoming[np.searchsorted(events, time, side="right")] - time
        positive[rows] = wait <= horizon
        known[rows] = positive[rows] | (time + horizon <= time[-1])
    return positive, known


def last_row_channels(fleet: Fleet) -> np.ndarray:
    """Value, change, volatility over 5 and 20 rows, one-hot grade: float64 [n, 4 sensors + grades].

    All causal and per segment; a missing reading repeats the segment's last one, else the median.
    """
    age = segment_ages(fleet)
    channels = []
    for sensor in SENSORS:
        scaled = (fleet.sensors[sensor.name].astype(np.float64) - sensor.level) / sensor.noise
        value = filled(scaled, age)
        channels += [value, value - back(value, age, 1)]
        channels += [volatility(value, age, rows) for rows in (5, 20)]
    return np.column_stack([*channels, np.eye(len(GRADES))[fleet.grade]])


def filled(value: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Forward fill inside a segment, then the median."""
    here = np.arange(len(value))
    last = np.maximum.accumulate(np.where(np.isnan(value), -1, here))
    value = np.where(last >= here - age, value[last], np.nan)
    return np.where(np.isnan(value), np.nanmedian(value), value)


def back(value: np.ndarray, age: np.ndarray, rows: int) -> np.ndarray:
    """The value so many rows ago, or the segment's first."""
    return value[np.arange(len(value)) - np.minimum(age, rows)]


def volatility(value: np.ndarray, age: np.ndarray, rows: int) -> np.ndarray:
    """Log of the trailing standard deviation plus a floor of a tenth of the noise."""
    count = np.minimum(age + 1, rows)
    total, squares = np.zeros(len(value)), np.zeros(len(value))
    for ago in range(rows):
        past = np.where(age >= ago, back(value, age, ago), 0.0)
        total += past
        squares += past**2
    return np.log(np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)) + 0.1)


def logistic_auc(fleet: Fleet) -> float:
    """Row ROC-AUC of logistic regression on the last row's channels, on the later rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    target, known = labels(fleet)
    rows = row_numbers(fleet)
    cut = int(rows.max() * TRAINING_SHARE)
    train, test = known & (rows + HORIZON_ROWS < cut), known & (rows >= cut)
    channels = last_row_channels(fleet)
    channels = StandardScaler().fit(channels[train]).transform(channels)
    model = LogisticRegression(class_weight="balanced", max_iter=500)
    model.fit(channels[train], target[train])
    return float(roc_auc_score(target[test], model.decision_function(channels[test])))


def oracle_auc(fleet: Fleet) -> float:
    """Row ROC-AUC of who knows the mechanism and reads the true onsets, on the later rows."""
    from sklearn.metrics import roc_auc_score

    target, known = labels(fleet)
    rows = row_numbers(fleet)
    test = known & (rows >= int(rows.max() * TRAINING_SHARE))
    return float(roc_auc_score(target[test], oracle_scores(fleet)[test]))


def oracle_scores(fleet: Fleet) -> np.ndarray:
    """Chance of an event within the horizon, given the disturbances up to the row; float64 [n].

    After a completed pair: the share of leads for which the event is still to come and near
    enough. After a trigger whose telling answer may still come: a little. Else nothing.
    """
    difficulty = DIFFICULTIES[fleet.difficulty]
    completed, triggered = rows_since(fleet)
    leads = np.arange(difficulty.lead[0], difficulty.lead[1] + 1)
    ahead = leads[None, :] - np.arange(leads[-1] + 1)[:, None]
    share = ((ahead >= 0) & (ahead < HORIZON_ROWS)).mean(axis=1)
    chance = np.append(share, 0.0)[np.minimum(completed, len(share))]
    return np.where((chance == 0) & (triggered <= difficulty.delay[1]), 0.02, chance)


def rows_since(fleet: Fleet) -> tuple[np.ndarray, np.ndarray]:
    """Rows since the last telling answer and the last trigger of the segment, int64 [n] each."""
    shortest, longest = DIFFICULTIES[fleet.difficulty].delay
    delays = np.arange(shortest, longest + 1)
    rows, age = row_numbers(fleet), segment_ages(fleet)
    completed, triggered = np.full(len(fleet), FAR), np.full(len(fleet), FAR)
    for asset in range(len(fleet.assets)):
        mine = fleet.asset == asset
        trigger, answer = onset_rows(fleet, asset, TRIGGER), onset_rows(fleet, asset, ANSWER)
        telling = answer[np.isin(answer[:, None] - delays, trigger).any(axis=1)]
        completed[mine] = since(rows[mine], telling, age[mine])
        triggered[mine] = since(rows[mine], trigger, age[mine])
    return completed, triggered


def onset_rows(fleet: Fleet, asset: int, name: str) -> np.ndarray:
    """Grid rows where one sensor's disturbances begin, ascending, int64."""
    sensor = [sensor.name for sensor in SENSORS].index(name)
    which = (fleet.disturbances.asset == asset) & (fleet.disturbances.sensor == sensor)
    return grid_rows(fleet, fleet.disturbances.time[which])


def since(rows: np.ndarray, onsets: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Rows since the last onset in the same segment; `FAR` where there was none."""
    onsets = np.append(-FAR, onsets)
    passed = rows - onsets[np.searchsorted(onsets, rows, side="right") - 1]
    return np.where(passed <= age, passed, FAR)


def seconds_for_a_million_rows() -> tuple[int, float]:
    """Rows written and seconds taken, Parquet, event log and truth included."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        summary = simulate(Path(directory), seed=1, assets=6, days=630)
        return summary.rows, time.perf_counter() - began


def measure(size: Size) -> list[Line]:
    """The table of difficulties, and the time for a million rows."""
    lines = []
    for difficulty in DIFFICULTIES:
        for seed in SEEDS[:1] if size == Size.TINY else SEEDS:
            fleet = make_fleet(seed=seed, difficulty=difficulty)
            silent = int((~fleet.events.announced).sum())
            words = (
                f"{len(fleet):,} rows, {len(fleet.events)} events, {silent} without precursor;"
                f" logistic {logistic_auc(fleet):.3f}, oracle {oracle_auc(fleet):.3f}"
            )
            lines.append(Line(f"{difficulty}, seed {seed}", words))
    if size > Size.TINY:
        rows, seconds = seconds_for_a_million_rows()
        lines.append(Line(f"{rows:,} rows made and written", f"{seconds:.1f} s"))
    return lines
