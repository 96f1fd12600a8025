"""Is one model better than another? Differences on identical resamples of the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from rareevent.config import EvaluateStage
from rareevent.errors import DataError
from rareevent.evaluation.blocks import Blocks, draw_weights, make_blocks
from rareevent.evaluation.bootstrap import Tally, figures, point, tally
from rareevent.evaluation.catches import judge
from rareevent.evaluation.intervals import (
    Interval,
    difference_interval,
    paired_shares_interval,
)
from rareevent.evaluation.random_alarms import random_alarms, random_tally
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Events

Word = Literal["better", "worse", "cannot be told apart"]

_LESS_IS_BETTER = ("brier", "false_alarms")


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same rows.

    Attributes
    ----------
    ours, theirs : float or None where undefined
    value : float, ours - theirs
    interval : of the difference, from paired resamples; None where there is none
    word : "better", "worse" or "cannot be told apart", for ours: the side of 0 on which the
        interval lies, given at least `fewest_events`
    """

    ours: float | None
    theirs: float | None
    value: float | None
    interval: Interval
    word: Word


@dataclass(frozen=True)
class Comparison:
    """All metrics of two models on the same rows.

    Attributes
    ----------
    differences : metric -> Difference
    events : int, counted events
    blocks : int, blocks that were resampled
    confidence : float, of the intervals
    caught_alone : events that only ours caught, and that only theirs caught; None for alarms at
        random, which catch none for certain
    """

    differences: Mapping[str, Difference]
    events: int
    blocks: int
    confidence: float
    caught_alone: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return {
            "events": self.events,
            "blocks": self.blocks,
            "confidence": self.confidence,
            "caught_alone": list(self.caught_alone) if self.caught_alone else None,
            "differences": {
                name: {
                    "ours": d.ours,
                    "theirs": d.theirs,
                    "difference": d.value,
                    "interval": list(d.interval) if d.interval else None,
                    "verdict": d.word,
                }
                for name, d in self.differences.items()
            },
        }


def compare(
    ours: Scored,
    theirs: Scored,
    events: Events,
    counted: Bool,
    clock: Clock,
    stage: EvaluateStage,
    *,
    lookback: int,
    horizon: int,
) -> Comparison:
    """Differences between two models, on identical resamples of the same rows.

    Parameters
    ----------
    ours, theirs : Scored, of the same rows
    counted : bool [k], events whose whole catch window lies in this part
    lookback : int, rows; with two models, the longer one
    horizon : int, ticks

    Raises
    ------
    DataError
        When the two were not scored on the same rows.
    """
    _check_same_rows(ours, theirs)
    judged = judge(theirs, counted)

    def tally_theirs(blocks: Blocks) -> Tally:
        return tally(theirs, judged, counted, blocks, clock)

    found = _compare(ours, tally_theirs, events, counted, clock, stage, (lookback, horizon))
    mine, other = judge(ours, counted).caught, judged.caught
    alone = int(np.sum(mine & ~other)), int(np.sum(other & ~mine))
    return replace(found, differences=_doubted(found, alone), caught_alone=alone)


def _doubted(found: Comparison, alone: tuple[int, int]) -> dict[str, Difference]:
    """The differences; where both catch the very same events, recall's with a score interval.

    Resampling makes no doubt there, however few the events are.
    """
    recall = found.differences["event_recall"]
    if recall.interval is None or any(alone) or not found.events:
        return dict(found.differences)
    interval = paired_shares_interval(0, 0, found.events, found.confidence)
    return {**found.differences, "event_recall": replace(recall, interval=interval)}


def compare_with_random(
    ours: Scored,
    events: Events,
    counted: Bool,
    clock: Clock,
    stage: EvaluateStage,
    *,
    lookback: int,
    horizon: int,
) -> Comparison:
    """Differences between a model and its own alarms at random, as `compare` gives them."""
    random = random_alarms(ours, counted, clock)

    def tally_random(blocks: Blocks) -> Tally:
        return random_tally(ours, random, counted, blocks, clock)

    return _compare(ours, tally_random, events, counted, clock, stage, (lookback, horizon))


def _check_same_rows(ours: Scored, theirs: Scored) -> None:
    for name in ("asset", "time", "target"):
        if not np.array_equal(getattr(ours, name), getattr(theirs, name)):
            raise DataError(
                f"comparison: the two models were not scored on the same rows ({len(ours)} and"
                f" {len(theirs)} rows, {name} differs); score both on the same period"
            )


def _compare(
    ours: Scored,
    tally_theirs: Callable[[Blocks], Tally],
    events: Events,
    counted: Bool,
    clock: Clock,
    stage: EvaluateStage,
    sizes: tuple[int, int],
) -> Comparison:
    """Our scores against whatever the other side sums up over the same blocks."""
    lookback, horizon = sizes
    blocks = make_blocks(ours, events, counted, clock, lookback=lookback, horizon=horizon)
    mine = tally(ours, judge(ours, counted), counted, blocks, clock)
    theirs = tally_theirs(blocks)
    at = point(mine), point(theirs)
    between = difference_intervals(mine, theirs, blocks, stage)
    total = int(mine.events.sum())
    enough = total >= fewest_events(stage.confidence)
    differences = {
        name: _difference(name, at[0][name], at[1][name], between[name], enough) for name in at[0]
    }
    return Comparison(differences, total, blocks.count, stage.confidence)


def difference_intervals(
    ours: Tally, theirs: Tally, blocks: Blocks, stage: EvaluateStage
) -> dict[str, Interval]:
    """An interval per metric of ours - theirs; None with fewer than ten blocks or no draws."""
    at = point(ours), point(theirs)
    if not stage.bootstrap or not blocks.enough():
        return dict.fromkeys(at[0])
    weights = draw_weights(blocks, stage.bootstrap, stage.seed)
    drawn = figures(ours, weights), figures(theirs, weights)
    return {
        name: difference_interval(
            at[0][name] - at[1][name],
            drawn[0][name] - drawn[1][name],
            blocks.count,
            stage.confidence,
        )
        for name in at[0]
    }


def fewest_events(confidence: float) -> int:
    """Events below which no difference counts.

    Had one model won every single one of fewer, chance would do so (two-sided, a coin per event)
    more often than 1 - confidence.

    Examples
    --------
    >>> fewest_events(0.95), fewest_events(0.99)
    (6, 8)
    """
    return math.ceil(1 - math.log2(1 - confidence))


def _difference(
    name: str, ours: float, theirs: float, interval: Interval, enough: bool
) -> Difference:
    value = ours - theirs
    word: Word = "cannot be told apart"
    if enough and interval is not None and not interval[0] <= 0 <= interval[1]:
        more = interval[0] > 0
        word = "worse" if more == name.startswith(_LESS_IS_BETTER) else "better"
    plain = [None if number != number else number for number in (ours, theirs, value)]
    return Difference(plain[0], plain[1], plain[2], interval, word)
