"""The gradient step, compiled once and used by every fit of the same shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rareevent.config import ModelStage
from rareevent.ingestion.frame import Bool, Float32, Int8, Int64
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm, entry_kernel, training_loop
from rareevent.training.loss import weighted_loss
from rareevent.windowing.temporalize import Windows

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class Shape:
    """What a compiled gradient step depends on; fits that agree on it share one."""

    lookback: int
    channels: int
    heads: int
    model: ModelStage
    focal_gamma: float
    clipnorm: float


@dataclass(frozen=True)
class TrainingData:
    """What one fit differs in from another of the same shape.

    Attributes
    ----------
    windows : Windows, k of them
    targets : int8 [k, heads]
    class_weights : float32 [heads, 2]
    reads : bool [c], channels whose weights into the recurrence are learned
    learning_rate : of Adam
    """

    windows: Windows
    targets: Int8
    class_weights: Float32
    reads: Bool
    learning_rate: float


@lru_cache(maxsize=4)
def trainer_for(shape: Shape) -> Trainer:
    """The trainer for a shape, compiled by the first fit that asks for it.

    Tracing takes longer than a fit of a hundred steps, and one training job makes many fits.
    """
    return Trainer(shape)


class Trainer:
    """A model, its optimizer and one compiled gradient step.

    Windows are gathered inside the step from rows that are held once: memory grows with rows,
    not with rows times lookback.
    """

    def __init__(self, shape: Shape) -> None:
        tf, keras = import_keras()
        self._shape = shape
        loop = training_loop(shape.lookback, shape.model)
        self.model: keras.Model = build_stacked_lstm(
            shape.lookback, shape.channels, shape.model, shape.heads, seed=0, loop=loop
        )
        self._entry = entry_kernel(self.model)
        self._optimizer = keras.optimizers.Adam(clipnorm=shape.clipnorm)
        self._optimizer.build(self.model.trainable_variables)
        self._untouched = [variable.numpy() for variable in self._optimizer.variables]
        self._compiled = tf.function(self._step, input_signature=self._signature(tf))
        self._data: tuple[tf.Tensor, ...] = ()

    @contextmanager
    def fitting(self, start: keras.Model, data: TrainingData) -> Iterator[None]:
        """One fit: the weights and dropout seeds of `start`, a new optimizer, this data.

        The data is let go of at the end, however the fit ends.

        Parameters
        ----------
        start : a model that `build_stacked_lstm` made for the same shape
        """
        import tensorflow as tf

        for mine, given in zip(self.model.variables, start.variables, strict=True):
            mine.assign(given)
        for variable, value in zip(self._optimizer.variables, self._untouched, strict=True):
            variable.assign(value)
        self._optimizer.learning_rate.assign(data.learning_rate)
        windows, reads = data.windows, data.reads.astype(np.float32)
        arrays = (windows.rows, windows.starts, windows.ends, data.targets, data.class_weights)
        self._data = tuple(tf.constant(array) for array in (*arrays, reads))
        try:
            yield
        finally:
            self._data = ()

    def epoch(self, batches: list[Int64]) -> tuple[float, float]:
        """One pass over batches of window numbers.

        Returns
        -------
        loss : mean over windows
        gradient_norm : mean over steps, before clipping
        """
        import tensorflow as tf

        # Numbers are fetched after the last step, so that no step waits for them.
        steps = [self._compiled(*self._data, tf.constant(batch)) for batch in batches]
        losses, norms = np.array([[float(x) for x in step] for step in steps]).T
        sizes = [len(batch) for batch in batches]
        return float(np.average(losses, weights=sizes)), float(norms.mean())

    def _signature(self, tf) -> list[tf.TensorSpec]:
        channels, heads = self._shape.channels, self._shape.heads
        return [
            tf.TensorSpec([None, channels], tf.float32),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, heads], tf.int8),
            tf.TensorSpec([heads, 2], tf.float32),
            tf.TensorSpec([channels], tf.float32),
            tf.TensorSpec([None], tf.int64),
        ]

    def _step(self, rows, starts, ends, targets, class_weights, reads, batch):
        import tensorflow as tf

        back = tf.range(1 - self._shape.lookback, 1, dtype=tf.int64)
        start, end = tf.gather(starts, batch), tf.gather(ends, batch)
        windows = tf.gather(rows, tf.maximum(start[:, None], end[:, None] + back))
        wanted = tf.gather(targets, batch)
        with tf.GradientTape() as tape:
            logits = self.model(windows, training=True)
            loss = weighted_loss(wanted, logits, class_weights, self._shape.focal_gamma)
            if self.model.losses:
                loss += tf.add_n(self.model.losses)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        # A channel whose weights start at zero and get no gradient stays unread.
        entry = next(i for i, v in enumerate(variables) if v is self._entry)
        gradients[entry] *= reads[:, None]
        self._optimizer.apply(gradients, variables)
        return loss, tf.linalg.global_norm(gradients)
