"""Teaching the forecaster what comes next on a normal day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rareevent.config import ChannelsStage, ModelStage, SurpriseStage
from rareevent.errors import ConfigError, DataError, TrainingError
from rareevent.forecast.encoder import (
    SurpriseEncoder,
    forecast_inputs,
    own_channels,
    raw_surprise,
)
from rareevent.forecast.forecaster import FREEDOM, NARROWEST, WIDEST, Forecaster
from rareevent.forecast.surprise import has_change, row_starts
from rareevent.ingestion.frame import Bool, Float32, Int64, SensorFrame
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm, network_from_keras, training_loop
from rareevent.training.fit import only_needed_rows
from rareevent.windowing.encode import RowEncoder
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.scale import Scaler, fit_scaler
from rareevent.windowing.temporalize import Windows

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BATCH = 256
LEARNING_RATE, CLIPNORM = 1e-2, 1.0
# Surprise is computed in single precision from products whose last digits depend on a row's place
# in a block; a scaled channel must not blow that up to something that can be seen.
STEEPEST = 4.0
# Rows that tell the distribution of surprise well enough to scale it.
_SAMPLE = 262_144


@dataclass(frozen=True)
class ForecastRows:
    """Rows to be forecast, m of them, each with the rows before it.

    Attributes
    ----------
    row : int64 [m], row of the frame
    windows : Windows, m of them, each ending one row before the row that is forecast
    target : float32 [m, p], that row's scaled changes
    known : bool [m, p], which of them there are
    """

    row: Int64
    windows: Windows
    target: Float32
    known: Bool

    def of(self, rows: Bool) -> ForecastRows:
        """Those of some rows of the frame, bool [n], over a matrix of what they read alone."""
        mine = rows[self.row]
        windows = only_needed_rows(self.windows.take(mine))
        return ForecastRows(self.row[mine], windows, self.target[mine], self.known[mine])


def fit_surprise(
    frame: SensorFrame,
    base: RowEncoder,
    training_rows: Bool,
    normal: Bool,
    stage: ChannelsStage,
    *,
    seed: int,
) -> SurpriseEncoder:
    """Learn a forecast on normal rows, and add the surprise of all rows to an encoder's channels.

    Parameters
    ----------
    frame : SensorFrame of n rows
    base : the other channels, learned from `training_rows`
    training_rows : bool [n]; they scale the surprise, and nothing else does
    normal : bool [n], the training rows that are known to be further from their next event than
        the longest horizon; the forecaster learns to forecast these
    stage : with its `surprise` settings
    seed : the same seed gives the same forecaster

    Raises
    ------
    ConfigError
        When the stage asks for no surprise.
    DataError
        When no sensor is numeric, or no normal row has a row before it.
    TrainingError
        When the loss is no longer finite.
    """
    settings = stage.surprise
    if settings is None:
        raise ConfigError("channels.surprise: is false; there is no forecast to learn")
    if not base.sensors:
        raise DataError("channels.surprise: no column is numeric; set it to false")
    changes = fit_encoder(frame, training_rows, _as_changes(stage))
    rows = forecast_rows(frame, base, changes, settings.lookback).of(normal & training_rows)
    if not len(rows.windows):
        raise DataError(
            "channels.surprise: no training row is known to be further from its next event than"
            " the longest horizon; shorten label.horizon or label.auxiliary, or set it to false"
        )
    forecaster = fit_forecaster(rows, own_channels(base), settings, seed=seed)
    unscaled = SurpriseEncoder(
        base, changes, forecaster, settings.window, Scaler(stage.scaling, (), ())
    )
    return _fit_scale(unscaled, frame, training_rows, stage)


def forecast_rows(
    frame: SensorFrame, base: RowEncoder, changes: RowEncoder, lookback: int
) -> ForecastRows:
    """Every row of a frame that has a change to be forecast.

    Parameters
    ----------
    base, changes : what the forecaster reads, and what it forecasts (and reads too)
    lookback : rows that a forecast reads
    """
    start, target = row_starts(frame), changes.encode(frame)
    known = has_change(frame, changes.sensors, start)
    row = np.flatnonzero(known.any(axis=1))
    inputs = forecast_inputs(target, base.encode(frame))
    windows = Windows(inputs, start[row], row - 1, lookback)
    return ForecastRows(row, windows, target[row], known[row])


def fit_forecaster(rows: ForecastRows, own: int, stage: SurpriseStage, *, seed: int) -> Forecaster:
    """Train a forecaster by Adam, a fixed number of steps, its rate falling to nothing.

    Parameters
    ----------
    rows : what it learns from
    own : channels that belong to each sensor, see `own_channels`
    stage : SurpriseStage
    seed : of weights and batches

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    shape = _Shape(
        stage.lookback, rows.windows.rows.shape[1], own, rows.target.shape[1], stage.units
    )
    trainer = _trainer(shape)
    loss = trainer.fit(rows, stage.steps, seed)
    if not np.isfinite(loss):
        raise TrainingError(
            f"channels.surprise: the forecaster's loss became {loss}; check the inputs for values"
            " far out of range, or set channels.surprise to false"
        )
    return trainer.forecaster()


@dataclass(frozen=True)
class _Shape:
    lookback: int
    columns: int
    own: int
    sensors: int
    units: tuple[int, ...]


@lru_cache(maxsize=2)
def _trainer(shape: _Shape) -> _Trainer:
    return _Trainer(shape)


class _Trainer:
    """A forecaster's variables and its compiled gradient step; every fit starts anew."""

    def __init__(self, shape: _Shape) -> None:
        tf, keras = import_keras()
        self._shape = shape
        stage = ModelStage(units=shape.units, projection=shape.units[-1], skip=False, screen=None)
        self._stage, self._loop = stage, training_loop(shape.lookback, stage)
        self._model = self._build(0)
        self._own = tf.Variable(tf.zeros([2, shape.own, shape.sensors]))
        self._optimizer = keras.optimizers.Adam(clipnorm=CLIPNORM)
        self._optimizer.build(self._variables)
        self._untouched = [variable.numpy() for variable in self._optimizer.variables]
        # Shapes that stay open, so that no fit of another number of rows compiles it again.
        rows = tf.TensorSpec([None, shape.columns], tf.float32)
        place = tf.TensorSpec([None], tf.int64)
        target, known = (tf.TensorSpec([None, shape.sensors], t) for t in (tf.float32, tf.bool))
        signature = [rows, place, place, target, known, place]
        self._compiled = tf.function(self._step, input_signature=signature, autograph=False)

    @property
    def _variables(self) -> list[tf.Variable]:
        return [*self._model.trainable_variables, self._own]

    def _build(self, seed: int) -> keras.Model:
        shape = self._shape
        return build_stacked_lstm(
            shape.lookback,
            shape.columns,
            self._stage,
            2 * shape.sensors,
            seed=seed,
            loop=self._loop,
        )

    def fit(self, rows: ForecastRows, steps: int, seed: int) -> float:
        """Train from a fresh start; the mean loss of the last tenth of the steps."""
        import tensorflow as tf

        for mine, drawn in zip(self._model.variables, self._build(seed).variables, strict=True):
            mine.assign(drawn)
        self._own.assign(tf.zeros_like(self._own))
        for variable, value in zip(self._optimizer.variables, self._untouched, strict=True):
            variable.assign(value)
        windows, draw = rows.windows, np.random.default_rng(seed)
        arrays = (windows.rows, windows.starts, windows.ends, rows.target, rows.known)
        data = [tf.constant(array) for array in arrays]
        losses = []
        for step in range(steps):
            falling = 0.5 * (1 + np.cos(np.pi * step / steps))
            self._optimizer.learning_rate.assign(LEARNING_RATE * falling)
            batch = draw.integers(len(windows), size=min(BATCH, len(windows)))
            losses.append(self._compiled(*data, tf.constant(batch)))
        return float(np.mean([float(loss) for loss in losses[-max(1, steps // 10) :]]))

    def forecaster(self) -> Forecaster:
        """What was learned, as plain arrays."""
        return Forecaster(network_from_keras(self._model), self._own.numpy(), self._shape.lookback)

    def _step(
        self,
        rows: tf.Tensor,
        starts: tf.Tensor,
        ends: tf.Tensor,
        target: tf.Tensor,
        known: tf.Tensor,
        batch: tf.Tensor,
    ) -> tf.Tensor:
        import tensorflow as tf

        shape = self._shape
        back = tf.range(1 - shape.lookback, 1, dtype=tf.int64)
        start, end = tf.gather(starts, batch), tf.gather(ends, batch)
        windows = tf.gather(rows, tf.maximum(start[:, None], end[:, None] + back))
        wanted = tf.gather(target, batch)
        there = tf.cast(tf.gather(known, batch), tf.float32)
        last = windows[:, -1, : shape.own * shape.sensors]
        last = tf.reshape(last, [-1, shape.own, shape.sensors])
        with tf.GradientTape() as tape:
            out = tf.reshape(self._model(windows, training=True), [-1, 2, shape.sensors])
            out += tf.reduce_sum(last[:, None] * self._own[None], axis=2)
            location = out[:, 0]
            log_scale = tf.clip_by_value(out[:, 1], np.log(NARROWEST), np.log(WIDEST))
            residual = (wanted - location) * tf.exp(-log_scale)
            lost = 0.5 * (FREEDOM + 1) * tf.math.log1p(tf.square(residual) / FREEDOM) + log_scale
            loss = tf.reduce_sum(lost * there) / tf.maximum(tf.reduce_sum(there), 1.0)
        variables = self._variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss


def _as_changes(stage: ChannelsStage) -> ChannelsStage:
    """What is forecast: the change to the row before, by its training rank."""
    settings = {"use": ("change",), "change_lags": (1,), "scaling": "quantile", "surprise": None}
    return stage.model_copy(update=settings)


def _fit_scale(
    encoder: SurpriseEncoder, frame: SensorFrame, training_rows: Bool, stage: ChannelsStage
) -> SurpriseEncoder:
    """Scale by the surprise of training rows that have any."""
    raw, known = raw_surprise(encoder, frame, encoder.base.encode(frame))
    rows = np.flatnonzero(training_rows & known)
    sample = raw[rows[:: -(-len(rows) // _SAMPLE)]].astype(np.float64)
    flags = np.zeros(sample.shape[1], bool)
    scaler = fit_scaler(sample, stage.scaling, stage.clip, flags, steepest=STEEPEST)
    return replace(encoder, scaler=scaler)
