"""How much a positive and a negative window count in the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Float32, Float64, Int8


def class_weights(
    targets: Int8,
    rule: Literal["balanced", "none"] | Mapping[int, float],
    seen: Float64 | None = None,
) -> Float32:
    """Weights of a negative and of a positive window, for every head.

    Parameters
    ----------
    targets : int8 [m, heads], 1 positive, 0 negative, -1 where a head has no label
    rule : "balanced" gives both classes of a head the same total, n / (2 n_class) each, as
        scikit-learn does; "none" counts every window once; a mapping gives the weights of the
        classes 0 and 1, 1.0 where it is silent
    seen : float64 [m], how often training shows each window; None means once

    Returns
    -------
    float32 [heads, 2], negative then positive. Both are 0 for a head whose labels are all of
    one class: it has nothing to teach.

    Raises
    ------
    ConfigError
        When a mapping names another class, or a weight that is not above 0.

    Examples
    --------
    >>> class_weights(np.array([[0], [0], [0], [1], [0]], np.int8), "balanced").tolist()
    [[0.625, 2.5]]
    """
    seen = np.ones(len(targets)) if seen is None else seen
    counts = np.stack([seen @ (targets == 0), seen @ (targets == 1)], axis=1)
    both = (counts > 0).all(axis=1, keepdims=True)
    if rule == "balanced":
        weights = counts.sum(axis=1, keepdims=True) / (2 * np.where(counts > 0, counts, 1))
    elif rule == "none":
        weights = np.ones(counts.shape)
    else:
        weights = np.tile(_from_mapping(rule), (len(counts), 1))
    return np.where(both, weights, 0).astype(np.float32)


def _from_mapping(rule: Mapping[int, float]) -> list[float]:
    if not set(rule) <= {0, 1} or not all(weight > 0 for weight in rule.values()):
        raise ConfigError(
            "train.class_weight must map the classes 0 and 1 to weights above 0, such as"
            f" {{0: 1, 1: 20}}; received {dict(rule)}"
        )
    return [rule.get(0, 1.0), rule.get(1, 1.0)]
