"""Fitting the stacked LSTM."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rareevent.config import ModelStage, TrainStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Int8, Int64
from rareevent.lstm.build import build_stacked_lstm, network_from_keras, set_start
from rareevent.lstm.cell import Network, forward
from rareevent.training.class_weight import class_weights
from rareevent.training.sampling import require_both_classes, sample_windows
from rareevent.training.schedule import epochs_for, learning_rate_for
from rareevent.training.start import Start, find_start
from rareevent.training.trainer import Shape, TrainingData, trainer_for
from rareevent.windowing.temporalize import Windows

if TYPE_CHECKING:
    import keras

# The monitor is a figure to watch, not one to choose by; this many windows draw it well enough.
MOST_MONITORED = 100_000


@dataclass(frozen=True)
class EpochReport:
    """One epoch as a progress bar or a log wants it.

    Attributes
    ----------
    epoch, epochs : int, this epoch, counted from 1, and how many there will be
    loss : float, mean over the epoch's windows, penalties included
    gradient_norm : float, mean over the epoch's steps of the norm before clipping
    validation_pr_auc : float, of head 0 on the monitor; None without one, or without both classes
    seconds : float, the epoch's duration, monitor included
    """

    epoch: int
    epochs: int
    loss: float
    gradient_norm: float
    validation_pr_auc: float | None
    seconds: float


@dataclass(frozen=True)
class FittedLSTM:
    """A trained member.

    Attributes
    ----------
    network : Network, its weights as arrays
    keras_model : the same weights in a model of Keras' own layers, fit to be saved
    history : one EpochReport per epoch
    prior_shift : float, log-odds that class weights and sampling added to head 0
    windows : int, windows it was trained on, after sampling
    reads : bool [c], channels that the recurrence reads
    """

    network: Network
    keras_model: keras.Model
    history: tuple[EpochReport, ...]
    prior_shift: float
    windows: int
    reads: Bool


def fit_lstm(
    windows: Windows,
    targets: Int8,
    model: ModelStage,
    train: TrainStage,
    *,
    seed: int,
    epochs: int | Literal["auto"],
    monitor: tuple[Windows, Int8] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    start: Start | None = None,
) -> FittedLSTM:
    """Train one stacked LSTM: Adam, clipped gradients, a fixed number of epochs.

    There is no early stopping: with few events the best epoch on a validation tail is chance,
    and a fixed few were measured to do better.

    Parameters
    ----------
    windows : Windows, m of them, in any order
    targets : int8 [m, heads], 1 or 0, and -1 where a head has no label for a window. Head 0 is
        the pipeline's own horizon; sampling goes by its classes.
    model, train : ModelStage, TrainStage
    seed : weights, sampling, order of windows and dropout; the same seed gives the same numbers
    epochs : at least 1; "auto" takes `epochs_for` the windows left after sampling and
        their events, as `train.learning_rate` "auto" takes `learning_rate_for` the events
    monitor : windows and head-0 labels whose PR-AUC each report gives. It is only reported:
        nothing is chosen by it.
    on_epoch : called after every epoch
    start : what `find_start` gives for these windows; members that share it save its time

    Raises
    ------
    TrainingError
        When a class is missing, or the loss or gradient is no longer finite.
    """
    _check_shapes(windows, targets)
    sample = sample_windows(targets[:, 0], train, seed)
    chosen, labels = only_needed_rows(windows.take(sample.index)), targets[sample.index]
    weights = class_weights(labels, train.class_weight)
    start = start or find_start(windows, targets, model)
    if epochs == "auto":
        epochs = epochs_for(len(chosen), train.batch_size, start.events)
    rate = train.learning_rate
    rate = learning_rate_for(start.events) if rate == "auto" else rate

    shape = _shape(windows, targets, model, train)
    fitted = build_stacked_lstm(
        shape.lookback, shape.channels, model, shape.heads, seed=seed, loop="keras"
    )
    set_start(fitted, start.reads, start.skip, _head_bias(start, labels, weights))
    trainer = trainer_for(shape)
    order = np.random.default_rng(seed)
    history = []
    with trainer.fitting(fitted, TrainingData(chosen, labels, weights, start.reads, rate)):
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            loss, norm = trainer.epoch(_batches(order, len(chosen), train.batch_size))
            network = network_from_keras(trainer.model)
            if not _all_finite(loss, norm, network):
                raise _divergence(f"epoch {epoch} of {epochs}", loss, norm, rate, train, chosen)
            pr_auc = _pr_auc(network, monitor)
            seconds = time.perf_counter() - began
            history.append(EpochReport(epoch, epochs, loss, norm, pr_auc, seconds))
            if on_epoch is not None:
                on_epoch(history[-1])
    fitted.set_weights(trainer.model.get_weights())
    shift = sample.prior_shift + float(np.log(weights[0, 1] / weights[0, 0]))
    return FittedLSTM(network, fitted, tuple(history), shift, len(chosen), start.reads)


def only_needed_rows(windows: Windows) -> Windows:
    """The same windows over a matrix without the rows that none of them reads.

    Examples
    --------
    >>> rows = np.arange(6, dtype=np.float32)[:, None]
    >>> lean = only_needed_rows(Windows(rows, np.array([0, 3]), np.array([2, 5]), lookback=2))
    >>> lean.rows[:, 0].tolist(), lean.starts.tolist(), lean.ends.tolist()
    ([1.0, 2.0, 4.0, 5.0], [0, 2], [1, 3])
    """
    oldest = np.maximum(windows.starts, windows.ends - windows.lookback + 1)
    count = len(windows.rows) + 1
    opened = np.bincount(oldest, minlength=count) - np.bincount(windows.ends + 1, minlength=count)
    needed = np.cumsum(opened[:-1]) > 0
    place = np.cumsum(needed) - 1
    rows = windows.rows if needed.all() else windows.rows[needed]
    return Windows(rows, place[oldest], place[windows.ends], windows.lookback)


def _head_bias(start: Start, labels: Int8, weights: Float32) -> Float32 | None:
    """The regression's bias, moved from classes of equal weight to those of this fit."""
    if start.bias is None:
        return None
    positive = weights[:, 1] * np.sum(labels == 1, axis=0)
    negative = weights[:, 0] * np.sum(labels == 0, axis=0)
    both = (positive > 0) & (negative > 0)
    odds = np.where(both, positive, 1) / np.where(both, negative, 1)
    return (start.bias + np.log(odds)).astype(np.float32)


def _shape(windows: Windows, targets: Int8, model: ModelStage, train: TrainStage) -> Shape:
    return Shape(
        lookback=windows.lookback,
        channels=windows.rows.shape[1],
        heads=targets.shape[1],
        # The number of members changes no member.
        model=model.model_copy(update={"members": 1}),
        focal_gamma=train.focal_gamma if train.loss == "focal" else 0.0,
        clipnorm=train.clipnorm,
    )


def _check_shapes(windows: Windows, targets: Int8) -> None:
    if targets.ndim != 2 or len(targets) != len(windows):
        raise TrainingError(
            f"targets must have one row per window and one column per head; received shape"
            f" {targets.shape} for {len(windows)} windows"
        )
    require_both_classes(targets[:, 0])


def _batches(order: np.random.Generator, windows: int, size: int) -> list[Int64]:
    """All windows in random order, in batches of nearly one size: no small one is left over."""
    return np.array_split(order.permutation(windows), -(-windows // size))


def _pr_auc(network: Network, monitor: tuple[Windows, Int8] | None) -> float | None:
    if monitor is None:
        return None
    from sklearn.metrics import average_precision_score

    windows, target = monitor
    known = np.flatnonzero(target >= 0)
    known = known[:: max(1, math.ceil(len(known) / MOST_MONITORED))]
    if len(np.unique(target[known])) < 2:
        return None
    logits = forward(network, windows.take(known))
    return float(average_precision_score(target[known], logits[:, 0]))


def _all_finite(loss: float, norm: float, network: Network) -> bool:
    weights = network.to_arrays().values()
    return bool(np.isfinite([loss, norm]).all() and all(np.isfinite(w).all() for w in weights))


def _divergence(
    where: str, loss: float, norm: float, rate: float, train: TrainStage, windows: Windows
) -> TrainingError:
    remedy = (
        f"lower train.learning_rate (now {rate:g}) or train.clipnorm (now"
        f" {train.clipnorm:g}), or check the inputs for values far out of range"
    )
    odd = int(np.sum(~np.isfinite(windows.rows)))
    if odd:
        remedy = f"{odd} values of the channels are not finite: check the inputs"
    return TrainingError(
        f"training diverged in {where}: loss {loss:g}, gradient norm {norm:g}; {remedy}"
    )
