"""Training windows per second beside Keras' plain fit on materialised windows.

Same model, weights' shapes, batch and epochs; 61 sensors, three heads. Ours repeats itself bit by
bit, watches its gradients and gathers its batches from rows; plain fit does none of that. Plain fit
runs with as many threads as TensorFlow takes by itself and, as ours does, with one for each
operation; the better one counts. Each is timed epoch by epoch, in turn, after one that compiles.
"""

from __future__ import annotations

import os
import time

import numpy as np

from rareevent.config import ModelStage, TrainStage
from rareevent.windowing.temporalize import Windows
from tests.benchmarks.lines import Line, Size, at_least
from tests.benchmarks.processes import fresh_process

SENSORS, SEGMENT_ROWS = 61, 150
WINDOWS = {Size.TINY: 600, Size.USUAL: 10_000, Size.FULL: 50_000}
ROUNDS = {Size.TINY: 1, Size.USUAL: 2, Size.FULL: 4}
CASES = {
    Size.TINY: ((5, 256),),
    Size.USUAL: ((10, 256), (20, 128)),
    Size.FULL: tuple((lookback, batch) for lookback in (5, 10, 20) for batch in (128, 256)),
}
OURS, PLAIN, PLAIN_ONE = "fit_lstm", "plain fit, TensorFlow's threads", "plain fit, 1 thread each"


def measure(size: Size) -> list[Line]:
    """Two lines for each lookback and batch."""
    threads = {OURS: "1", PLAIN: "0", PLAIN_ONE: "1"}
    workers = {name: fresh_process() for name in threads}
    try:
        for name, number in threads.items():
            workers[name].submit(_set_threads, number).result()
        lines = []
        for lookback, batch in CASES[size]:
            lines += _compare(workers, lookback, batch, size)
        return lines
    finally:
        for worker in workers.values():
            worker.shutdown()


def _compare(workers: dict, lookback: int, batch: int, size: Size) -> list[Line]:
    count = WINDOWS[size]
    seconds = dict.fromkeys(workers, np.inf)
    for turn in range(ROUNDS[size] + 1):
        for name, worker in workers.items():
            epoch = _ours if name == OURS else _plain
            took = worker.submit(epoch, lookback, batch, count).result()
            if turn:
                seconds[name] = min(seconds[name], took)
    rates = {name: count / took for name, took in seconds.items()}
    ratio = rates[OURS] / max(rates[PLAIN], rates[PLAIN_ONE])
    case = f"lookback {lookback}, batch {batch}"
    words = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    return [at_least(f"{case}: against plain fit", ratio, 1.5), Line(f"{case}: windows/s", words)]


def _set_threads(number: str) -> None:
    """Before TensorFlow is imported; 0 leaves the number to it."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = number


def _data(lookback: int, count: int) -> tuple[Windows, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, SENSORS), np.float32)
    ends = np.arange(count)
    windows = Windows(rows, ends // SEGMENT_ROWS * SEGMENT_ROWS, ends, lookback)
    return windows, (rng.random((count, 3)) < [0.02, 0.05, 0.1]).astype(np.int8)


# What a worker keeps from one epoch to the next.
_kept: dict = {}


def _plain(lookback: int, batch: int, count: int) -> float:
    """Seconds of the quicker of two more epochs of a model of Keras' own."""
    from rareevent.lstm.backend import import_keras
    from rareevent.lstm.build import build_stacked_lstm

    key = (lookback, batch)
    if key not in _kept:
        _, keras = import_keras()
        windows, targets = _data(lookback, count)
        model = build_stacked_lstm(lookback, SENSORS, ModelStage(), 3, seed=0)
        optimizer = keras.optimizers.Adam(1e-3, clipnorm=TrainStage().clipnorm)
        model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
        _kept[key] = model, windows.gather(), targets
    model, materialised, targets = _kept[key]
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        model.fit(materialised, targets, batch_size=batch, epochs=1, verbose=0)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _ours(lookback: int, batch: int, count: int) -> float:
    """Seconds of the quicker of two epochs."""
    from rareevent.training.fit import fit_lstm
    from rareevent.training.start import find_start

    key, train = (lookback, batch), TrainStage(batch_size=batch, negatives_per_positive=None)
    if key not in _kept:
        windows, targets = _data(lookback, count)
        # Nothing is screened away: plain fit reads every channel too.
        _kept[key] = windows, targets, find_start(windows, targets, ModelStage(screen=None))
    windows, targets, start = _kept[key]
    shape = ModelStage(screen=None)
    fitted = fit_lstm(windows, targets, shape, train, seed=0, epochs=2, start=start)
    return min(report.seconds for report in fitted.history)
