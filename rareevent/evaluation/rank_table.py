"""ROC-AUC and average precision under many block weightings, without sorting again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from rareevent.ingestion.frame import Float64, Int8, Int64

# Above this many distinct positive scores, neighbours share a level: 1e-4 of either area at most.
_MOST_LEVELS = 4096


@dataclass(frozen=True)
class RankTable:
    """Counts of rows by block and by level, where a level is a distinct positive score, falling.

    Only the order of negatives relative to the positives matters to either area, so the counts
    hold everything, and one product with the weights of a resample gives its areas.

    Attributes
    ----------
    positive : [levels, blocks], positive rows at the level
    reached : [levels, blocks], negatives at or above this level but below the one before
    tied : [levels, blocks], negatives exactly at the level
    negatives : float64 [blocks]
    """

    positive: csr_array
    reached: csr_array
    tied: csr_array
    negatives: Float64


def rank_table(probability: Float64, target: Int8, block: Int64, blocks: int) -> RankTable:
    """Count labelled rows; rows with target -1 are left out.

    Parameters
    ----------
    probability : float64 [n]
    target : int8 [n], 1, 0 or -1
    block : int64 [n], in [0, blocks)
    """
    hit, miss = target == 1, target == 0
    rising = np.unique(probability[hit])
    coarse = len(rising) > _MOST_LEVELS
    if coarse:
        rising = rising[np.linspace(0, len(rising) - 1, _MOST_LEVELS).astype(int)]
    levels = len(rising)
    # Level of a row: 0 is the highest; rows below every positive fall behind the last level.
    at = levels - np.searchsorted(rising, probability, side="right")
    reached = miss & (at < levels)
    tied = reached.copy()
    if not coarse:
        tied[reached] = rising[levels - 1 - at[reached]] == probability[reached]
    return RankTable(
        _count(at[hit], block[hit], levels, blocks),
        _count(at[reached], block[reached], levels, blocks),
        _count(at[tied], block[tied], levels, blocks),
        np.bincount(block[miss], minlength=blocks).astype(np.float64),
    )


def _count(level: Int64, block: Int64, levels: int, blocks: int) -> csr_array:
    counts = csr_array(
        (np.ones(len(level)), (level, block)), shape=(levels, blocks), dtype=np.float64
    )
    counts.sum_duplicates()
    return counts


def weighted_areas(table: RankTable, weights: Float64) -> tuple[Float64, Float64]:
    """ROC-AUC and average precision of each weighting of the blocks.

    Ties count half in the former; in the latter equal scores share one threshold, as in
    scikit-learn.

    Parameters
    ----------
    weights : float64 [draws, blocks], how often each block is taken

    Returns
    -------
    roc_auc, pr_auc : float64 [draws]; NaN where a class has no weight
    """
    by_draw = weights.T
    positive = table.positive @ by_draw
    above = np.cumsum(table.reached @ by_draw, axis=0)
    hits, misses = positive.sum(axis=0), weights @ table.negatives
    below = misses - above + 0.5 * (table.tied @ by_draw)
    found = np.cumsum(positive, axis=0)
    precision = np.divide(found, found + above, out=np.zeros_like(found), where=found > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        roc_auc = (positive * below).sum(axis=0) / (hits * misses)
        pr_auc = (positive * precision).sum(axis=0) / hits
    pr_auc[misses == 0] = np.nan
    return roc_auc, pr_auc
