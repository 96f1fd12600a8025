"""Simple models on the same windows and channels: what the LSTM has to be better than."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int8, Int64
from rareevent.windowing.temporalize import Windows

BaselineName = Literal["logistic", "boosting"]
ClassWeight = Literal["balanced", "none"] | Mapping[int, float]

# Penalty of the logistic regression when each positive row weighs 1: 1 / C. Strong, because
# channels are many and events few; chosen on the first half of the sheet-break rows.
_LOGISTIC_C = 0.01
_BOOSTING: dict[str, Any] = {
    "max_iter": 200,
    "learning_rate": 0.03,
    "max_leaf_nodes": 15,
    "l2_regularization": 10.0,
    # A fifth of the features per split, and 32 levels of each, regularise and cost a third.
    "max_features": 0.2,
    "max_bins": 32,
    "early_stopping": False,
}
# Beyond these, more negatives add time and little else.
_NEGATIVES_PER_POSITIVE = 50
_MOST_ROWS = {"logistic": 200_000, "boosting": 40_000}
# Window elements gathered at once, 64 MB of float32.
_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline.

    Attributes
    ----------
    name : "logistic" or "boosting"
    features : windows -> float32 [m, f]
    decide : features -> log-odds [m]
    shift : log-odds that class weights and sampling added in training; see
        `alarms.calibration.prior_shift`
    """

    name: BaselineName
    features: Callable[[Windows], Float32]
    decide: Callable[[Float32], Float64]
    shift: float

    def logits(self, windows: Windows) -> Float64:
        """Log-odds of an event within the horizon, float64 [m]; class weights taken off."""
        step = _windows_at_once(windows)
        parts = [
            self.decide(self.features(windows.take(slice(low, low + step))))
            for low in range(0, len(windows), step)
        ]
        return np.concatenate(parts).astype(np.float64) - self.shift if parts else np.zeros(0)


def fit_baseline(
    name: BaselineName,
    windows: Windows,
    target: Int8,
    *,
    class_weight: ClassWeight = "balanced",
    seed: int,
) -> Baseline:
    """Fit a baseline on the windows the LSTM learns from.

    "logistic" sees the channels of the last row; "boosting" (histogram gradient boosting) sees
    them and each channel's mean, deviation and slope over the window.

    Parameters
    ----------
    windows : Windows [m]
    target : int8 [m], 1 or 0; windows with -1 are left out
    class_weight : as in `train.class_weight`
    seed : int, for drawing negatives and features

    Raises
    ------
    TrainingError
        When a class has no window.
    """
    rng = np.random.default_rng(seed)
    chosen, kept = _sample(target, _MOST_ROWS[name], rng)
    positive = target[chosen] == 1
    weight = _row_weights(positive, class_weight)
    features = last_row if name == "logistic" else window_features
    fit = _fit_logistic if name == "logistic" else _fit_boosting
    decide = fit(_in_chunks(features, windows.take(chosen)), positive, weight, seed)
    share = {label: weight[positive == label][0] * kept[label] for label in (True, False)}
    return Baseline(name, features, decide, float(np.log(share[True] / share[False])))


def last_row(windows: Windows) -> Float32:
    """Channels of each window's last row, float32 [m, c]."""
    return windows.rows[windows.ends]


def window_features(windows: Windows) -> Float32:
    """Last row, mean, deviation and slope (per row) of each channel, float32 [m, 4 c].

    At lookback 1 the last row alone: there is nothing else to tell.
    """
    if windows.lookback == 1:
        return last_row(windows)
    values = windows.gather()
    step = np.arange(windows.lookback, dtype=np.float32)
    step -= step.mean()
    slope = np.einsum("j,mjc->mc", step, values) / np.sum(step**2)
    return np.concatenate(
        [values[:, -1], values.mean(axis=1), values.std(axis=1), slope], axis=1, dtype=np.float32
    )


def _windows_at_once(windows: Windows) -> int:
    return max(1, _ELEMENTS // (windows.lookback * max(windows.rows.shape[1], 1)))


def _in_chunks(features: Callable[[Windows], Float32], windows: Windows) -> Float32:
    step = _windows_at_once(windows)
    parts = [features(windows.take(slice(i, i + step))) for i in range(0, len(windows), step)]
    return np.concatenate(parts)


def _sample(target: Int8, most: int, rng: np.random.Generator) -> tuple[Int64, dict[bool, float]]:
    """Windows to learn from, ascending, and the share of each class that they are."""
    places = {label: np.flatnonzero(target == int(label)) for label in (True, False)}
    for label, word in ((True, "positive"), (False, "negative")):
        if not len(places[label]):
            raise TrainingError(
                f"baselines: no {word} window to learn from; give training more of the data, or"
                " change label.horizon"
            )
    hits = min(len(places[True]), most // 2)
    misses = min(len(places[False]), _NEGATIVES_PER_POSITIVE * hits, most - hits)
    taken = [
        rng.choice(places[label], size, replace=False)
        for label, size in ((True, hits), (False, misses))
    ]
    kept = {True: hits / len(places[True]), False: misses / len(places[False])}
    return np.sort(np.concatenate(taken)), kept


def _row_weights(positive: Bool, class_weight: ClassWeight) -> Float64:
    """Weight of each row, positives at 1, float64 [m]."""
    if class_weight == "none":
        ratio = 1.0
    elif class_weight == "balanced":
        ratio = float(positive.sum() / (~positive).sum())
    else:
        ratio = class_weight.get(0, 1.0) / class_weight.get(1, 1.0)
    return np.where(positive, 1.0, ratio)


def _fit_logistic(
    features: Float32, positive: Bool, weight: Float64, seed: int
) -> Callable[[Float32], Float64]:
    from sklearn.linear_model import LogisticRegression

    # Newton's method is exact and fast until the square of the channels outgrows the rows.
    solver = "newton-cholesky" if features.shape[1] <= 2_000 else "lbfgs"
    model = LogisticRegression(C=_LOGISTIC_C, solver=solver, max_iter=1_000, random_state=seed)
    model.fit(features, positive, sample_weight=weight)
    return model.decision_function


def _fit_boosting(
    features: Float32, positive: Bool, weight: Float64, seed: int
) -> Callable[[Float32], Float64]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(**_BOOSTING, random_state=seed)
    # Its threads wait for each other by spinning: with other processes on the same cores, such
    # as the folds of a backtest, two threads were seen to take twenty times as long as one.
    with threadpool_limits(1):
        model.fit(features, positive, sample_weight=weight / weight.mean())

    def decide(values: Float32) -> Float64:
        with threadpool_limits(1):
            return model.decision_function(values)

    return decide
