"""Sample reports: toy fleets with simulated scores, judged by the real evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.config import EvaluateStage
from rareevent.evaluation.evaluate import evaluate
from rareevent.evaluation.random_alarms import random_alarms
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import SensorFrame
from rareevent.ingestion.quality import ColumnQuality, Quality
from rareevent.report.content import RunReport, score_series
from rareevent.windowing.curve_shift import curve_shift
from tests.frames import make_frame

MINUTE = 60_000_000
START = 1_714_521_600_000_000  # 2024-05-01 00:00 UTC
HORIZON_ROWS = 10

CONFIG = """name: sheet-break
ingest:
  source: data/raw/sheet_break.csv
  time: time
  label: y
split:
  strategy: chronological
  validation: 0.2
  test: 0.2
"""


def toy_frame(names: list[str], events: int, rows: int, dated: bool, seed: int) -> SensorFrame:
    """Assets of equal length whose events lie at random; some follow a restart at once."""
    random = np.random.default_rng(seed)
    step, start = (5 * MINUTE if len(names) > 1 else 2 * MINUTE, START)
    step, start = (step, start) if dated else (1, 1)
    weights = random.dirichlet(np.full(len(names), 0.7))
    places = {name: set() for name in names}
    for number, code in enumerate(random.choice(len(names), events, p=weights)):
        row = int(random.integers(30, rows - 2))
        places[names[code]].add(row)
        if number % 11 == 3:
            places[names[code]].add(row + 1)
    ranges = []
    for place, name in enumerate(names):
        edges = [-1, *sorted(places[name]), rows]
        ranges += [
            (place * rows + a + 1, place * rows + b)
            for a, b in itertools.pairwise(edges)
            if b > a + 1
        ]
    times = [start + i * step for i in range(rows)]
    return make_frame(
        dict.fromkeys(names, times),
        segments=ranges,
        events=[(name, times[row]) for name in names for row in places[name]],
        kind="datetime" if dated else "age",
        interval=step,
    )


def toy_scores(frame: SensorFrame, scored: Scored, skill: float, seed: int) -> np.ndarray:
    """Slowly wandering scores that rise before about half of the events."""
    random = np.random.default_rng(seed)
    n = len(frame)
    drift = np.convolve(random.normal(size=n + 59), np.ones(60) / 8, "valid")
    logit = -4.6 + 0.45 * drift + random.normal(0, 0.6, n)
    near = np.clip(1 - scored.time_to_event / (HORIZON_ROWS * frame.clock.interval), 0, 1)
    speaks = random.random(len(frame.events) + 1) < 0.5
    return 1 / (1 + np.exp(-(logit + skill * near * speaks[scored.event])))


class Judge:
    """Evaluates scores of one toy frame."""

    def __init__(self, frame: SensorFrame, horizon: int) -> None:
        self.frame, self.horizon = frame, horizon
        labels = curve_shift(frame, horizon, lead=frame.clock.interval)
        row = np.flatnonzero(frame.segments.of_row >= 0)
        zero = np.zeros(len(row))
        self.rows = row
        self.blank = Scored.of_rows(
            frame, labels, row, frame.segments.of_row[row], zero, zero.astype(bool)
        )
        self.every = Scored.of_rows(
            frame,
            labels,
            np.arange(len(frame)),
            frame.segments.of_row,
            *(np.zeros(len(frame)),) * 2,
        )
        self.counted = np.ones(len(frame.events), bool)
        self.counted[-1:] = False

    def scored(self, skill: float, seed: int) -> tuple[Scored, AlarmPolicy]:
        probability = toy_scores(self.frame, self.every, skill, seed)[self.rows]
        threshold = float(np.quantile(probability, 1 - 0.4 * np.mean(self.blank.target == 1)))
        policy = AlarmPolicy(threshold, silence=self.horizon)
        alarm = raise_alarms(policy, self.blank.time, self.blank.segment, probability)
        return self.blank.with_scores(probability, alarm), policy

    def evaluation(self, skill: float, seed: int) -> dict[str, Any]:
        scored, policy = self.scored(skill, seed)
        found = evaluate(
            scored,
            self.frame.events,
            self.counted,
            ~self.counted,
            self.frame.assets,
            self.frame.clock,
            policy,
            lookback=5,
            horizon=self.horizon,
            stage=EvaluateStage(bootstrap=200),
        )
        return found.to_json()

    def random(self, skill: float, seed: int) -> dict[str, Any]:
        scored, _ = self.scored(skill, seed)
        return {"metrics": random_alarms(scored, self.counted, self.frame.clock).metrics}


def toy_history() -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "epoch": e,
                "epochs": 4,
                "loss": 0.7 * 0.8**e + 0.02 * m,
                "gradient_norm": 1.0,
                "validation_pr_auc": 0.03 + 0.004 * e - 0.002 * m,
                "seconds": 0.7,
            }
            for e in range(1, 5)
        ]
        for m in range(3)
    ]


def toy_quality(frame: SensorFrame) -> dict[str, Any]:
    columns = [ColumnQuality(f"x{i}") for i in range(9)]
    columns += [
        ColumnQuality("x9", missing=12),
        ColumnQuality("x10", stuck=800, longest_run=640),
        ColumnQuality("x11", dirty=4, dirty_values=(("n/a", 3), ("##", 1))),
    ]
    found = Quality(
        files=("data/raw/sheet_break.csv",),
        rows_read=5 * len(frame) + 3,
        rows=5 * len(frame),
        assets=len(frame.assets),
        first=frame.clock.text(int(frame.time.min())),
        last=frame.clock.text(int(frame.time.max())),
        interval=frame.clock.interval,
        gaps=31,
        segments=155,
        events=5 * len(frame.events),
        duplicates_identical=3,
        columns=tuple(columns),
        repairs={"forward_fill": 12, "training_median": 3},
        notes=("dirty text in x11 was read as missing",),
        source_sha256="9f2c" * 16,
    )
    return found.to_json()


def toy_audit() -> dict[str, Any]:
    return {
        "passed": True,
        "mode": "chronological, purge horizon",
        "checks": [
            {
                "name": "scaling: learned from earlier rows only",
                "passed": True,
                "detail": "10,786 rows, none of them judged",
            },
            {
                "name": "models: no event on both sides",
                "passed": True,
                "detail": "75 events learned from, none of them judged",
            },
        ],
        "warnings": ["sensor 'x12' alone separates the classes"],
    }


def toy_importance(sensors: int = 20, name: str = "x") -> dict[str, Any]:
    """Falling by steps of 0.15 to 0, then a little below; wider than that from the third on."""
    values = [max(0.3 - 0.15 * place, -0.001 * place) for place in range(sensors)]
    return {
        "events": 40,
        "windows": 480,
        "unmatched": 2,
        "matches": 5,
        "blocks": 12,
        "fewest_blocks": 10,
        "confidence": 0.95,
        "base": {
            "pr_auc": 0.52,
            "low": 0.41,
            "high": 0.6,
            "event_recall": 0.6,
            "prevalence": 1 / 6,
        },
        "sensors": [
            {
                "name": f"{name}{place}",
                "pr_auc": {"value": value, "low": value - 0.1, "high": value + 0.1},
                "event_recall": {
                    "value": value / 2,
                    "low": value / 2 - 0.05,
                    "high": value / 2 + 0.05,
                },
            }
            for place, value in enumerate(values)
        ],
    }


def toy_split(frame: SensorFrame) -> dict[str, Any]:
    first, last = int(frame.time.min()), int(frame.time.max())
    span, rows, events = last - first, len(frame), len(frame.events)
    return {
        name: {
            "rows": share * rows,
            "windows": share * rows - 40,
            "events": share * events,
            "from": frame.clock.text(first - before * span),
            "to": frame.clock.text(last - (before - share + 1) * span),
        }
        for name, share, before in (("train", 3, 4), ("validation", 1, 1), ("test", 1, 0))
    }


def make_report(
    assets: int = 1,
    events: int = 25,
    rows: int = 3600,
    *,
    dated: bool = True,
    seed: int = 3,
    names: list[str] | None = None,
    skill: float = 3.5,
    **changes: Any,
) -> RunReport:
    """A full report; `changes` replaces fields."""
    names = names or [f"machine {i + 1:03d}" for i in range(assets)]
    frame = toy_frame(names, events, rows, dated, seed)
    judge = Judge(frame, HORIZON_ROWS * frame.clock.interval)
    model = judge.evaluation(skill, seed)
    scored, _ = judge.scored(skill, seed)
    fields: dict[str, Any] = {
        "name": "sheet-break",
        "run_id": "3f1c9a7be2d04c6f8f64b0e6a9d1c2aa",
        "created": "2024-05-07 09:12 UTC",
        "verdict": (
            f"With {model['metrics']['events']} events, the LSTM is better than alarms at random"
            " and cannot be told apart from logistic regression and gradient boosting."
        ),
        "model": model,
        "clock": {"kind": frame.clock.kind, "interval": frame.clock.interval},
        "validation": judge.evaluation(skill, seed + 1),
        "without_feed": judge.evaluation(skill, seed),
        "baselines": {
            "random": judge.random(skill, seed),
            "logistic": judge.evaluation(0.8 * skill, seed + 2),
            "boosting": judge.evaluation(0.95 * skill, seed + 3),
        },
        "comparisons": [
            {"words": f"The LSTM against {name}: cannot be told apart (0.42 and 0.38)."}
            for name in ("logistic regression", "gradient boosting")
        ],
        "history": toy_history(),
        "quality": toy_quality(frame),
        "audit": toy_audit(),
        "split": toy_split(frame),
        "dropped": {"too_late": 62, "censored": 10, "recovery": 0, "purged": 14},
        "channels": "Levels drift (median KS distance 0.41), so the model sees volatility only.",
        "importance": toy_importance(),
        "config_yaml": CONFIG,
        "series": score_series(
            frame.assets,
            scored.asset,
            scored.time,
            scored.probability,
            interval=frame.clock.interval,
        ),
    }
    return replace(RunReport(**fields), **changes)


@pytest.fixture(scope="session")
def sample() -> Callable[..., RunReport]:
    """The factory of sample reports."""
    return make_report
