"""Which sensors a model's foresight rests on: courses exchanged between events and quiet stretches.

A sensor's readings hang together over time, and so do windows. Rows permuted one by one would show
the model courses that no machine ever had, and would count each of an event's windows as evidence
of its own. Here the unit is the event. Its windows, a *stretch*, are set beside matched stretches
of the same asset that no event is near. One sensor's channels are then exchanged as whole courses
within each such set, in a circle: every stretch gets the course of every other one, once where the
sets are of one size, and all other sensors stay as they are. What the model loses by it rests on
that sensor. (Permutation importance: Breiman, "Random Forests", 2001, section 10; exchanged
within strata, so that the asset stays the same: Strobl et al., "Conditional variable
importance for random forests", 2008.) No draw is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.evaluation.blocks import FEWEST_BLOCKS
from rareevent.evaluation.rank_table import rank_table, weighted_areas
from rareevent.evaluation.stretches import Stretches
from rareevent.ingestion.frame import Float64, Int64
from rareevent.windowing.temporalize import Windows

DRAWS = 400
_SEED = 0
_OF_EVENTS = ("asset", "time")
# Elements of windows that are scored at once: 64 MB of float32.
_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Fold:
    """What is needed to score one fold's windows.

    Attributes
    ----------
    windows : Windows, m of them
    stretches : Stretches of those windows
    owner : int64 [c], the owner of each channel, of the names that all folds share
    score : from windows to probabilities, float64 [m]
    """

    windows: Windows
    stretches: Stretches
    owner: Int64
    score: Callable[[Windows], Float64]


@dataclass(frozen=True)
class Drop:
    """What a figure loses where one sensor's courses are exchanged, with an interval.

    Attributes
    ----------
    value : the figure as it is less the mean over exchanges
    low, high : None where blocks are too few; all sensors' intervals of a figure hold at once
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Importance:
    """How much of a model's foresight rests on each owner.

    Attributes
    ----------
    names : of the k owners
    pr_auc, event_recall : k Drops each
    base : the figures with nothing exchanged, the prevalence among the windows, and the ends of
        PR-AUC's own interval, None where blocks are too few
    events, blocks, windows, unmatched : events in sets, blocks that they lie in, windows of these,
        and events without a match
    confidence : of all intervals of one figure together
    """

    names: tuple[str, ...]
    pr_auc: tuple[Drop, ...]
    event_recall: tuple[Drop, ...]
    base: dict[str, float | None]
    events: int
    blocks: int
    windows: int
    unmatched: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Plain data; sensors by what PR-AUC loses, the most first."""
        order = np.argsort([-drop.value for drop in self.pr_auc], kind="stable")
        return {
            "events": self.events,
            "blocks": self.blocks,
            "windows": self.windows,
            "unmatched": self.unmatched,
            "fewest_blocks": FEWEST_BLOCKS,
            "confidence": self.confidence,
            "base": self.base,
            "sensors": [
                {
                    "name": self.names[one],
                    "pr_auc": vars(self.pr_auc[one]),
                    "event_recall": vars(self.event_recall[one]),
                }
                for one in order.tolist()
            ],
        }


def find_importance(
    folds: Sequence[Fold],
    names: tuple[str, ...],
    threshold: float,
    blocks: Callable[[Int64, Int64], Int64],
    *,
    confidence: float = 0.95,
) -> Importance | None:
    """What PR-AUC and event recall lose where each owner's courses are exchanged.

    PR-AUC is over windows before events and matched ones, so its no-skill line is the share of the
    former. An event counts as recognised where one of its windows reaches the threshold.

    Parameters
    ----------
    folds : scored by fits that had not learned from these rows
    names : of the k owners
    threshold : of the alarm policy
    blocks : from assets and times of events, int64 [k] each, to the block of each, from 0: what is
        resampled, as events of one asset or day resemble each other

    Returns
    -------
    None where no event has a matched stretch.
    """
    folds = [fold for fold in folds if len(fold.stretches)]
    if not folds:
        return None
    sizes = [fold.stretches.events for fold in folds]
    first = np.cumsum(sizes) - sizes
    event = np.concatenate([f.stretches.event + at for f, at in zip(folds, first, strict=True)])
    positive = np.concatenate([fold.stretches.positive for fold in folds])
    asset, time = (np.concatenate([getattr(f.stretches, n) for f in folds]) for n in _OF_EVENTS)
    block = blocks(asset, time)
    count = int(block.max()) + 1
    judge = _Judge(event, positive.astype(np.int8), threshold, block)
    base = judge.figures(_scores(folds, None, 0))
    drops = np.stack([_drop(folds, judge, base, one) for one in range(len(names))])
    pr_auc, recall = (_with_intervals(drops[:, :, i], count, confidence) for i in range(2))
    return Importance(
        names,
        pr_auc,
        recall,
        {**_base(base, count, confidence), "prevalence": float(positive.mean())},
        sum(sizes),
        count,
        len(event),
        sum(fold.stretches.unmatched for fold in folds),
        confidence,
    )


def _base(figures: Float64, blocks: int, confidence: float) -> dict[str, float | None]:
    """The figures as they are, float64 [1 + draws, 2], and what PR-AUC may be."""
    points, ends = figures[0].tolist(), [None, None]
    if blocks >= FEWEST_BLOCKS:
        tail = (1 - confidence) / 2
        ends = np.nanquantile(figures[1:, 0], [tail, 1 - tail]).tolist()
    return {"pr_auc": points[0], "event_recall": points[1], "low": ends[0], "high": ends[1]}


class _Judge:
    """Both figures over the events as they are, then over resamples of their blocks."""

    def __init__(self, event: Int64, target: np.ndarray, threshold: float, block: Int64) -> None:
        blocks = int(block.max()) + 1
        draws = np.random.default_rng(_SEED).multinomial(blocks, [1 / blocks] * blocks, DRAWS)
        weights = np.concatenate([np.ones((1, len(block))), draws[:, block]])
        self.weights: Float64 = weights.astype(np.float64)
        self._event, self._target, self._threshold = event, target, threshold

    def figures(self, score: Float64) -> Float64:
        """PR-AUC and event recall, float64 [1 + draws, 2]."""
        events = self.weights.shape[1]
        table = rank_table(score, self._target, self._event, events)
        reached = (score >= self._threshold) & (self._target == 1)
        caught = np.bincount(self._event, reached, events) > 0
        recall = self.weights @ caught / self.weights.sum(axis=1)
        return np.stack([weighted_areas(table, self.weights)[1], recall], axis=1)


def _drop(folds: Sequence[Fold], judge: _Judge, base: Float64, owner: int) -> Float64:
    """What both figures lose in the mean over all exchanges, float64 [1 + draws, 2]."""
    turns = max(fold.stretches.turns for fold in folds)
    figures = [judge.figures(_scores(folds, owner, turn)) for turn in range(1, turns + 1)]
    lost: Float64 = base - np.mean(figures, axis=0)
    return lost


def _scores(folds: Sequence[Fold], owner: int | None, turn: int) -> Float64:
    """Scores of all stretches' windows, an owner's courses moved on by some places in each set."""
    found = []
    for fold in folds:
        mine, donor = fold.stretches.window, fold.stretches.donors(turn)
        channels = np.flatnonzero(fold.owner == owner)
        size = fold.windows.lookback * fold.windows.rows.shape[1]
        step = max(1, _ELEMENTS // size)
        for low in range(0, len(mine), step):
            values = fold.windows.take(mine[low : low + step]).gather()
            if len(channels):
                other = fold.windows.take(donor[low : low + step]).gather()
                values[:, :, channels] = other[:, :, channels]
            found.append(fold.score(_by_value(values)))
    return np.concatenate(found)


def _by_value(values: np.ndarray) -> Windows:
    count, lookback, channels = values.shape
    starts = np.arange(count) * lookback
    return Windows(values.reshape(-1, channels), starts, starts + lookback - 1, lookback)


def _with_intervals(drop: Float64, blocks: int, confidence: float) -> tuple[Drop, ...]:
    """Drops of k owners with intervals that all hold at once, from float64 [k, 1 + draws].

    The largest deviation among the owners, in standard errors, of that share of the resamples
    widens every interval alike, see `unit_moves.unit_moves`; and so does what few blocks leave
    uncertain about the standard error itself, as in `intervals.difference_interval`.
    """
    value, drawn = drop[:, 0], drop[:, 1:]
    if blocks < FEWEST_BLOCKS:
        return tuple(Drop(float(one), None, None) for one in value)
    error = np.nanstd(drawn, axis=1)
    moving = error > 0
    reach = 0.0
    if moving.any():
        apart = np.abs(drawn[moving] - value[moving, None]) / error[moving, None]
        reach = float(np.nanquantile(np.nanmax(apart, axis=0), confidence))
        reach *= _widening(blocks, confidence)
    low, high = value - reach * error, value + reach * error
    return tuple(
        Drop(float(a), float(b), float(c)) for a, b, c in zip(value, low, high, strict=True)
    )


def _widening(blocks: int, confidence: float) -> float:
    """Student's t over the normal quantile, times n / (n - 1) as n blocks drawn anew vary less."""
    from scipy.stats import norm, t

    tail = (1 + confidence) / 2
    return float(t.ppf(tail, blocks - 1) / norm.ppf(tail) * np.sqrt(blocks / (blocks - 1)))
