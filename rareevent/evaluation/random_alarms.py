"""Alarms at random: what the same alarms would have done had they known nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.evaluation.blocks import Blocks, sum_by
from rareevent.evaluation.bootstrap import Tally, shared_sums, sum_by_event
from rareevent.evaluation.metrics import Metrics, rate_factors, rates, ratio
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Float64, Int64
from rareevent.windowing.curve_shift import Status


@dataclass(frozen=True)
class RandomAlarms:
    """Expected results of a model's own alarms moved round all rows by a random step.

    Number and spacing of the alarms stay as they were, so an alarm that is always on is as good
    as its random twin, and the expectation over all steps is exact: nothing is drawn.

    Attributes
    ----------
    chance : float64 [k], probability that an alarm falls on a positive row of the event
    false_alarms : float64 [n], expected false alarms at each row
    metrics : expected figures, by the names of `evaluate`
    """

    chance: Float64
    false_alarms: Float64
    metrics: Metrics


def random_alarms(scored: Scored, counted: Bool, clock: Clock) -> RandomAlarms:
    """Expected results of alarms at random at the rate of `scored.alarm`.

    Parameters
    ----------
    scored : Scored
    counted : bool [k], events whose whole catch window lies in this part
    """
    positive = scored.target == 1
    too_late = scored.status == Status.TOO_LATE
    share = ratio(int(np.count_nonzero(scored.alarm)), len(scored)) or 0.0
    wide = np.bincount(scored.event[positive], minlength=len(counted))
    chance = np.where(counted, _hit_chance(scored.alarm, wide), 0.0)
    false_alarms = np.where(positive | too_late, 0.0, share)
    return RandomAlarms(chance, false_alarms, _expected(scored, counted, chance, share, clock))


def _hit_chance(alarm: Bool, wide: Int64) -> Float64:
    """Chance that a stretch of `wide` rows, placed anywhere on the ring, holds an alarm.

    A gap of g rows without alarm leaves g - wide + 1 places for a stretch that misses.
    """
    places = np.flatnonzero(alarm)
    if not len(places):
        return np.zeros(len(wide))
    gaps = np.sort(np.diff(places, append=places[0] + len(alarm)) - 1)
    total = np.concatenate(([0], np.cumsum(gaps)))
    first = np.searchsorted(gaps, wide)
    missing = total[-1] - total[first] - (len(gaps) - first) * (wide - 1)
    return np.where(wide > 0, 1 - missing / len(alarm), 0.0)


def _expected(
    scored: Scored, counted: Bool, chance: Float64, share: float, clock: Clock
) -> Metrics:
    events = int(counted.sum())
    caught = float(chance.sum())
    labelled = int(np.count_nonzero(scored.target >= 0))
    positives = int(np.count_nonzero(scored.target == 1))
    late = int(np.count_nonzero(scored.status == Status.TOO_LATE))
    false = share * (len(scored) - positives - late)
    return {
        "roc_auc": 0.5 if 0 < positives < labelled else None,
        "pr_auc": ratio(positives, labelled) if 0 < positives < labelled else None,
        "prevalence": ratio(positives, labelled),
        "events": events,
        "caught": caught,
        "event_recall": ratio(caught, events),
        "alarms": int(np.count_nonzero(scored.alarm)),
        "false_alarms": false,
        "late_alarms": share * late,
        "alarm_precision": ratio(caught, caught + false),
        "false_alarms_per_event": ratio(false, events),
        **rates(false, len(scored), scored.assets_seen(), clock),
    }


def random_tally(
    scored: Scored, random: RandomAlarms, counted: Bool, blocks: Blocks, clock: Clock
) -> Tally:
    """The expected counts by block, so that a model can be compared with chance, paired."""
    shared = shared_sums(scored, counted, blocks)
    rate = shared["positives"].sum() / max(shared["labelled"].sum(), 1)
    hits, labelled = shared["positives"], shared["labelled"]
    return Tally(
        **shared,
        # Always saying the prevalence p errs by (1 - p)^2 on positives and by p^2 elsewhere.
        squared_error=hits * (1 - rate) ** 2 + (labelled - hits) * rate**2,
        false_alarms=sum_by(blocks.of_row, random.false_alarms, blocks.count),
        caught=sum_by_event(blocks, random.chance, counted),
        ranks=None,
        rate_factors=rate_factors(clock, blocks.assets),
    )
