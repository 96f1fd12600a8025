"""Scaling: every channel on one scale, by statistics of training rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from rareevent.ingestion.frame import Float32, Float64

# Knots of the rank-to-normal map, evenly spaced in normal scores so that tails are resolved;
# beyond +-3.2 lies 0.14 % of training rows, where ranks are too few to tell apart.
_Z = np.linspace(-3.2, 3.2, 65)
# Cells of a lookup table, and comparisons after it, up to which it beats a binary search.
_CELLS, _MOST_STEPS = 1024, 8
_BY_SEARCH = -1
# Channels mapped at once: more calls than needed cost time, and so do values that leave the cache.
_STACKED = 16
# Knots that span less leave no room to divide by it.
_SMALLEST_SPREAD = 1e-290


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
        for maps in self._stacks:
            out[maps.channels] = maps.apply(block[maps.channels])
        return out

    @cached_property
    def _stacks(self) -> tuple[_Maps, ...]:
        """Channels whose maps ask for equally many comparisons, a few in each stack."""
        maps = [_Map.ready(k, s) for k, s in zip(self.knots, self.scores, strict=True)]
        alike: dict[int, list[int]] = {}
        for channel, one in enumerate(maps):
            alike.setdefault(one.steps, []).append(channel)
        return tuple(
            _Maps.stacked(group[at : at + _STACKED], maps)
            for group in alike.values()
            for at in range(0, len(group), _STACKED)
        )

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


@dataclass(frozen=True)
class _Map:
    """A piecewise linear map made ready for many values.

    A binary search takes a branch at every step that no processor can foresee. Even cells over
    the knots' range say at which piece to begin, and as many comparisons as the fullest cell
    holds knots lead to the piece itself.

    Attributes
    ----------
    knots, scores, slopes : float64 [q], where a piece begins, and what it does from there on
    first : intp [cells], a piece that begins at or before any value in the cell
    steps : most pieces that a value can lie beyond it; `_BY_SEARCH` where the knots are too uneven
    """

    knots: Float64
    scores: Float64
    slopes: Float64
    first: np.ndarray
    steps: int

    @classmethod
    def ready(cls, knots: Float64, scores: Float64) -> _Map:
        """A map by its knots, ascending, and the scores at them."""
        spread = float(knots[-1] - knots[0])
        if not _SMALLEST_SPREAD < spread < np.inf:
            return cls(knots, scores, np.zeros(0), np.zeros(0, np.intp), _BY_SEARCH)
        # Two knots may lie so close that a slope has no number: there the map is a step.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slopes = np.append(np.diff(scores) / np.diff(knots), 0.0)
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
        # The last cell holds the last knot alone. Cells overlap a little: a value near an edge may
        # be rounded to either side of it.
        edges = knots[0] + spread * np.arange(_CELLS + 2) / _CELLS
        slack = (edges[1] - edges[0]) / 16
        first = np.searchsorted(knots[1:-1], edges[:-1] - slack, side="right")
        beyond = np.searchsorted(knots[1:-1], edges[1:] + slack, side="right")
        most = int((beyond - first).max())
        steps = most if most <= _MOST_STEPS else _BY_SEARCH
        return cls(knots, scores, slopes, first, steps)


@dataclass(frozen=True)
class _Maps:
    """Some channels' maps, side by side, so that few calls serve them all.

    Attributes
    ----------
    channels : intp [g]
    maps : the g of them
    low, high, per_unit : float64 [g, 1], range of the knots, and cells in one unit of a value
    first : intp [g * cells], where among all knots a cell's values begin to look
    cells : intp [g, 1], where a channel's cells begin
    knots, beyond, scores, slopes : float64 [q of all], a piece's beginning and end, and its line
    steps : comparisons that lead to the piece
    """

    channels: np.ndarray
    maps: tuple[_Map, ...]
    low: Float64
    high: Float64
    per_unit: Float64
    first: np.ndarray
    cells: np.ndarray
    knots: Float64
    beyond: Float64
    scores: Float64
    slopes: Float64
    steps: int

    @classmethod
    def stacked(cls, channels: Sequence[int], all_maps: Sequence[_Map]) -> _Maps:
        """The maps of some channels, which ask for equally many comparisons."""
        maps = tuple(all_maps[channel] for channel in channels)
        at = np.cumsum([0, *(len(one.knots) for one in maps)])[:-1]
        low, high = (np.array([[one.knots[end]] for one in maps]) for end in (0, -1))
        per_unit = np.ones_like(low)
        if maps[0].steps != _BY_SEARCH:
            per_unit = _CELLS / (high - low)
        return cls(
            np.array(channels, np.intp),
            maps,
            low,
            high,
            per_unit,
            np.concatenate([one.first + begin for one, begin in zip(maps, at, strict=True)]),
            (np.arange(len(maps)) * (_CELLS + 1))[:, None],
            np.concatenate([one.knots for one in maps]),
            np.concatenate([np.append(one.knots[1:-1], [np.inf, np.inf]) for one in maps]),
            np.concatenate([one.scores for one in maps]),
            np.concatenate([one.slopes for one in maps]),
            maps[0].steps,
        )

    def apply(self, values: Float64) -> Float64:
        """Scores of some values, float64 [g, b]."""
        if self.steps == _BY_SEARCH:
            pairs = zip(values, self.maps, strict=True)
            return np.stack([np.interp(each, one.knots, one.scores) for each, one in pairs])
        inside: Float64 = np.minimum(np.maximum(values, self.low), self.high)
        cell = ((inside - self.low) * self.per_unit).astype(np.intp)
        cell += self.cells
        piece = self.first[cell]
        for _ in range(self.steps):
            piece += inside >= self.beyond[piece]
        inside -= self.knots[piece]
        inside *= self.slopes[piece]
        inside += self.scores[piece]
        return inside


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
