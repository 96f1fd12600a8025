"""What watching the gradients costs, beside the same steps unwatched, in one alternating run."""

import time

import numpy as np
import pytest

from rareevent.config import ModelStage
from rareevent.lstm.build import build_stacked_lstm, network_from_keras
from rareevent.training.trainer import Shape, Trainer, TrainingData
from rareevent.training.watch import Watch, probed_windows
from rareevent.windowing.temporalize import Windows

EPOCHS, BATCH = 8, 256


class Unwatched(Trainer):
    """Computes one gradient norm a step, as is needed to see that training diverges."""

    def _step(self, *given):
        import tensorflow as tf

        loss, *halves = tf.unstack(super()._step(*given))
        return loss, tf.sqrt(2 * tf.add_n(halves))

    def epoch(self, batches):
        import tensorflow as tf

        steps = [self._compiled(*self._data, tf.constant(batch)) for batch in batches]
        losses, norms = np.array([[float(x) for x in step] for step in steps]).T
        return float(np.average(losses, weights=[len(b) for b in batches])), float(norms.mean())


def data(windows, lookback, channels):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((windows, channels), np.float32)
    ends = np.arange(windows)
    some = Windows(rows, ends // 150 * 150, ends, lookback)
    targets = (rng.random((windows, 3)) < [0.02, 0.05, 0.1]).astype(np.int8)
    weights = np.array([[0.5, 25], [0.5, 10], [0.5, 5]], np.float32)
    return TrainingData(some, targets, weights, np.ones(channels, bool), 1e-3)


def seconds(trainer, begin, given, watched):
    """Of every epoch after the first."""
    batches = np.array_split(np.arange(len(given.windows)), len(given.windows) // BATCH)
    watch = Watch(trainer, probed_windows(given.targets[:, 0]), EPOCHS)
    took = []
    with trainer.fitting(begin, given):
        for epoch in range(1, EPOCHS + 1):
            began = time.perf_counter()
            if watched:
                watch.epoch(epoch, batches)
                network_from_keras(trainer.model)
            else:
                loss, norm = trainer.epoch(batches)
                arrays = network_from_keras(trainer.model).to_arrays().values()
                assert np.isfinite([loss, norm]).all()
                assert all(np.isfinite(a).all() for a in arrays)
            took.append(time.perf_counter() - began)
    return sum(took[1:])


@pytest.mark.slow
# Windows, lookback and channels of the first half of the sheet-break rows, of the demo, and of a
# set so small that an epoch has few steps.
@pytest.mark.parametrize(
    ("windows", "lookback", "channels"), [(4600, 5, 122), (20000, 24, 30), (800, 10, 20)]
)
def test_watching_costs_at_most_15_percent_after_the_first_epoch(windows, lookback, channels):
    shape = Shape(lookback, channels, 3, ModelStage(members=1), 0.0, 1.0, None)
    begin = build_stacked_lstm(lookback, channels, shape.model, 3, seed=0)
    given = data(windows, lookback, channels)
    bare, watched = Unwatched(shape), Trainer(shape)
    rounds = [
        (seconds(bare, begin, given, False), seconds(watched, begin, given, True)) for _ in range(9)
    ][1:]

    # Other work on the machine comes and goes: neighbours in time share it, and the shortest
    # rounds have the least of it.
    without, beside = np.array(rounds).T
    added = min(beside.min() / without.min(), np.median(beside / without)) - 1
    print(f"{windows} windows, lookback {lookback}: {added:+.1%}")
    assert added < 0.15
