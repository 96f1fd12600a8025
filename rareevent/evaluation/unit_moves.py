"""Which units of the LSTM move before events: beside matched windows without one, with intervals.

Each event's windows are compared with as many windows of the same asset that no event is near,
the nearest in time, so that grade, season and the asset's own habits are about the same on both
sides. What is left is one difference per event and unit, and events are what is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.evaluation.blocks import FEWEST_BLOCKS
from rareevent.ingestion.frame import Bool, Float64, Int64, SensorFrame
from rareevent.windowing.curve_shift import Labels
from rareevent.windowing.temporalize import Windows

FEWEST_EVENTS = FEWEST_BLOCKS
DRAWS = 2000


@dataclass(frozen=True)
class Matches:
    """Windows before events and the windows they are compared with.

    Attributes
    ----------
    event : int64 [p], the event of each pair
    before, beside : int64 [p], numbers of the window before the event and of its match
    unmatched : events that have a window before them but no match
    """

    event: Int64
    before: Int64
    beside: Int64
    unmatched: int

    @property
    def events(self) -> int:
        """Events with at least one pair."""
        return len(np.unique(self.event))


@dataclass(frozen=True)
class UnitMoves:
    """Mean differences, before events less matched windows, and their simultaneous intervals.

    Attributes
    ----------
    difference : float64 [k]
    low, high : float64 [k], or None where events are too few; with the stated confidence, all k
        intervals hold the truth at once
    events : int, that the means are over
    confidence : of all intervals together
    """

    difference: Float64
    low: Float64 | None
    high: Float64 | None
    events: int
    confidence: float

    @property
    def moved(self) -> Bool:
        """Where the interval excludes 0, bool [k]; false throughout without intervals."""
        if self.low is None or self.high is None:
            return np.zeros(len(self.difference), bool)
        return (self.low > 0) | (self.high < 0)


def match_windows(
    frame: SensorFrame, labels: Labels, windows: Windows, target: np.ndarray
) -> Matches:
    """Pair the windows before events with windows that no event is near.

    A window before an event is positive. Its match is a negative window of the same asset, more
    than two horizons before the next event and at least one after the last; for each event the
    nearest ones in time, as many as it has windows, each once. Windows that repeat a segment's
    first row are left out on both sides: padding would look like a quiet sensor.

    Parameters
    ----------
    frame, labels : of the rows that the windows end on
    windows : Windows, m of them, sorted by last row
    target : int8 [m], labels of the pipeline's own horizon
    """
    full = windows.ends - windows.starts >= windows.lookback - 1
    row = windows.ends
    quiet = full & (target == 0) & (labels.time_to_event[row] > 2 * labels.horizon)
    quiet &= since_event(frame, row) >= labels.horizon
    before = np.flatnonzero(full & (target == 1))
    event = labels.event[row[before]].astype(np.int64)
    pairs, unmatched = [], 0
    for one in np.unique(event):
        mine = before[event == one]
        near = np.flatnonzero(quiet & (frame.asset[row] == frame.asset[row[mine[0]]]))
        wait = np.abs(frame.time[row[near]] - frame.events.time[one])
        found = near[np.argsort(wait, kind="stable")[: len(mine)]]
        unmatched += not len(found)
        # The newest windows before the event keep the matches where there are too few.
        mine = mine[len(mine) - len(found) :]
        pairs += [(one, a, b) for a, b in zip(mine, np.sort(found), strict=True)]
    event, before, beside = np.array(pairs, np.int64).reshape(-1, 3).T
    return Matches(event, before, beside, unmatched)


def since_event(frame: SensorFrame, row: Int64) -> Int64:
    """Ticks since the last event of each row's asset; the largest int64 without one."""
    out = np.full(len(row), np.iinfo(np.int64).max)
    events = frame.events
    for asset in np.unique(events.asset):
        mine = frame.asset[row] == asset
        times = events.time[events.asset == asset]
        place = np.searchsorted(times, frame.time[row[mine]], side="right") - 1
        since = frame.time[row[mine]] - times[np.maximum(place, 0)]
        out[mine] = np.where(place >= 0, since, out[mine])
    return out


def unit_moves(
    before: Float64, beside: Float64, event: Int64, *, confidence: float = 0.95, seed: int = 0
) -> UnitMoves:
    """Mean difference per unit over events, with simultaneous bootstrap intervals.

    The intervals are of the max-t kind: of each resample of events the largest studentised
    deviation of all k units is taken, and its quantile widens every interval alike (Efron and
    Tibshirani 1993, An Introduction to the Bootstrap, section 12.5, for the studentised
    deviation; Westfall and Young 1993, Resampling-Based Multiple Testing, for the maximum). Units
    that move together thus cost less than Bonferroni's correction would have them cost.

    Parameters
    ----------
    before, beside : float [p, k], a figure per window and unit
    event : int64 [p], the event of each pair
    """
    known, place = np.unique(event, return_inverse=True)
    count = np.bincount(place, minlength=len(known)).astype(np.float64)
    paired = np.asarray(before, np.float64) - beside
    by_event = np.zeros((len(known), paired.shape[1]))
    np.add.at(by_event, place, paired)
    by_event /= count[:, None]
    if len(known) < FEWEST_EVENTS:
        mean = by_event.mean(axis=0) if len(known) else np.zeros(paired.shape[1])
        return UnitMoves(mean, None, None, len(known), confidence)
    mean, error = by_event.mean(axis=0), _standard_error(by_event)
    reach = _reach(by_event, mean, error, confidence, seed) * error
    return UnitMoves(mean, mean - reach, mean + reach, len(known), confidence)


def _standard_error(by_event: Float64) -> Float64:
    error: Float64 = by_event.std(axis=0, ddof=1) / np.sqrt(len(by_event))
    return error


def _reach(by_event: Float64, mean: Float64, error: Float64, confidence: float, seed: int) -> float:
    """Standard errors that hold the largest deviation of all units in that share of resamples."""
    events = len(by_event)
    centred = (by_event - mean)[:, error > 0]
    if not centred.shape[1]:
        return 0.0
    draws = np.random.default_rng(seed).multinomial(events, np.full(events, 1 / events), DRAWS)
    shift = draws @ centred / events
    variance = (draws @ centred**2 / events - shift**2) / (events - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(shift) / np.sqrt(np.maximum(variance, 0))
    return float(np.quantile(np.nan_to_num(t, nan=0.0, posinf=np.inf).max(axis=1), confidence))
