"""Fitting the stacked LSTM."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from rareevent.config import ModelStage, TrainStage
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int8, Int64
from rareevent.lstm.build import build_stacked_lstm, network_from_keras, set_start
from rareevent.lstm.cell import Network, forward
from rareevent.training.batches import balanced_batches, epoch_batches, times_seen
from rareevent.training.class_weight import class_weights
from rareevent.training.health import NOT_FINITE, EpochHealth, Finding, find_troubles
from rareevent.training.sampling import require_both_classes, sample_windows
from rareevent.training.schedule import epochs_for, learning_rate_for
from rareevent.training.start import Start, find_start
from rareevent.training.trainer import EpochSteps, Shape, TrainingData, trainer_for
from rareevent.training.watch import Watch, probed_windows
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
    health : one EpochHealth per epoch
    prior_shift : float, log-odds that class weights and sampling added to head 0
    windows : int, windows it was trained on, after sampling
    reads : bool [c], channels that the recurrence reads
    """

    network: Network
    keras_model: keras.Model
    history: tuple[EpochReport, ...]
    health: tuple[EpochHealth, ...]
    prior_shift: float
    windows: int
    reads: Bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with how it learned; empty in a healthy fit."""
        return find_troubles(self.health)


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
        the pipeline's own horizon; sampling goes by its classes. The last heads are the types
        of events that `model.types` names.
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
        When a class is missing, the loss, a gradient or a weight is no longer finite, or a rule
        of `train.terminate_on` finds something.
    """
    _check_shapes(windows, targets)
    sample = sample_windows(windows, targets[:, 0], train, seed)
    chosen, labels = only_needed_rows(windows.take(sample.index)), targets[sample.index]
    seen = times_seen(labels[:, 0], train.batches, train.positive_share)
    weights = _weights(labels, seen, model, train)
    start = start or find_start(windows, targets, model)
    if epochs == "auto":
        epochs = epochs_for(len(chosen), train.batch_size, start.events)
    rate = train.learning_rate
    rate = learning_rate_for(start.events) if rate == "auto" else rate
    shape = _shape(windows, targets, model, train)
    fitted = build_stacked_lstm(
        shape.lookback, shape.channels, model, shape.heads, seed=seed, loop="keras"
    )
    set_start(fitted, start.reads, start.skip, _head_bias(start, labels, seen, weights))
    trainer = trainer_for(shape)
    batches = partial(_batches, np.random.default_rng(seed), labels[:, 0], train)
    watch = Watch(trainer, probed_windows(labels[:, 0]), epochs)
    history = []
    with trainer.fitting(fitted, TrainingData(chosen, labels, weights, start.reads, rate)):
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            steps = watch.epoch(epoch, batches())
            _stop_where_told(watch.history, steps, train, rate, chosen, epochs)
            network = network_from_keras(trainer.model)
            history.append(_report(epoch, epochs, steps, _pr_auc(network, monitor), began))
            if on_epoch is not None:
                on_epoch(history[-1])
    fitted.set_weights(trainer.model.get_weights())
    shift = sample.prior_shift + _shift(labels[:, 0], seen, weights[0])
    reports, health = tuple(history), tuple(watch.history)
    return FittedLSTM(network, fitted, reports, health, shift, len(chosen), start.reads)


def _report(
    epoch: int, epochs: int, steps: EpochSteps, pr_auc: float | None, began: float
) -> EpochReport:
    norm, seconds = float(steps.step_norms.mean()), time.perf_counter() - began
    return EpochReport(epoch, epochs, steps.loss, norm, pr_auc, seconds)


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


def _weights(labels: Int8, seen: Float64, model: ModelStage, train: TrainStage) -> Float32:
    """Class weights [heads, 2]; 0 for types of events, which are not weighed by class."""
    weights = class_weights(labels, train.class_weight, seen)
    weights[len(weights) - len(model.type_names) :] = 0
    return weights


def _head_bias(start: Start, labels: Int8, seen: Float64, weights: Float32) -> Float32 | None:
    """The regression's bias, moved from classes of equal weight to those of this fit."""
    if start.bias is None:
        return None
    positive = weights[:, 1] * (seen @ (labels == 1))
    negative = weights[:, 0] * (seen @ (labels == 0))
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
        clipvalue=train.clipvalue,
    )


def _check_shapes(windows: Windows, targets: Int8) -> None:
    if targets.ndim != 2 or len(targets) != len(windows):
        raise TrainingError(
            f"targets must have one row per window and one column per head; received shape"
            f" {targets.shape} for {len(windows)} windows"
        )
    require_both_classes(targets[:, 0])


def _batches(order: np.random.Generator, target: Int8, train: TrainStage) -> list[Int64]:
    if train.batches == "balanced":
        return balanced_batches(order, target, train.batch_size, train.positive_share)
    return epoch_batches(order, target, train.batch_size)


def _shift(target: Int8, seen: Float64, weights: Float32) -> float:
    """Log-odds that class weights and balanced batches add to head 0."""
    often = seen[target == 1][0] / seen[target == 0][0]
    return float(np.log(weights[1] / weights[0]) + np.log(often))


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


def _stop_where_told(
    health: list[EpochHealth],
    steps: EpochSteps,
    train: TrainStage,
    rate: float,
    windows: Windows,
    epochs: int,
) -> None:
    """End a fit in which a rule of `train.terminate_on` found something.

    No weight comes back from not being a number, so that always ends it.
    """
    where = f"epoch {len(health)} of {epochs}"
    for finding in find_troubles(health):
        if finding.rule == NOT_FINITE:
            raise _divergence(where, steps, rate, train, windows)
        if finding.rule in train.terminate_on:
            raise TrainingError(
                f"training was stopped in {where}, as train.terminate_on asks: {finding.sentence}"
            )


def _divergence(
    where: str, steps: EpochSteps, rate: float, train: TrainStage, windows: Windows
) -> TrainingError:
    clipped = "" if train.clipnorm is None else f" (now {train.clipnorm:g})"
    remedy = (
        f"lower train.learning_rate (now {rate:g}) or train.clipnorm{clipped}, or check the"
        " inputs for values far out of range"
    )
    odd = int(np.sum(~np.isfinite(windows.rows)))
    if odd:
        remedy = f"{odd} values of the channels are not finite: check the inputs"
    return TrainingError(
        f"{NOT_FINITE}: training diverged in {where}: loss {steps.loss:g}, gradient norm"
        f" {steps.step_norms.mean():g}; {remedy}"
    )
