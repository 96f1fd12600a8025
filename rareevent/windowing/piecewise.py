"""Piecewise linear maps of many values, one map for each channel.

A binary search takes a branch at every step that no processor can foresee. Even cells over the
knots' range say at which piece to begin, and as many comparisons as the fullest cell holds knots
lead to the piece itself. Channels that ask for equally many of them are mapped together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Float64

# Cells of a lookup table, and comparisons after it, up to which it beats a binary search.
_CELLS, _MOST_STEPS = 1024, 8
_BY_SEARCH = -1
# Channels mapped at once: more calls than needed cost time, and so do values that leave the cache.
_STACKED = 16
# Knots that span less leave no room to divide by it.
_SMALLEST_SPREAD = 1e-290


def stacked(knots: Sequence[Float64], scores: Sequence[Float64]) -> tuple[Stack, ...]:
    """The maps of some channels, by their knots, ascending, and the scores at them.

    Parameters
    ----------
    knots, scores : per channel, float64 [q]; outside the knots the end scores hold

    Examples
    --------
    >>> (stack,) = stacked([np.array([0.0, 1.0, 3.0])], [np.array([0.0, 10.0, 20.0])])
    >>> stack.apply(np.array([[-1.0, 0.5, 2.0, 9.0]])).tolist()
    [[0.0, 5.0, 15.0, 20.0]]
    """
    maps = [_Map.ready(k, s) for k, s in zip(knots, scores, strict=True)]
    alike: dict[int, list[int]] = {}
    for channel, one in enumerate(maps):
        alike.setdefault(one.steps, []).append(channel)
    return tuple(
        Stack.of(group[at : at + _STACKED], maps)
        for group in alike.values()
        for at in range(0, len(group), _STACKED)
    )


@dataclass(frozen=True)
class _Map:
    """A map made ready for many values.

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
class Stack:
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
    def of(cls, channels: Sequence[int], all_maps: Sequence[_Map]) -> Stack:
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
