"""How sure the figures are: resampling whole assets or stretches of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.evaluation.blocks import Blocks, draw_weights
from rareevent.evaluation.catches import Judged, Judgement
from rareevent.evaluation.metrics import rate_factors
from rareevent.evaluation.rank_table import RankTable, rank_table, weighted_areas
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Float64

# Draws without a value (no positive row, no event) up to this share are left out; beyond it
# there is no interval.
_MOST_UNDEFINED = 0.05
# Cells (draws x blocks, or draws x levels) held at once.
_CELLS = 4_000_000

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Tally:
    """What one model's figures are made of, per block.

    Attributes
    ----------
    rows, labelled, positives, squared_error, false_alarms, events, caught : float64 [blocks]
    ranks : RankTable; None for a model that does not rank rows (alarms at random)
    rate_factors : see `metrics.rate_factors`
    """

    rows: Float64
    labelled: Float64
    positives: Float64
    squared_error: Float64
    false_alarms: Float64
    events: Float64
    caught: Float64
    ranks: RankTable | None
    rate_factors: dict[str, float]


def tally(scored: Scored, judged: Judged, counted: Bool, blocks: Blocks, clock: Clock) -> Tally:
    """Sum a model's rows, alarms and events by block."""
    false = np.zeros(len(scored))
    false[judged.row[judged.judgement == Judgement.FALSE]] = 1.0
    known = scored.target >= 0
    error = np.where(known, (scored.probability - scored.target) ** 2, 0.0)
    return Tally(
        **shared_sums(scored, counted, blocks),
        squared_error=_by_row(blocks, error),
        false_alarms=_by_row(blocks, false),
        caught=sum_by_event(blocks, judged.caught.astype(np.float64), counted),
        ranks=rank_table(scored.probability, scored.target, blocks.of_row, blocks.count),
        rate_factors=rate_factors(clock, blocks.assets),
    )


def shared_sums(scored: Scored, counted: Bool, blocks: Blocks) -> dict[str, Float64]:
    """The sums that are the same for every model on the same rows."""
    return {
        "rows": _by_row(blocks, np.ones(len(scored))),
        "labelled": _by_row(blocks, scored.target >= 0),
        "positives": _by_row(blocks, scored.target == 1),
        "events": sum_by_event(blocks, np.ones(len(counted)), counted),
    }


def _by_row(blocks: Blocks, value: np.ndarray) -> Float64:
    return np.bincount(blocks.of_row, value, minlength=blocks.count)


def sum_by_event(blocks: Blocks, value: Float64, counted: Bool) -> Float64:
    """Sum of a value [k] over the counted events of each block, float64 [blocks]."""
    return np.bincount(blocks.of_event[counted], value[counted], minlength=blocks.count)


def figures(tally: Tally, weights: np.ndarray) -> dict[str, Float64]:
    """The metrics under each weighting of the blocks, name -> float64 [draws].

    NaN where a weighting leaves nothing to divide by.

    Parameters
    ----------
    weights : [draws, blocks], how often each block is taken
    """
    step = max(1, _CELLS // max(weights.shape[1], _levels(tally), 1))
    parts = [
        _figures(tally, weights[low : low + step].astype(np.float64))
        for low in range(0, len(weights), step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _levels(tally: Tally) -> int:
    return tally.ranks.positive.shape[0] if tally.ranks else 0


def _figures(tally: Tally, weights: Float64) -> dict[str, Float64]:
    false, events = weights @ tally.false_alarms, weights @ tally.events
    caught, rows = weights @ tally.caught, weights @ tally.rows
    labelled = weights @ tally.labelled
    with np.errstate(invalid="ignore", divide="ignore"):
        out = {
            "brier": weights @ tally.squared_error / labelled,
            "event_recall": caught / events,
            "alarm_precision": caught / (caught + false),
            "false_alarms_per_event": false / events,
        }
        for name, factor in tally.rate_factors.items():
            out[name] = false / rows * factor
        no_skill = weights @ tally.positives / labelled
    if tally.ranks is None:
        out |= {"roc_auc": np.full(len(weights), 0.5), "pr_auc": no_skill}
    else:
        out["roc_auc"], out["pr_auc"] = weighted_areas(tally.ranks, weights)
    return {name: np.where(np.isfinite(value), value, np.nan) for name, value in out.items()}


def point(tally: Tally) -> dict[str, float]:
    """The metrics on the data as they are; NaN where undefined."""
    blocks = len(tally.rows)
    return {name: float(value[0]) for name, value in figures(tally, np.ones((1, blocks))).items()}


def percentile_interval(values: Float64, blocks: int, confidence: float) -> Interval:
    """Expanded percentile interval of bootstrap values; None where too many are undefined.

    Plain percentiles are too narrow with few blocks, so the levels are moved out to where
    Student's t and the n - 1 would put them (Hesterberg 2015, The American Statistician 69,
    section 5).
    """
    from scipy.stats import norm, t

    known = values[np.isfinite(values)]
    if not len(known) or len(known) < (1 - _MOST_UNDEFINED) * len(values):
        return None
    reach = t.ppf((1 + confidence) / 2, blocks - 1) * np.sqrt(blocks / (blocks - 1))
    tail = float(norm.cdf(-reach))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def intervals(
    tally: Tally, blocks: Blocks, *, draws: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """An interval per metric; None throughout with fewer than ten blocks or without draws."""
    if not draws or not blocks.enough():
        return dict.fromkeys(point(tally))
    values = figures(tally, draw_weights(blocks, draws, seed))
    return {
        name: percentile_interval(value, blocks.count, confidence) for name, value in values.items()
    }


def clopper_pearson(caught: int, events: int, confidence: float) -> Interval:
    """Exact binomial interval (Clopper and Pearson 1934, Biometrika 26); None without an event.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.308)
    """
    from scipy.stats import beta

    if not events:
        return None
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, caught, events - caught + 1) if caught else 0.0
    high = beta.ppf(1 - tail, caught + 1, events - caught) if caught < events else 1.0
    return float(low), float(high)
