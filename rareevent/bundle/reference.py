"""What later rows are compared with to tell drift: bins and ranges of the training rows.

How far is too far is learned from the training rows themselves. They are cut into windows as a
scoring job will see them, and each window is compared with all rows before it: a plant whose
levels wander from day to day is not told so every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rareevent.config import Duration
from rareevent.ingestion.frame import Bool, Clock, Float64, Int64, SensorFrame, TextColumn

_BINS = 10
# Bins in which a column is counted once per window; tenths of any rows before a window are put
# together of these.
_FINE_BINS = 200
_DAY_US = 86_400_000_000
# Ten bins of fewer rows than this say little; a window of an age is a share of the training rows.
_FEWEST_ROWS, _AGE_WINDOWS = 200, 20
# A window is compared with what came before only where that is at least a third of all windows.
_FIRST_SHARE = 3
# Kinds of a category that fewer rows have are one bin together.
_RARE = 0.01


def drift_reference(
    frame: SensorFrame, rows: Bool, needs: Sequence[str], window: Duration
) -> dict[str, Any] | None:
    """Bins, ranges and what one window differed from the rows before it, for each column.

    Parameters
    ----------
    frame : SensorFrame of n rows
    rows : bool [n], the training rows
    needs : columns that the model reads
    window : a duration; where time is an age a number of rows; "auto" for `window_ticks`

    Returns
    -------
    dict, JSON-able, or None without a training row
        `window`; `rows`, the median of a window; `windows`, how many were compared; `columns`:
        name -> `edges` (or `levels`), `shares` of the bins, `known` readings, `missing` rate,
        `low`, `high`, and `highest`: the largest `psi`, `missing` and `outside` of one window,
        None where no window could be compared
    """
    chosen = np.flatnonzero(rows)
    if not len(chosen):
        return None
    ticks = window_ticks(frame.clock, window, frame.time[chosen])
    block, sizes = _blocks(frame.clock, frame.time[chosen], ticks)
    judged = _judged(sizes)
    wanted = set(needs)
    columns = {
        name: _of_sensor(values[chosen], block, judged)
        for name, values in frame.sensors.items()
        if name in wanted
    }
    columns |= {
        name: _of_text(column, column.codes[chosen], block, judged)
        for name, column in frame.texts.items()
        if name in wanted
    }
    return {
        "window": ticks,
        "rows": int(np.median(sizes)),
        "windows": int(judged.sum()),
        "columns": columns,
    }


def window_ticks(clock: Clock, window: Duration, time: Int64) -> int:
    """A window in ticks; in rows where time is an age.

    "auto" is a day, or as many whole days as 200 training rows take; of an age it is a twentieth
    of the training rows.

    Parameters
    ----------
    time : int64 [m], ticks of the training rows

    Raises
    ------
    ConfigError
        When the window is a time and time is an age.
    """
    if window != "auto":
        return window if clock.kind == "age" and isinstance(window, int) else clock.ticks(window)
    if clock.kind == "age":
        return max(len(time) // _AGE_WINDOWS, 1)
    days = max((int(time.max()) - int(time.min()) + clock.interval) / _DAY_US, 1)
    return _DAY_US * max(1, int(np.ceil(_FEWEST_ROWS * days / len(time))))


def alarm_reference(clock: Clock, time: Int64, alarm: Bool, window: int) -> dict[str, float]:
    """How many alarms scored rows raised that the model had not learned from.

    Parameters
    ----------
    time : int64 [m], ticks
    alarm : bool [m]
    window : as in the reference

    Returns
    -------
    dict
        `rows`, `alarms`, and `dispersion`: variance over mean of the alarms of one window, at
        least 1, which is what alarms on their own would have
    """
    found = {"rows": len(time), "alarms": int(alarm.sum()), "dispersion": 1.0}
    if found["alarms"]:
        block, sizes = _blocks(clock, time, window)
        counts = np.bincount(block, alarm, len(sizes))[2 * sizes >= np.median(sizes)]
        if len(counts) > 1 and counts.mean() > 0:
            found["dispersion"] = max(1.0, float(counts.var(ddof=1) / counts.mean()))
    return found


def population_stability(expected: Int64, found: Int64 | Float64) -> float:
    """Population stability index of two counts over the same bins, [b] each.

    The sum over bins of (f - e) ln(f / e), with e and f the shares of a bin; half a reading is
    added to each bin, so that an empty one counts as rare and not as impossible.

    Examples
    --------
    >>> population_stability(np.array([50, 50]), np.array([50, 50]))
    0.0
    """
    bins = len(expected)
    e = (expected + 0.5) / (expected.sum() + 0.5 * bins)
    f = (found + 0.5) / (found.sum() + 0.5 * bins)
    return float(((f - e) * np.log(f / e)).sum())


def _blocks(clock: Clock, time: Int64, window: int) -> tuple[Int64, Int64]:
    """The window of each row, int64 [m], and the rows of each window; empty windows are left out.

    Where time is an age, rows are taken as they come, asset by asset.
    """
    where = time - time.min() if clock.kind == "datetime" else np.arange(len(time))
    _, block, sizes = np.unique(where // window, return_inverse=True, return_counts=True)
    return block, sizes


def _judged(sizes: Int64) -> Bool:
    """Windows that are compared with those before them: not the first third, nor sparse ones."""
    late = np.arange(len(sizes)) >= max(1, len(sizes) // _FIRST_SHARE)
    return late & (2 * sizes >= np.median(sizes))


def _of_sensor(values: Float64, block: Int64, judged: Bool) -> dict[str, Any]:
    known = np.isfinite(values)
    readings, where, windows = values[known], block[known], len(judged)
    rates = np.bincount(block[~known], minlength=windows) / np.bincount(block, minlength=windows)
    out: dict[str, Any] = {"known": len(readings), "missing": 1 - len(readings) / len(values)}
    if not len(readings):
        empty = {"edges": None, "shares": None, "low": None, "high": None}
        return {**out, **empty, "highest": _highest(judged, missing=rates)}
    edges, fine = _edges(readings, _BINS), _edges(readings, _FINE_BINS)
    shares = np.bincount(np.searchsorted(edges, readings, "right"), minlength=len(edges) + 1)
    code = where * (len(fine) + 1) + np.searchsorted(fine, readings, "right")
    counts = np.bincount(code, minlength=windows * (len(fine) + 1)).reshape(windows, -1)
    return {
        **out,
        "edges": edges.tolist(),
        "shares": (shares / len(readings)).tolist(),
        "low": float(readings.min()),
        "high": float(readings.max()),
        "highest": _highest(
            judged,
            psi=_psi_of_windows(counts, judged, _tenths),
            missing=rates,
            outside=_outside_earlier_range(readings, where, counts.sum(axis=1)),
        ),
    }


def _of_text(column: TextColumn, codes: np.ndarray, block: Int64, judged: Bool) -> dict[str, Any]:
    known, windows, levels = codes >= 0, len(judged), len(column.levels)
    code = block[known] * levels + codes[known]
    counts = np.bincount(code, minlength=windows * levels).reshape(windows, levels)
    rates = np.bincount(block[~known], minlength=windows) / np.bincount(block, minlength=windows)
    total = counts.sum(axis=0)
    common = np.flatnonzero(total >= max(_RARE * total.sum(), 1))
    rest = total.sum() - total[common].sum()
    before = np.cumsum(counts, axis=0) - counts
    return {
        "known": int(total.sum()),
        "missing": float(1 - known.mean()),
        "levels": [column.levels[c] for c in common],
        "seen": [column.levels[c] for c in np.flatnonzero(total)],
        "shares": (np.append(total[common], rest) / max(total.sum(), 1)).tolist(),
        "highest": _highest(
            judged,
            psi=_psi_of_windows(counts, judged, _common_levels),
            missing=rates,
            outside=(counts * (before == 0)).sum(axis=1) / np.maximum(counts.sum(axis=1), 1),
        ),
    }


def _edges(readings: Float64, bins: int) -> Float64:
    """Inner edges of bins with equal shares; fewer where readings repeat. An edge is a reading."""
    inner = np.arange(1, bins) / bins
    return np.unique(np.quantile(readings, inner, method="inverted_cdf"))


def _highest(judged: Bool, **figures: Float64) -> dict[str, float] | None:
    if not judged.any():
        return None
    return {name: float(values[judged].max()) for name, values in figures.items()}


def _psi_of_windows(counts: Int64, judged: Bool, grouping: Any) -> Float64:
    """Of each judged window against all before it, float64 [windows]; counts int64 [windows, b]."""
    before = np.cumsum(counts, axis=0) - counts
    out = np.zeros(len(counts))
    for window in np.flatnonzero(judged):
        old, new = before[window], counts[window]
        if old.sum() and new.sum():
            out[window] = population_stability(*(grouping(old, c) for c in (old, new)))
    return out


def _tenths(old: Int64, counts: Int64) -> Int64:
    """Fine bins put together to bins that hold a tenth of the old readings each."""
    filled = np.cumsum(old) / old.sum()
    ends = np.unique(np.searchsorted(filled, np.arange(1, _BINS) / _BINS) + 1)
    return np.add.reduceat(counts, [0, *ends[ends < len(counts)]])


def _common_levels(old: Int64, counts: Int64) -> Int64:
    common = old >= max(_RARE * old.sum(), 1)
    return np.append(counts[common], counts[~common].sum())


def _outside_earlier_range(readings: Float64, block: Int64, sizes: Int64) -> Float64:
    """Share of each window's readings outside the range of all before it, float64 [windows]."""
    low, high = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.flatnonzero(sizes))
    low[sizes > 0] = np.minimum.reduceat(readings[order], starts)
    high[sizes > 0] = np.maximum.reduceat(readings[order], starts)
    low, high = np.minimum.accumulate(low), np.maximum.accumulate(high)
    earlier = np.maximum(block - 1, 0)
    beyond = (readings < low[earlier]) | (readings > high[earlier])
    return np.bincount(block, beyond, len(sizes)) / np.maximum(sizes, 1)
