"""The figures as sums over blocks, so that every resample of the blocks gives them anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rareevent.evaluation.blocks import Blocks, sum_by
from rareevent.evaluation.catches import Judged, Judgement
from rareevent.evaluation.metrics import rate_factors
from rareevent.evaluation.rank_table import RankTable, rank_table, weighted_areas
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Float64

_Sum = TypeVar("_Sum", float, Float64)
# Cells (draws x blocks, or draws x levels) held at once.
_CELLS = 4_000_000


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
    return sum_by(blocks.of_row, value, blocks.count)


def sum_by_event(blocks: Blocks, value: Float64, counted: Bool) -> Float64:
    """Sum of a value [k] over the counted events of each block, float64 [blocks]."""
    return sum_by(blocks.of_event[counted], value[counted], blocks.count)


@dataclass(frozen=True)
class Ratio:
    """A figure that is the quotient of two sums over blocks.

    Attributes
    ----------
    above, below : float64 [blocks]; their sums' quotient is the odds
    scale : a rate is scale x odds; None makes it the share above / (above + below)
    """

    above: Float64
    below: Float64
    scale: float | None = None

    def of(self, above: _Sum, below: _Sum) -> _Sum:
        """The figure where the two sums are these; NaN where there is nothing to divide by."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.scale is None:
                return above / (above + below)
            return self.scale * above / below


def ratios(tally: Tally) -> dict[str, Ratio]:
    """The figures that count events and alarms, by name."""
    false = tally.false_alarms
    return {
        "event_recall": Ratio(tally.caught, tally.events - tally.caught),
        "alarm_precision": Ratio(tally.caught, false),
        "false_alarms_per_event": Ratio(false, tally.events, 1.0),
        **{name: Ratio(false, tally.rows, scale) for name, scale in tally.rate_factors.items()},
    }


def figures(tally: Tally, weights: np.ndarray) -> dict[str, Float64]:
    """The metrics under each weighting of the blocks, name -> float64 [draws].

    NaN where a weighting leaves nothing to divide by.

    Parameters
    ----------
    weights : [draws, blocks], how often each block is taken
    """
    parts = [_figures(tally, some) for some in _by_turns(weights, _levels(tally))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def block_sums(weights: np.ndarray, *values: Float64) -> list[Float64]:
    """Sums of values [blocks] under each weighting of the blocks, float64 [draws] each."""
    columns = np.stack(values, axis=1)
    return list(np.concatenate([some @ columns for some in _by_turns(weights)]).T)


def _by_turns(weights: np.ndarray, beside: int = 1) -> Iterator[Float64]:
    """A few rows of the weights at a time, so that memory does not grow with the draws."""
    step = max(1, _CELLS // max(weights.shape[1], beside, 1))
    for low in range(0, len(weights), step):
        yield weights[low : low + step].astype(np.float64)


def _levels(tally: Tally) -> int:
    return tally.ranks.positive.shape[0] if tally.ranks else 0


def _figures(tally: Tally, weights: Float64) -> dict[str, Float64]:
    labelled = weights @ tally.labelled
    out = {
        name: ratio.of(weights @ ratio.above, weights @ ratio.below)
        for name, ratio in ratios(tally).items()
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        out["brier"] = weights @ tally.squared_error / labelled
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
