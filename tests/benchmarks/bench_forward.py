"""Windows per second of the NumPy cell beside Keras' own predict, in one run.

    python tests/benchmarks/bench_forward.py

61 sensors, lookback 20, LSTM layers of 16 and 8 units, 100,000 windows. Keras gets the windows
materialised beforehand, as it needs them, and every core; the cell gets the rows and one core.
Each contender runs several times in turn, so that a busy moment of the machine hits all of them,
and its best time counts. Machines differ: trust the ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

import numpy as np

from rareevent.config import ModelStage
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm, network_from_keras
from rareevent.lstm.cell import forward
from rareevent.windowing.temporalize import Windows

SENSORS, LOOKBACK, SEGMENT_ROWS = 61, 20, 150
BATCHES = (32, 1024, 8192)


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    # Keras is measured with every thread it can have, not with what suits small training steps.
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(os.cpu_count())
    tf, keras = import_keras()

    rows = np.random.default_rng(0).standard_normal((given.windows, SENSORS), np.float32)
    ends = np.arange(given.windows)
    one_segment = Windows(rows, np.zeros_like(ends), ends, LOOKBACK)
    short_segments = Windows(rows, ends // SEGMENT_ROWS * SEGMENT_ROWS, ends, LOOKBACK)
    plain = ModelStage(units=(16, 8), projection=None, skip=False)
    model = build_stacked_lstm(LOOKBACK, SENSORS, plain, 1, seed=0)
    default = build_stacked_lstm(LOOKBACK, SENSORS, ModelStage(), 3, seed=0)
    materialised = one_segment.gather()
    networks = network_from_keras(model), network_from_keras(default)
    difference = np.abs(
        forward(networks[0], one_segment)[:8192] - model.predict_on_batch(materialised[:8192])
    ).max()

    contenders: dict[str, Callable[[], object]] = {
        f"Keras predict, batch {batch}": lambda batch=batch: model.predict(
            materialised, batch_size=batch, verbose=0
        )
        for batch in BATCHES
    }
    contenders["NumPy cell, one segment"] = lambda: forward(networks[0], one_segment)
    contenders[f"NumPy cell, segments of {SEGMENT_ROWS} rows"] = lambda: forward(
        networks[0], short_segments
    )
    contenders["NumPy cell, default model, one segment"] = lambda: forward(networks[1], one_segment)
    rates = {
        name: given.windows / seconds for name, seconds in _best(contenders, given.rounds).items()
    }
    best_keras = max(rates[f"Keras predict, batch {batch}"] for batch in BATCHES)
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, TensorFlow {tf.__version__},"
        f" Keras {keras.__version__}, {os.cpu_count()} cores, {given.windows:,} windows"
    )
    print(f"{'':42}{'windows/s':>12}{'× best Keras':>14}")
    for name, rate in rates.items():
        print(f"{name:42}{rate:12,.0f}{rate / best_keras:14.2f}")
    print(f"largest difference between the two, logits: {difference:.1e}")


def _best(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the quickest of several turns; one turn before them only warms up."""
    seconds = dict.fromkeys(contenders, np.inf)
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            if turn:
                seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
