"""Which channels the recurrence reads: those whose own course over the window tells of events.

A recurrence over many channels can learn a few hundred events by heart; over the few that matter
it has to find what they share. A channel is judged alone and by its whole course: a linear
discriminant of its values at every step of the window, taught on three quarters of the training
windows and judged on the fourth, in turn. So a lag counts as much as a level, and what one
stretch of rows tells by chance does not.
"""

from __future__ import annotations

import numpy as np

from rareevent.ingestion.frame import Bool, Float32, Float64, Int8, Int64
from rareevent.windowing.temporalize import Windows

BLOCKS = 4
# Every event's rows are alike, so more windows than these cost time and change little.
_MOST_POSITIVES = 2_000
_NEGATIVES_PER_POSITIVE = 6
# Elements of all channels' windows together; a thousand sensors share them.
_ELEMENTS = 1 << 29
_FEWEST_WINDOWS = 2_000
# A longer course is averaged to this many steps: the discriminant's cost grows with their cube.
_MOST_STEPS = 32
# Added to the variance of every step, relative to scaled channels of variance about 1.
_RIDGE = 0.1


def events_among(windows: Windows, target: Int8) -> int:
    """Events that the positive windows belong to: their unbroken stretches within a segment.

    Parameters
    ----------
    windows : Windows, m of them
    target : int8 [m], 1 is positive

    Examples
    --------
    >>> rows = np.zeros((9, 1), np.float32)
    >>> windows = Windows(rows, np.array([0, 0, 0, 5, 5]), np.array([2, 3, 4, 5, 7]), lookback=2)
    >>> events_among(windows, np.array([0, 1, 1, 1, 1], np.int8))
    3
    """
    positive = np.flatnonzero(target == 1)
    positive = positive[np.argsort(windows.ends[positive], kind="stable")]
    ends, starts = windows.ends[positive], windows.starts[positive]
    fresh = (np.diff(ends) > 1) | (np.diff(starts) != 0)
    return int(fresh.sum()) + min(len(positive), 1)


def screen_channels(windows: Windows, target: Int8, share: float, most: int) -> Bool:
    """Channels worth reading over time.

    Parameters
    ----------
    windows : Windows, m of them, over c channels; training windows and no others
    target : int8 [m], 1, 0, or -1 for no label
    share : a channel is read whose score exceeds 0.5 by at least this share of what the best
        channel's score does
    most : no more than these, the best ones; ties go to the earlier channel

    Returns
    -------
    bool [c], true for at least one channel. Where the windows cannot judge (fewer positives or
    negatives than blocks), all are true.
    """
    if min(np.sum(target == 1), np.sum(target == 0)) < BLOCKS:
        return np.ones(windows.rows.shape[1], bool)
    excess = channel_scores(windows, target) - 0.5
    worthy = int(np.sum(excess >= share * excess.max()))
    best = np.argsort(-excess, kind="stable")[: max(1, min(worthy, most))]
    reads = np.zeros(len(excess), bool)
    reads[best] = True
    return reads


def channel_scores(windows: Windows, target: Int8) -> Float64:
    """What each channel's course tells on its own: mean ROC-AUC on held-out blocks of rows.

    Returns
    -------
    float64 [c], 0.5 for a channel that tells nothing
    """
    channels = windows.rows.shape[1]
    windows, target = _sampled(windows, target, _ELEMENTS // (windows.lookback * channels))
    positive = target == 1
    block = np.minimum(np.cumsum(positive) * BLOCKS // (positive.sum() + 1), BLOCKS - 1)
    index = windows.index()
    return np.array(
        [_score(_course(windows.rows[:, c][index]), positive, block) for c in range(channels)]
    )


def _sampled(windows: Windows, target: Int8, most: int) -> tuple[Windows, Int8]:
    """Evenly spaced windows of each class, in row order."""
    order = np.argsort(windows.ends, kind="stable")
    hits = order[target[order] == 1]
    misses = order[target[order] == 0]
    share = max(most, _FEWEST_WINDOWS) // (_NEGATIVES_PER_POSITIVE + 1)
    hits = _spaced(hits, min(share, _MOST_POSITIVES))
    misses = _spaced(misses, max(_NEGATIVES_PER_POSITIVE * len(hits), BLOCKS))
    chosen = np.concatenate([hits, misses])
    chosen = chosen[np.argsort(windows.ends[chosen], kind="stable")]
    return windows.take(chosen), target[chosen]


def _spaced(places: Int64, most: int) -> Int64:
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]


def _course(values: Float32) -> Float64:
    """A channel's windows [m, lookback] in at most `_MOST_STEPS` steps, the long ones averaged."""
    lookback = values.shape[1]
    if lookback <= _MOST_STEPS:
        return values.astype(np.float64)
    edges = np.linspace(0, lookback, _MOST_STEPS + 1).astype(np.int64)
    sums = np.add.reduceat(values.astype(np.float64), edges[:-1], axis=1)
    return sums / np.diff(edges)


def _score(course: Float64, positive: Bool, block: Int64) -> float:
    aucs = []
    for held in range(BLOCKS):
        judged = block == held
        if _both_classes(positive[judged]) and _both_classes(positive[~judged]):
            weights = _discriminant(course[~judged], positive[~judged])
            aucs.append(_roc_auc(course[judged] @ weights, positive[judged]))
    return float(np.mean(aucs)) if aucs else 0.5


def _both_classes(positive: Bool) -> bool:
    return 0 < int(positive.sum()) < len(positive)


def _discriminant(course: Float64, positive: Bool) -> Float64:
    """Fisher's linear discriminant, its covariance shrunk by a ridge; float64 [steps]."""
    centred = course - course.mean(axis=0)
    covariance = centred.T @ centred / len(course)
    covariance[np.diag_indices_from(covariance)] += _RIDGE
    between = course[positive].mean(axis=0) - course[~positive].mean(axis=0)
    return np.linalg.solve(covariance, between)


def _roc_auc(score: Float64, positive: Bool) -> float:
    """Chance that a positive scores above a negative, ties counting half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    hits = int(positive.sum())
    misses = len(score) - hits
    return float((rank[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))
