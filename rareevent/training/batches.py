"""Which windows a gradient step sees: shuffled as they are, or a set share of positives in each."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from rareevent.ingestion.frame import Float64, Int8, Int64


def epoch_batches(order: np.random.Generator, target: Int8, size: int) -> list[Int64]:
    """All windows in random order, in batches of nearly one size: no small one is left over.

    Parameters
    ----------
    target : int8 [k], one label per window
    size : most windows of a batch

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [len(batch) for batch in epoch_batches(rng, np.zeros(9, np.int8), size=4)]
    [3, 3, 3]
    """
    return np.array_split(order.permutation(len(target)), -(-len(target) // size))


def balanced_batches(
    order: np.random.Generator, target: Int8, size: int, share: float
) -> list[Int64]:
    """As many batches as `epoch_batches` makes, each with the same share of positives.

    Positives are gone through in a random order and then, where they are few, in another, so
    that all are seen about equally often; of negatives an epoch sees as many as still fit in,
    no one twice before all were seen. Windows without a label keep their share of every batch.

    Parameters
    ----------
    target : int8 [k], 1, 0 or -1; both classes occur
    size : most windows of a batch
    share : of positives among a batch's labelled windows; at least one of each class is there
        where there is room for two
    """
    windows, steps = len(target), -(-len(target) // size)
    ends = np.linspace(0, windows, steps + 1).astype(np.int64)
    unlabelled = np.array_split(order.permutation(np.flatnonzero(target < 0)), steps)
    room = [int(n) - len(some) for n, some in zip(np.diff(ends), unlabelled, strict=True)]
    hits = _positives(room, share)
    misses = [labelled - some for labelled, some in zip(room, hits, strict=True)]
    positive = _rounds(order, np.flatnonzero(target == 1), hits)
    negative = _rounds(order, np.flatnonzero(target == 0), misses)
    return [
        order.permutation(np.concatenate(parts))
        for parts in zip(positive, negative, unlabelled, strict=True)
    ]


def _positives(room: list[int], share: float) -> list[int]:
    """Positives of each batch: what rounding leaves out of one goes into the next."""
    wanted = np.diff(np.round(share * np.cumsum([0, *room]))).astype(int).tolist()
    return [
        min(max(hits, 1), labelled - 1) if labelled > 1 else hits
        for hits, labelled in zip(wanted, room, strict=True)
    ]


def _rounds(order: np.random.Generator, members: Int64, counts: list[int]) -> list[Int64]:
    """Members in one random order after another, dealt out by counts."""
    rounds = math.ceil(sum(counts) / len(members))
    dealt = [order.permutation(members) for _ in range(rounds)]
    line = np.concatenate([*dealt, np.zeros(0, np.int64)])
    return np.split(line[: sum(counts)], np.cumsum(counts)[:-1])


def times_seen(target: Int8, batches: Literal["shuffled", "balanced"], share: float) -> Float64:
    """How often an epoch shows each window, on average, float64 [k]; 1 where all are shuffled.

    Class weights and the prior shift go by this, so that balancing twice is not balancing.

    Examples
    --------
    >>> times_seen(np.array([1, 0, 0, 0], np.int8), "balanced", share=0.5).round(2).tolist()
    [2.0, 0.67, 0.67, 0.67]
    """
    seen = np.ones(len(target))
    if batches == "balanced":
        hit, miss = target == 1, target == 0
        labelled = int(hit.sum() + miss.sum())
        seen[hit] = share * labelled / hit.sum()
        seen[miss] = (1 - share) * labelled / miss.sum()
    return seen
