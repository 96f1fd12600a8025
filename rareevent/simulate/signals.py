"""What the sensors of one asset read: grades, drift, noise, start-ups, disturbances, faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rareevent.simulate import parameters as p
from rareevent.simulate.timeline import Int64, Timeline

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]


def draw_grades(rng: np.random.Generator, rows: int) -> Int8:
    """Codes into `GRADES`, int8 [n]: campaigns of random length, never twice the same grade."""
    shortest, longest = p.GRADE_ROWS
    lengths = rng.integers(shortest, longest, rows // shortest + 1)
    first = rng.integers(0, len(p.GRADES))
    steps = rng.integers(1, len(p.GRADES), len(lengths))
    grades = (first + np.cumsum(steps)) % len(p.GRADES)
    return np.repeat(grades, lengths)[:rows].astype(np.int8)


def draw_signals(
    rng: np.random.Generator,
    timeline: Timeline,
    grades: Int8,
    grade_levels: Float32,
    onsets: tuple[Int64, ...],
    amplitude: tuple[float, float],
) -> Float32:
    """True readings of every sensor, in standard deviations of its noise around its level.

    Parameters
    ----------
    grades : int8 [n], codes into the columns of `grade_levels`
    grade_levels : float32 [sensors, grades]
    onsets : rows where disturbances begin, per sensor
    amplitude : smallest and largest disturbance

    Returns
    -------
    float32 [sensors, n]
    """
    from scipy.signal import lfilter

    def coloured(memory: float, scale: float) -> Float32:
        shocks = rng.standard_normal(shape, dtype=np.float32)
        shocks *= np.float32(scale * np.sqrt(1 - memory**2))
        above, below = np.array([1], np.float32), np.array([1, -memory], np.float32)
        noise: Float32 = lfilter(above, below, shocks, axis=1)
        return noise

    shape = (len(p.SENSORS), len(timeline))
    readings = rng.standard_normal(shape, dtype=np.float32)
    readings *= np.float32(p.NOISE_WHITE)
    readings += coloured(p.NOISE_MEMORY, p.NOISE_COLOURED)
    readings += coloured(np.exp(-1 / p.DRIFT_MEMORY_ROWS), p.DRIFT)
    readings += np.float32(p.ASSET_LEVEL) * rng.standard_normal((shape[0], 1), dtype=np.float32)
    readings += _settling(grade_levels, grades)
    _add_start_ups(rng, readings, timeline)
    for row, starts in zip(readings, onsets, strict=True):
        row += _disturbed(rng, starts, amplitude, len(row))
    return readings


def _settling(grade_levels: Float32, grades: Int8) -> Float32:
    """Levels that approach each grade's own within a few rows, float32 [sensors, n]."""
    change = np.flatnonzero(np.diff(grades)) + 1
    starts = np.concatenate([[0], change])
    lengths = np.diff(np.append(starts, len(grades)))
    since = np.arange(len(grades)) - np.repeat(starts, lengths)
    left = np.exp(-since / p.GRADE_MEMORY_ROWS).astype(np.float32)
    before = np.repeat(grades[np.maximum(starts - 1, 0)], lengths)
    here: Float32 = grade_levels[:, grades]
    levels: Float32 = here + (grade_levels[:, before] - here) * left
    return levels


def _add_start_ups(rng: np.random.Generator, readings: Float32, timeline: Timeline) -> None:
    """Add to `readings`, in place, the way back to the level after each stoppage."""
    runs = int(timeline.run[-1]) + 1
    offset = rng.standard_normal((len(readings), runs), dtype=np.float32) * np.float32(p.START_UP)
    early = np.flatnonzero(timeline.running & (timeline.age < p.START_UP_ROWS))
    left = np.exp(-timeline.age[early] / p.START_UP_MEMORY_ROWS).astype(np.float32)
    readings[:, early] += offset[:, timeline.run[early]] * left


def _disturbed(
    rng: np.random.Generator, starts: Int64, amplitude: tuple[float, float], rows: int
) -> Float32:
    size = rng.uniform(*amplitude, len(starts)) * rng.choice([-1, 1], len(starts))
    out = np.zeros(rows + len(p.DISTURBANCE_SHAPE), np.float32)
    for after, share in enumerate(p.DISTURBANCE_SHAPE):
        out[starts + after] += share * size
    return out[:rows]


def in_units(readings: Float32) -> Float32:
    """Readings in each sensor's unit, rounded to about a fiftieth of its noise; in place."""
    for row, sensor in zip(readings, p.SENSORS, strict=True):
        row *= np.float32(sensor.noise)
        row += np.float32(sensor.level)
        np.round(row, int(np.ceil(-np.log10(sensor.noise / 50))), out=row)
    return readings


def add_faults(rng: np.random.Generator, readings: Float32) -> Float32:
    """Stuck readings (the last value repeated), outages and single missing values; in place."""
    rows = readings.shape[1]
    for row in readings:
        for start, stop in _stretches(rng, rows, p.STUCK_PER_ROW, p.STUCK_ROWS):
            row[start:stop] = row[start]
        for start, stop in _stretches(rng, rows, p.OUTAGE_PER_ROW, p.OUTAGE_ROWS):
            row[start:stop] = np.nan
        row[rng.integers(0, rows, rng.poisson(p.MISSING_SHARE * rows))] = np.nan
    return readings


def _stretches(
    rng: np.random.Generator, rows: int, rate: float, length: tuple[int, int]
) -> list[tuple[int, int]]:
    starts = rng.integers(0, rows, rng.poisson(rate * rows))
    stops = starts + rng.integers(*length, len(starts))
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
