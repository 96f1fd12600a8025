"""Test periods put together: a figure for every model, and differences on the same resamples.

ROC-AUC and PR-AUC are means over the test periods (over the fleets, where there are several):
scores of models that learned from different rows are not ranked against each other. Events and
false alarms are summed. Blocks of time, or assets where there are thirty, are drawn once per
source of rows and used for every model, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rareevent.evaluation.blocks import FEWEST_BLOCKS, Blocks, draw_weights, make_blocks
from rareevent.evaluation.bootstrap import Tally, figures, tally
from rareevent.evaluation.catches import judge
from rareevent.evaluation.intervals import Interval, difference_interval, share_interval
from rareevent.evaluation.random_alarms import random_alarms, random_tally
from rareevent.evaluation.scored import Scored
from tests.benchmarks.quality.measure import Measured
from tests.benchmarks.quality.recipes import OURS, RANDOM

DRAWS, CONFIDENCE, SEED = 1000, 0.95, 0
RECALL = "event_recall"


@dataclass(frozen=True)
class Figure:
    """A figure on the rows as they are, and under every resample of the blocks.

    Attributes
    ----------
    value : float; NaN where undefined
    drawn : float64 [draws]
    positives : float, positive rows or events that it is made of
    blocks : int, that were resampled
    """

    value: float
    drawn: np.ndarray
    positives: float
    blocks: int

    @property
    def interval(self) -> Interval:
        """Of a share; None under ten blocks, at 0 and at 1."""
        if self.blocks < FEWEST_BLOCKS or not 0 < self.value < 1:
            return None
        return share_interval(self.value, self.drawn, self.positives, self.blocks, CONFIDENCE)

    def minus(self, other: Figure) -> tuple[float, Interval]:
        """The paired difference and its interval; None under ten blocks."""
        value, drawn = self.value - other.value, self.drawn - other.drawn
        if self.blocks < FEWEST_BLOCKS:
            return value, None
        return value, difference_interval(value, drawn, self.blocks, CONFIDENCE)


@dataclass(frozen=True)
class Judgement:
    """A model at one budget.

    Attributes
    ----------
    figures : roc_auc, pr_auc, event_recall and the rate of false alarms
    caught, events, false_alarms : counts; expectations for alarms at random
    lead_time : ticks, median over caught events; None without one
    """

    figures: Mapping[str, Figure]
    caught: float
    events: int
    false_alarms: float
    lead_time: float | None


@dataclass(frozen=True)
class _Source:
    """Test periods of one source of rows, and the weights of its resamples."""

    periods: Sequence[Measured]
    blocks: Sequence[Blocks]
    weights: np.ndarray


def judge_models(
    sources: Sequence[Mapping[str, Sequence[Measured]]],
    models: Sequence[tuple[str, str]],
    budgets: int,
) -> dict[tuple[str, str], list[Judgement]]:
    """(recipe, model) -> a judgement per budget.

    Parameters
    ----------
    sources : recipe -> its test periods, of each source of rows
    models : (recipe, model) to judge
    """
    drawn = [_resampled(next(iter(source.values()))) for source in sources]
    found = {}
    for recipe, model in models:
        own = [replace(d, periods=s[recipe]) for d, s in zip(drawn, sources, strict=True)]
        found[recipe, model] = [_judgement(own, model, budget) for budget in range(budgets)]
    return found


def _resampled(periods: Sequence[Measured]) -> _Source:
    rows = [next(iter(p.scored.values()))[0] for p in periods]
    first = periods[0]
    whole = Scored(*(np.concatenate([getattr(r, f.name) for r in rows]) for f in fields(Scored)))
    counted = np.any([p.counted for p in periods], axis=0)
    blocks = make_blocks(
        whole, first.events, counted, first.clock, lookback=first.lookback, horizon=first.horizon
    )
    cuts = np.cumsum([len(r) for r in rows])[:-1]
    own = [
        replace(
            blocks,
            of_row=of_row,
            of_event=np.where(p.counted, blocks.of_event, -1),
            assets=r.assets_seen(),
        )
        for p, r, of_row in zip(periods, rows, np.split(blocks.of_row, cuts), strict=True)
    ]
    ones = np.ones((1, blocks.count), np.uint16)
    return _Source(periods, own, np.concatenate([ones, draw_weights(blocks, DRAWS, SEED)]))


def _judgement(sources: Sequence[_Source], model: str, budget: int) -> Judgement:
    parts, leads = [], []
    for source in sources:
        for period, blocks in zip(source.periods, source.blocks, strict=True):
            parts.append((_tally(period, blocks, model, budget), source.weights))
            leads.extend(_lead_times(period, model, budget))
    total = sum(len(source.weights[0]) for source in sources)
    sums = {name: _sum(parts, name) for name in ("caught", "events", "false_alarms", "positives")}
    caught, events, positives = (sums[name] for name in ("caught", "events", "positives"))
    with np.errstate(invalid="ignore", divide="ignore"):
        by_name = {RECALL: _figure(caught / events, events[0], total)}
    for name in ("roc_auc", "pr_auc"):
        by_name[name] = _figure(_mean(parts, name), positives[0], total)
    for name in parts[0][0].rate_factors:
        share = sum(w @ t.false_alarms * t.rate_factors[name] for t, w in parts)
        by_name[name] = _figure(share / sum(w @ t.rows for t, w in parts), events[0], total)
    lead_time = float(np.median(leads)) if leads else None
    false = float(sums["false_alarms"][0])
    return Judgement(by_name, float(caught[0]), int(events[0]), false, lead_time)


def _tally(period: Measured, blocks: Blocks, model: str, budget: int) -> Tally:
    if model == RANDOM:
        rows = period.scored[OURS.model][budget]
        random = random_alarms(rows, period.counted, period.clock)
        return random_tally(rows, random, period.counted, blocks, period.clock)
    rows = period.scored[model][budget]
    return tally(rows, judge(rows, period.counted), period.counted, blocks, period.clock)


def _lead_times(period: Measured, model: str, budget: int) -> list[int]:
    if model == RANDOM:
        return []
    found = judge(period.scored[model][budget], period.counted)
    return found.lead_time[found.caught].tolist()


def _mean(parts: Sequence[tuple[Tally, np.ndarray]], name: str) -> np.ndarray:
    """Mean over the periods in which a resample left both classes."""
    values = np.array([figures(t, w)[name] for t, w in parts])
    known = np.isfinite(values)
    count = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0)


def _sum(parts: Sequence[tuple[Tally, np.ndarray]], name: str) -> np.ndarray:
    return np.sum([w @ getattr(t, name) for t, w in parts], axis=0)


def _figure(values: np.ndarray, positives: float, blocks: int) -> Figure:
    return Figure(float(values[0]), values[1:], float(positives), blocks)
