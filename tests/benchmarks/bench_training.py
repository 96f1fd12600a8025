"""Training windows per second beside Keras' plain fit on materialised windows, in one run.

    python tests/benchmarks/bench_training.py

Same model, batch and epochs; 61 sensors. Both are measured after a first epoch that compiles,
in turn, and the best round counts. Machines differ: trust the ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np

from rareevent.config import ModelStage, TrainStage
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm
from rareevent.training.fit import fit_lstm
from rareevent.windowing.temporalize import Windows

SENSORS, SEGMENT_ROWS = 61, 150


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    tf, keras = import_keras()
    print(
        f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras"
        f" {keras.__version__}, {os.cpu_count()} cores, {given.windows:,} windows"
    )
    print(f"{'lookback':>8}{'batch':>7}{'plain fit':>12}{'fit_lstm':>12}{'ratio':>8}")
    for lookback in (5, 20):
        for batch in (128, 256):
            plain, ours = _rates(lookback, batch, given.windows, given.rounds, keras)
            print(f"{lookback:8}{batch:7}{plain:12,.0f}{ours:12,.0f}{ours / plain:8.2f}")


def _rates(lookback: int, batch: int, windows: int, rounds: int, keras) -> tuple[float, float]:
    """Windows per second of plain fit and of fit_lstm."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((windows, SENSORS), np.float32)
    ends = np.arange(windows)
    some = Windows(rows, ends // SEGMENT_ROWS * SEGMENT_ROWS, ends, lookback)
    targets = (rng.random((windows, 3)) < [0.02, 0.05, 0.1]).astype(np.int8)
    train = TrainStage(batch_size=batch, negatives_per_positive=None)

    model = build_stacked_lstm(lookback, SENSORS, ModelStage(), 3, seed=0)
    model.compile(
        keras.optimizers.Adam(1e-3, clipnorm=train.clipnorm),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    materialised = some.gather()
    plain, ours = np.inf, np.inf
    for turn in range(rounds + 1):
        began = time.perf_counter()
        model.fit(materialised, targets, batch_size=batch, epochs=1, verbose=0)
        if turn:
            plain = min(plain, time.perf_counter() - began)
        fitted = fit_lstm(some, targets, ModelStage(), train, seed=0, epochs=2)
        ours = min(ours, *(report.seconds for report in fitted.history))
    return windows / plain, windows / ours


if __name__ == "__main__":
    main()
