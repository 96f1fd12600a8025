"""Ordinary disturbances, and the few whose order and lag announce an event.

Nothing is added before an event: two disturbances that would have happened anyway are moved so
that the answer follows the trigger at a telling delay. How many disturbances a window holds, how
large they are and how long ago the last one was say little; only the ordered, lagged pair tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rareevent.simulate.parameters import (
    ANSWER,
    DELAY_MARGIN_ROWS,
    ORDINARY_DELAY_ROWS,
    RETIME_ROWS,
    SENSORS,
    TRIGGER,
    Difficulty,
)
from rareevent.simulate.timeline import Bool, Int64, Timeline


@dataclass(frozen=True)
class Precursors:
    """What announces each of k events.

    Attributes
    ----------
    announced : bool [k], false for an event without any precursor
    trigger, answer : int64 [k], rows where the two disturbances begin; -1 where not announced
    """

    announced: Bool
    trigger: Int64
    answer: Int64


def draw_precursors(
    rng: np.random.Generator, timeline: Timeline, difficulty: Difficulty
) -> Precursors:
    """Choose which events are announced, how long before, and with which delay."""
    count = len(timeline.event)
    announced = rng.random(count) >= difficulty.unannounced
    lead = rng.integers(*difficulty.lead, count, endpoint=True)
    delay = rng.integers(*difficulty.delay, count, endpoint=True)
    answer = timeline.event - lead
    return Precursors(
        announced, np.where(announced, answer - delay, -1), np.where(announced, answer, -1)
    )


def draw_onsets(
    rng: np.random.Generator, timeline: Timeline, precursors: Precursors, difficulty: Difficulty
) -> tuple[Int64, ...]:
    """Rows where disturbances begin, per sensor in the order of `SENSORS`, ascending.

    Returns
    -------
    tuple of int64 arrays; those of trigger and answer hold the precursors' rows
    """
    trigger, answer = _ordinary_pairs(rng, timeline, difficulty)
    told = precursors.announced
    trigger = _retimed(trigger, precursors.trigger[told])
    answer = _retimed(answer, precursors.answer[told])
    answer = _without_telling(answer, trigger, precursors.answer[told], difficulty)
    known = {TRIGGER: trigger, ANSWER: answer}
    rate = len(trigger) / max(len(timeline), 1)
    return tuple(
        known[sensor.name] if sensor.name in known else _alone(rng, timeline, rate)
        for sensor in SENSORS
    )


def _ordinary_pairs(
    rng: np.random.Generator, timeline: Timeline, difficulty: Difficulty
) -> tuple[Int64, Int64]:
    lags = np.arange(-ORDINARY_DELAY_ROWS, ORDINARY_DELAY_ROWS + 1)
    shortest, longest = difficulty.delay
    near = (lags >= shortest - DELAY_MARGIN_ROWS) & (lags <= longest + DELAY_MARGIN_ROWS)
    count = rng.poisson(difficulty.pairs * len(timeline))
    first = rng.integers(0, len(timeline), count)
    second = first + rng.choice(lags[~near], count)
    trigger = np.concatenate([first, _alone(rng, timeline, difficulty.singles)])
    answer = np.concatenate([second, _alone(rng, timeline, _single_answers(difficulty))])
    return _while_running(trigger, timeline), _while_running(answer, timeline)


def _single_answers(difficulty: Difficulty) -> float:
    """Answers to draw alone, per row, so that as many as triggers are left in the end.

    Those at a telling delay after any trigger are dropped later: with triggers at random, a
    share of 1 - exp(-triggers per stretch of forbidden rows).
    """
    triggers = difficulty.pairs + difficulty.singles
    shortest, longest = difficulty.delay
    forbidden = longest - shortest + 1 + 2 * DELAY_MARGIN_ROWS
    return triggers * math.exp(triggers * forbidden) - difficulty.pairs


def _alone(rng: np.random.Generator, timeline: Timeline, rate: float) -> Int64:
    count = rng.poisson(rate * len(timeline))
    return _while_running(rng.integers(0, len(timeline), count), timeline)


def _while_running(onsets: Int64, timeline: Timeline) -> Int64:
    begins = np.zeros(len(timeline), bool)
    begins[onsets[(onsets >= 0) & (onsets < len(timeline))]] = True
    return np.flatnonzero(begins & timeline.running)


def _retimed(onsets: Int64, targets: Int64) -> Int64:
    """Move the onset nearest to each target onto it; a far one stays and the target is added.

    Examples
    --------
    >>> _retimed(np.array([10, 14, 90]), np.array([13])).tolist()
    [10, 13, 90]
    >>> _retimed(np.array([10, 14, 90]), np.array([50])).tolist()
    [10, 14, 50, 90]
    """
    if not len(onsets):
        return np.unique(targets)
    right = np.searchsorted(onsets, targets).clip(0, len(onsets) - 1)
    left = (right - 1).clip(0)
    nearer_left = np.abs(onsets[left] - targets) <= np.abs(onsets[right] - targets)
    nearest = np.where(nearer_left, left, right)
    moved = nearest[np.abs(onsets[nearest] - targets) <= RETIME_ROWS]
    return np.union1d(np.delete(onsets, moved), targets)


def _without_telling(
    answer: Int64, trigger: Int64, planted: Int64, difficulty: Difficulty
) -> Int64:
    """Drop the answers that follow a trigger at a telling delay by chance."""
    shortest, longest = difficulty.delay
    earliest = answer - longest - DELAY_MARGIN_ROWS
    latest = answer - shortest + DELAY_MARGIN_ROWS
    triggers = np.searchsorted(trigger, latest, "right") - np.searchsorted(trigger, earliest)
    kept: Int64 = answer[(triggers == 0) | np.isin(answer, planted)]
    return kept
