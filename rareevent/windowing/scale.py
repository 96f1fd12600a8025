"""Scaling: every channel on one scale, by statistics of training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from rareevent.ingestion.frame import Float32, Float64
from rareevent.windowing.piecewise import Stack, stacked

# Knots of the rank-to-normal map, evenly spaced in normal scores so that tails are resolved;
# beyond +-3.2 lies 0.14 % of training rows, where ranks are too few to tell apart.
_Z = np.linspace(-3.2, 3.2, 65)


def _normal_cdf(z: Float64) -> Float64:
    from math import erf, sqrt

    return np.array([0.5 * (1 + erf(v / sqrt(2))) for v in z])


_P = _normal_cdf(_Z)


@dataclass(frozen=True)
class Scaler:
    """One monotone, piecewise linear map per channel.

    Attributes
    ----------
    kind : "quantile" maps a value to the normal score of its training rank; "standard" subtracts
        the training mean and divides by the training standard deviation
    knots : per channel, float64 [q] ascending inputs
    scores : per channel, float64 [q] outputs; outside the knots the end values hold
    """

    kind: Literal["quantile", "standard"]
    knots: tuple[Float64, ...]
    scores: tuple[Float64, ...]

    def apply(self, block: Float64) -> Float32:
        """Scaled channels, float32 [c, b], of unscaled ones, float64 [c, b]."""
        out = np.empty(block.shape, np.float32)
        for stack in self._stacks:
            out[stack.channels] = stack.apply(block[stack.channels])
        return out

    @cached_property
    def _stacks(self) -> tuple[Stack, ...]:
        return stacked(self.knots, self.scores)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays: all knots and scores end to end, and each channel's number of them."""
        return {
            "scaler/knots": np.concatenate([*self.knots, np.zeros(0)]),
            "scaler/scores": np.concatenate([*self.scores, np.zeros(0)]),
            "scaler/sizes": np.array([len(k) for k in self.knots], np.int64),
        }

    @classmethod
    def from_arrays(
        cls, kind: Literal["quantile", "standard"], arrays: Mapping[str, np.ndarray]
    ) -> Scaler:
        """The inverse of `to_arrays`."""
        cuts = np.cumsum(arrays["scaler/sizes"])[:-1]
        return cls(
            kind,
            tuple(np.split(arrays["scaler/knots"], cuts)),
            tuple(np.split(arrays["scaler/scores"], cuts)),
        )


def fit_scaler(
    sample: Float64,
    kind: Literal["quantile", "standard"],
    clip: float,
    as_is: np.ndarray,
    *,
    steepest: float | None = None,
) -> Scaler:
    """Learn the map of every channel.

    Parameters
    ----------
    sample : float64 [s, c], channels of training rows
    kind : see `Scaler`
    clip : largest absolute scaled value
    as_is : bool [c], channels that are flags already and stay as they are
    steepest : largest slope of a map, so that what is computed in single precision does not have
        its last digits magnified; None bounds nothing

    Examples
    --------
    A flag that is 0 in most rows keeps its two values apart; ranks that tie share a score.

    >>> column = np.array([[0.0], [0.0], [0.0], [1.0]])
    >>> scaler = fit_scaler(column, "quantile", 5.0, np.array([False]))
    >>> low, high = scaler.apply(np.array([[0.0, 1.0]]))[0]
    >>> bool(low < 0 < high)
    True
    """
    learn = _rank_to_normal if kind == "quantile" else _standardise
    maps = [
        (np.array([0.0, 1.0]), np.array([0.0, 1.0])) if flag else learn(column, clip)
        for column, flag in zip(sample.T, as_is, strict=True)
    ]
    if steepest is not None:
        maps = [_flattened(knots, scores, steepest) for knots, scores in maps]
    return Scaler(kind, tuple(k for k, _ in maps), tuple(s for _, s in maps))


def median_scores(scaler: Scaler) -> Float32:
    """Each channel's score at its training median, float32 [c]; 0 where rows do not tie there.

    After standard scaling 0 stands for the mean, which is all that is known.
    """
    if scaler.kind == "standard":
        return np.zeros(len(scaler.scores), np.float32)
    return np.array([_score_at_median(scores) for scores in scaler.scores], np.float32)


def _score_at_median(scores: Float64) -> float:
    """The score that stands for the normal scores around 0.

    A score is the mean of an even run of `_Z`, and runs follow each other: where one begins and
    what its mean is say where it ends. Clipped scores, which are alike, break the chain; then it is
    the nearest to 0.
    """
    first, step = _Z[0], _Z[1] - _Z[0]
    clipped = (np.diff(scores) <= 0).any()
    for score in () if clipped else scores:
        last = 2 * score - first
        if last > -step / 2:
            return float(score)
        first = last + step
    return float(scores[np.argmin(np.abs(scores))])


def _flattened(knots: Float64, scores: Float64, steepest: float) -> tuple[Float64, Float64]:
    """The same map with slopes cut to `steepest`, holding on to the score nearest to zero."""
    rises = np.minimum(np.diff(scores), steepest * np.diff(knots))
    climbed = np.concatenate([[0.0], np.cumsum(rises)])
    middle = int(np.argmin(np.abs(scores)))
    return knots, climbed - climbed[middle] + scores[middle]


def _rank_to_normal(column: Float64, clip: float) -> tuple[Float64, Float64]:
    quantiles = np.quantile(column, _P)
    knots, place = np.unique(quantiles, return_inverse=True)
    scores = np.bincount(place, weights=_Z) / np.bincount(place)
    return knots, np.clip(scores, -clip, clip)


def _standardise(column: Float64, clip: float) -> tuple[Float64, Float64]:
    mean, deviation = float(column.mean()), float(column.std())
    if not deviation > 0:
        return np.array([mean]), np.array([0.0])
    return np.array([mean - clip * deviation, mean + clip * deviation]), np.array([-clip, clip])
