"""Small fleets with known events, and scores for their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Events, SensorFrame
from rareevent.windowing.curve_shift import NEVER, Labels, Status, curve_shift
from tests.frames import make_frame

MINUTE = 60_000_000
DAY = 1_440 * MINUTE


@dataclass(frozen=True)
class World:
    """A fleet, its labels, and the rows a scorer would score (those in a segment)."""

    frame: SensorFrame
    labels: Labels

    @property
    def rows(self) -> np.ndarray:
        return np.flatnonzero(self.frame.segments.of_row >= 0)

    @property
    def everything_counts(self) -> Bool:
        return np.ones(len(self.frame.events), bool)

    def scored(self, *, probability: Sequence[float] | None = None, alarms: Sequence[int] = ()):
        """Scores per row of the frame; `alarms` are rows of the frame."""
        size = len(self.frame)
        probability = np.zeros(size) if probability is None else np.asarray(probability, float)
        alarm = np.isin(np.arange(size), alarms)
        row = self.rows
        segment = self.frame.segments.of_row[row]
        return Scored.of_rows(self.frame, self.labels, row, segment, probability[row], alarm[row])

    def raised(self, policy: AlarmPolicy, probability: Sequence[float]) -> Scored:
        """Scores per row of the frame, and the alarms that the policy raises on them."""
        return with_alarms(self.scored(probability=probability), policy)


def with_alarms(scored: Scored, policy: AlarmPolicy) -> Scored:
    alarm = raise_alarms(policy, scored.time, scored.segment, scored.probability)
    return replace(scored, alarm=alarm)


def make_world(
    times: Mapping[str, Sequence[int]],
    events: Sequence[tuple[str, int]],
    *,
    horizon: int,
    lead: int = 0,
    segments: Sequence[tuple[int, int]] | None = None,
    kind: str = "age",
    interval: int = 1,
) -> World:
    """A fleet whose segments are cut at steps above `interval` and at events."""
    if segments is None:
        segments = _cut(times, events, interval)
    frame = make_frame(times, segments=segments, events=events, kind=kind, interval=interval)
    return World(frame, curve_shift(frame, horizon, lead))


def _cut(times, events, interval):
    """Segments by walking over the rows, one at a time."""
    ranges, row = [], 0
    for asset in sorted(times):
        known = [t for name, t in events if name == asset]
        previous = None
        for t in times[asset]:
            if t in known:
                previous = None
            else:
                cut = previous is None or t - previous > interval
                if cut or any(previous < e < t for e in known):
                    ranges.append([row, row])
                ranges[-1][1] = row + 1
                previous = t
            row += 1
    return [tuple(r) for r in ranges]


def long_run(
    rng: np.random.Generator,
    rows: int,
    events: int,
    *,
    horizon: int = 5,
    lift: float = 1.5,
    memory: float = 0.9,
    interval: int = 2 * MINUTE,
) -> tuple[Scored, Events, Bool, Clock]:
    """One asset with events at random and an autocorrelated score that rises before each.

    The score wanders (first-order, with `memory`), and each event lifts it over its horizon by
    its own random height around `lift`. The first rows hold no event, so all events count.
    """
    at = np.sort(rng.choice(np.arange(horizon, rows, horizon + 1), events, replace=False))
    start, noise = rng.normal(), rng.normal(size=rows)
    gain = np.sqrt(1 - memory**2)
    wander, _ = lfilter([gain], [1, -memory], noise, zi=[memory * start])
    for row in at:
        wander[row - horizon : row] += lift * rng.exponential()
    time = np.arange(rows, dtype=np.int64) * interval
    place = np.searchsorted(at, np.arange(rows), side="right")
    ahead = place < events
    wait = np.where(ahead, at[np.minimum(place, events - 1)] - np.arange(rows), 0)
    status = np.where(ahead, Status.LABELLED, Status.CENSORED).astype(np.int8)
    status[at] = Status.NO_SEGMENT
    target = np.where(status == Status.LABELLED, wait <= horizon, -1).astype(np.int8)
    keep = np.ones(rows, bool)
    keep[at] = False
    scored = Scored(
        asset=np.zeros(rows, np.int32),
        time=time,
        segment=np.cumsum(~keep),
        probability=1 / (1 + np.exp(4 - wander)),
        alarm=np.zeros(rows, bool),
        target=target,
        status=status,
        event=np.where(ahead, place, -1).astype(np.int32),
        time_to_event=np.where(ahead, wait * interval, NEVER),
    ).take(keep)
    none = np.zeros(events, np.int32)
    counted = np.ones(events, bool)
    return scored, Events(none, time[at], none), counted, Clock("datetime", interval)
