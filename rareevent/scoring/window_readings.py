"""How the readings of one window stand beside the training rows, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.ingestion.frame import Float64, Int64, SensorFrame

# "Normal" is where four of five training rows lie.
_NORMAL = (0.1, 0.5, 0.9)
# Equal readings are worth telling from this many on.
_FEWEST_CONSTANT = 3
# A step between two rows counts as a gap from this many nominal intervals on; clocks are not exact.
_GAP = 1.5


@dataclass(frozen=True)
class Readings:
    """A sensor's readings in a window beside its training rows.

    Attributes
    ----------
    first, last, lowest, highest : of the known readings; None where there is none
    normal : the training rows' 10, 50 and 90 % quantiles; None where there was no reading
    rank : share of training readings below the last one
    missing : share of the window's rows without a reading
    outside : readings beyond everything that was seen in training
    constant : whether all readings, at least three, are the same, though training ones are not
    """

    first: float | None
    last: float | None
    lowest: float | None
    highest: float | None
    normal: tuple[float, float, float] | None
    rank: float | None
    missing: float
    outside: int
    constant: bool


@dataclass(frozen=True)
class WindowQuality:
    """What a window's rows are worth.

    Attributes
    ----------
    rows : distinct rows
    repeated : steps that repeat the segment's first row for want of history
    gaps : steps to the next row that took more than one and a half nominal intervals
    missing : share of all sensors' readings that are missing
    silent : sensors without any reading
    constant, outside : sensors, see `Readings`
    unknown : categorical columns whose level at the last row training never saw, or that is missing
    """

    rows: int
    repeated: int
    gaps: int
    missing: float
    silent: tuple[str, ...]
    constant: tuple[str, ...]
    outside: tuple[str, ...]
    unknown: tuple[str, ...]


def read_sensor(values: Float64, profile: Mapping[str, Any], quantiles: Float64) -> Readings:
    """One sensor's readings of a window beside its part of a training profile.

    Parameters
    ----------
    values : float64 [r], in the order of time; not finite where missing
    profile : the sensor's `min`, `max` and `quantiles`, see `bundle.profile`
    quantiles : float64 [q], the probabilities that they are of
    """
    known = values[np.isfinite(values)]
    missing = 1 - len(known) / len(values)
    usual = profile.get("quantiles")
    normal = None if usual is None else tuple(np.interp(_NORMAL, quantiles, usual).tolist())
    if not len(known):
        return Readings(None, None, None, None, normal, None, missing, 0, False)
    first, last, low, high = (float(v) for v in (known[0], known[-1], known.min(), known.max()))
    if usual is None or normal is None:
        return Readings(first, last, low, high, None, None, missing, 0, False)
    outside = int(np.count_nonzero((known < usual[0]) | (known > usual[-1])))
    constant = len(known) >= _FEWEST_CONSTANT and low == high and normal[0] < normal[2]
    rank = float(np.interp(last, usual, quantiles))
    return Readings(first, last, low, high, normal, rank, missing, outside, constant)


def read_sensors(
    frame: SensorFrame, row: Int64, sensors: tuple[str, ...], profile: Mapping[str, Any]
) -> dict[str, Readings]:
    """`read_sensor` of every sensor.

    Parameters
    ----------
    row : int64 [r], the window's distinct rows, ascending
    sensors : that the model reads
    profile : of the bundle
    """
    quantiles = np.asarray(profile["quantiles"])
    own = profile["sensors"]
    return {n: read_sensor(frame.sensors[n][row], own.get(n, {}), quantiles) for n in sensors}


def judge_quality(
    frame: SensorFrame,
    row: Int64,
    lookback: int,
    readings: Mapping[str, Readings],
    levels: Mapping[str, tuple[str, ...]],
) -> WindowQuality:
    """What the rows of a window are worth.

    Parameters
    ----------
    row : int64 [r], the window's distinct rows, ascending
    lookback : steps of the window
    readings : of the sensors
    levels : categorical column -> levels seen in training
    """
    step = np.diff(frame.time[row])
    missing = [one.missing for one in readings.values()]
    last = int(row[-1])
    unknown = tuple(
        name
        for name, known in levels.items()
        if frame.texts[name].places(known)[frame.texts[name].codes[last]] < 0
    )
    return WindowQuality(
        rows=len(row),
        repeated=lookback - len(row),
        gaps=int(np.count_nonzero(step > _GAP * frame.clock.interval)),
        missing=float(np.mean(missing)) if missing else 0.0,
        silent=tuple(name for name, one in readings.items() if one.last is None),
        constant=tuple(name for name, one in readings.items() if one.constant),
        outside=tuple(name for name, one in readings.items() if one.outside),
        unknown=unknown,
    )


def level_at(frame: SensorFrame, name: str, row: int) -> str | None:
    """A categorical column's level in a row; None where it is missing."""
    column = frame.texts[name]
    code = int(column.codes[row])
    return None if code < 0 else column.levels[code]
