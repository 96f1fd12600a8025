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
from rareevent.lstm.build import build_stacked_lstm, entry_kernels, training_loop
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
    clipnorm: float | None
    clipvalue: float | None


@dataclass(frozen=True)
class EpochSteps:
    """What the steps of one epoch showed.

    Attributes
    ----------
    loss : mean over windows, penalties included
    norms : float32 [steps, layers], gradient norm of each of `Trainer.layers`, before clipping
    """

    loss: float
    norms: Float32

    @property
    def step_norms(self) -> Float32:
        """Norm of all gradients together at each step, float32 [steps]."""
        norms: Float32 = np.linalg.norm(self.norms, axis=1)
        return norms


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
        import_keras()
        import keras
        import tensorflow as tf

        self._shape = shape
        loop = training_loop(shape.lookback, shape.model)
        self.model: keras.Model = build_stacked_lstm(
            shape.lookback, shape.channels, shape.model, shape.heads, seed=0, loop=loop
        )
        self._entries = {id(kernel) for kernel in entry_kernels(self.model)}
        learned = {layer.name: layer.trainable_variables for layer in self.model.layers}
        self.layers = tuple(name for name, variables in learned.items() if variables)
        self._variables = [learned[name] for name in self.layers]
        place = {id(v): at for at, v in enumerate(self.model.trainable_variables)}
        self._columns = [[place[id(v)] for v in layer] for layer in self._variables]
        self._optimizer = keras.optimizers.Adam(clipnorm=shape.clipnorm)
        self._optimizer.build(self.model.trainable_variables)
        self._untouched = [variable.numpy() for variable in self._optimizer.variables]
        signature = self._signature()
        self._compiled = tf.function(self._step, input_signature=signature)
        self._split = _linear_part_apart(self.model)
        self._probe = tf.function(self._input_gradients, input_signature=signature)
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

    def epoch(self, batches: list[Int64]) -> EpochSteps:
        """One pass over batches of window numbers."""
        import tensorflow as tf

        # Numbers are fetched after the last step, so that no step waits for them.
        steps = [self._compiled(*self._data, tf.constant(batch)) for batch in batches]
        figures = np.array([step.numpy() for step in steps], np.float32)
        sizes = [len(batch) for batch in batches]
        loss = float(np.average(figures[:, 0], weights=sizes))
        layers = [figures[:, 1:][:, own].sum(axis=1) for own in self._columns]
        return EpochSteps(loss, np.sqrt(2 * np.stack(layers, axis=1)))

    def input_gradient(self, batch: Int64) -> Float32:
        """How strongly the loss of some windows depends on what the recurrence read, step by step.

        Dropout is off, and the linear skip is held fixed: it reads the last row whatever the
        recurrence does, and would drown it there.

        Returns
        -------
        float32 [lookback], oldest step first: norm over the channels of the gradient of each
        window's own loss, root mean square over the windows
        """
        import tensorflow as tf

        norms: Float32 = self._probe(*self._data, tf.constant(batch)).numpy()
        return norms

    def weights(self) -> list[list[Float32]]:
        """Copies of the learned weights of each of `layers`."""
        return [[variable.numpy() for variable in layer] for layer in self._variables]

    def _signature(self) -> list[tf.TensorSpec]:
        import tensorflow as tf

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

    def _gather(
        self, rows: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, batch: tf.Tensor
    ) -> tf.Tensor:
        import tensorflow as tf

        back = tf.range(1 - self._shape.lookback, 1, dtype=tf.int64)
        start, end = tf.gather(starts, batch), tf.gather(ends, batch)
        return tf.gather(rows, tf.maximum(start[:, None], end[:, None] + back))

    def _step(
        self,
        rows: tf.Tensor,
        starts: tf.Tensor,
        ends: tf.Tensor,
        targets: tf.Tensor,
        class_weights: tf.Tensor,
        reads: tf.Tensor,
        batch: tf.Tensor,
    ) -> tf.Tensor:
        import tensorflow as tf

        windows = self._gather(rows, starts, ends, batch)
        wanted = tf.gather(targets, batch)
        with tf.GradientTape() as tape:
            logits = self.model(windows, training=True)
            loss = self._loss(wanted, logits, class_weights)
            if self.model.losses:
                loss += tf.add_n(self.model.losses)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        # A channel whose weights start at zero and get no gradient stays unread.
        gradients = [
            gradient * reads[:, None] if id(variable) in self._entries else gradient
            for variable, gradient in zip(variables, gradients, strict=True)
        ]
        # Halves of squares, as the cheapest operation has them; `epoch` makes norms of them.
        halves = [tf.nn.l2_loss(gradient) for gradient in gradients]
        most = self._shape.clipvalue
        if most is not None:
            gradients = [tf.clip_by_value(gradient, -most, most) for gradient in gradients]
        self._optimizer.apply(gradients, variables)
        return tf.stack([loss, *halves])

    def _loss(self, targets: tf.Tensor, logits: tf.Tensor, class_weights: tf.Tensor) -> tf.Tensor:
        types = len(self._shape.model.type_names)
        return weighted_loss(targets, logits, class_weights, self._shape.focal_gamma, types)

    def _input_gradients(
        self,
        rows: tf.Tensor,
        starts: tf.Tensor,
        ends: tf.Tensor,
        targets: tf.Tensor,
        class_weights: tf.Tensor,
        reads: tf.Tensor,
        batch: tf.Tensor,
    ) -> tf.Tensor:
        import tensorflow as tf

        windows = self._gather(rows, starts, ends, batch)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(windows)
            recurrent, *linear = tf.nest.flatten(self._split(windows, training=False))
            logits = tf.add_n([recurrent, *[tf.stop_gradient(part) for part in linear]])
            wanted = tf.gather(targets, batch)
            loss = self._loss(wanted, logits, class_weights)
        # The loss is a mean over windows: times their number, each window has its own gradient.
        own = tape.gradient(loss, windows) * tf.cast(tf.shape(batch)[0], tf.float32)
        return tf.sqrt(tf.reduce_mean(tf.reduce_sum(own**2, axis=2), axis=0))


def _linear_part_apart(model: keras.Model) -> keras.Model:
    """The same layers with the recurrence's logits and, where there is one, the skip's apart."""
    import keras

    named = {layer.name: layer for layer in model.layers}
    if "skip" not in named:
        return keras.Model(model.inputs, [model.output])
    return keras.Model(model.inputs, [named["head"].output, named["skip"].output])
