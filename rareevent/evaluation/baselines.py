"""Simple models on the same windows and channels: what the LSTM has to be better than."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rareevent.blend.blend import Simple
from rareevent.blend.features import last_row, window_features
from rareevent.blend.linear import Linear
from rareevent.blend.trees import Trees
from rareevent.errors import TrainingError
from rareevent.ingestion.frame import Bool, Float32, Float64, Int8, Int64
from rareevent.training.shrinkage import fit_logistic, logistic_c
from rareevent.windowing.temporalize import Windows

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

BaselineName = Literal["logistic", "boosting"]
ClassWeight = Literal["balanced", "none"] | Mapping[int, float]

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
# Rows on which trees taken out of scikit-learn are held against it, and how near they must come.
_ROWS_HELD_AGAINST = 200
_TOLERANCE = 1e-9


def fit_baseline(
    name: BaselineName,
    windows: Windows,
    target: Int8,
    *,
    class_weight: ClassWeight = "balanced",
    seed: int,
) -> Simple:
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
    seen = windows.take(chosen)
    model: Linear | Trees
    if name == "logistic":
        c = logistic_c(windows, target)
        model = Linear(*fit_logistic(last_row(seen), positive, weight, c))
    else:
        model = _fit_boosting(window_features(seen), positive, weight, seed)
    share = {label: weight[positive == label][0] * kept[label] for label in (True, False)}
    return Simple(model, float(np.log(share[True] / share[False])))


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


def _fit_boosting(features: Float32, positive: Bool, weight: Float64, seed: int) -> Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(**_BOOSTING, random_state=seed)
    # Its threads wait for each other by spinning: with other processes on the same cores, such
    # as the folds of a backtest, two threads were seen to take twenty times as long as one.
    with threadpool_limits(1):
        model.fit(features, positive, sample_weight=weight / weight.mean())
        return trees_of(model, features[:_ROWS_HELD_AGAINST])


def trees_of(model: HistGradientBoostingClassifier, rows: Float32) -> Trees:
    """The trees of a fitted two-class model of scikit-learn, as plain arrays.

    They lie in attributes that scikit-learn calls private, so that what is read there is held
    against the model itself.

    Parameters
    ----------
    model : HistGradientBoostingClassifier of numeric features
    rows : float32 [m, f], to hold the trees against the model

    Raises
    ------
    TrainingError
        When the two disagree.
    """
    parts = [step[0].nodes for step in model._predictors]
    sizes = np.array([len(part) for part in parts])
    roots, nodes = np.cumsum(sizes) - sizes, np.concatenate(parts)
    leaf, first = nodes["is_leaf"].astype(bool), np.repeat(roots, sizes)

    def child(name: str) -> np.ndarray:
        return np.where(leaf, -1, nodes[name] + first).astype(np.int32)

    trees = Trees(
        features=model.n_features_in_,
        roots=roots,
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        left=child("left"),
        right=child("right"),
        value=np.where(leaf, nodes["value"], 0.0),
        start=float(np.ravel(model._baseline_prediction)[0]),
    )
    apart = np.abs(trees.logits(rows) - model.decision_function(rows)).max(initial=0.0)
    if not apart <= _TOLERANCE:
        raise TrainingError(
            f"boosting: its trees, taken out of scikit-learn, differ from it by {apart:.2g}; this"
            " version of scikit-learn is not known here: install a pinned one"
        )
    return trees
