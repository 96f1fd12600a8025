"""Channels: what is computed from a sensor's rows. Strictly causal, and per segment.

Every value at row t is a function of rows of the same segment up to t, and every trailing
statistic is computed from its own rows in a fixed order of operations. So it does not matter
where an input was cut: a batch, a stream and a re-run agree to the last bit.
"""

from __future__ import annotations

import numpy as np

from rareevent.ingestion.frame import Float64, Int64

# Readings beyond this are clipped before squaring, so that an absurd one cannot overflow.
LARGEST_READING = 1e100
# Mean and sum of squared deviations of some rows before each row, float64 [p, b] each.
_Moments = tuple[Float64, Float64]


def fill_forward(values: Float64, row_start: Int64, otherwise: float) -> Float64:
    """Replace missing readings by the last one of the same segment, else by `otherwise`.

    Parameters
    ----------
    values : float64 [n], NaN where missing
    row_start : int64 [n], first row of each row's segment; a row without one is its own start
    otherwise : the training median

    Examples
    --------
    >>> nan = np.nan
    >>> fill_forward(np.array([nan, 1, nan, nan, 2]), np.array([0, 0, 0, 3, 3]), 9.0).tolist()
    [9.0, 1.0, 1.0, 9.0, 2.0]
    """
    present = np.isfinite(values)
    if present.all():
        return values
    last = np.maximum.accumulate(np.where(present, np.arange(len(values)), -1))
    known = last >= row_start
    return np.where(known, values[np.maximum(last, 0)], otherwise)


def change(block: Float64, position: Int64, lag: int) -> Float64:
    """Difference to the value `lag` rows before, or to the segment's first row if that is nearer.

    Parameters
    ----------
    block : float64 [p, b], sensors by rows, with enough rows of context on the left
    position : int64 [b], rows since the segment's start
    lag : rows

    Examples
    --------
    >>> change(np.array([[1.0, 4.0, 9.0, 5.0]]), np.array([0, 1, 2, 0]), lag=2).tolist()
    [[0.0, 3.0, 8.0, 0.0]]
    """
    here = np.arange(block.shape[1])
    before = here - np.minimum(np.minimum(position, lag), here)
    return block - block[:, before]


def trailing_deviation(
    block: Float64, position: Int64, windows: tuple[int, ...]
) -> dict[int, Float64]:
    """Population standard deviation of the last w rows of each row's segment.

    Means and sums of squared deviations of 1, 2, 4, … rows are merged pairwise (Chan, Golub and
    LeVeque 1983, eq. 2.1), so a window of w rows costs about 2 log2(w) passes, no running sum
    drifts, and no precision is lost to a large level.

    Parameters
    ----------
    block : float64 [p, b], sensors by rows, with max(windows) - 1 rows of context on the left
        wherever the segment has them
    position : int64 [b], rows since the segment's start
    windows : rows per window, each at least 2

    Returns
    -------
    dict from w to float64 [p, b]; 0 at a segment's first row

    Examples
    --------
    >>> rows = np.array([[1.0, 3.0, 3.0, 7.0]])
    >>> trailing_deviation(rows, np.array([0, 1, 2, 0]), (2,))[2].tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    available = position + 1
    powers = _powers_up_to(max(windows))
    moments = {1: (block, np.zeros_like(block))}
    for size in powers[:-1]:
        moments[2 * size] = _merge(moments[size], size, moments[size], size, available)
    return {w: _deviation(moments, w, available) for w in windows}


def _powers_up_to(largest: int) -> list[int]:
    return [1 << k for k in range(largest.bit_length())]


def _deviation(moments: dict[int, _Moments], window: int, available: Int64) -> Float64:
    parts = [p for p in reversed(_powers_up_to(window)) if window & p]
    covered, merged = parts[0], moments[parts[0]]
    for size in parts[1:]:
        merged = _merge(merged, covered, moments[size], size, available)
        covered += size
    deviation: Float64 = np.sqrt(merged[1] / np.minimum(available, window))
    return deviation


def _merge(
    near: _Moments, near_rows: int, far: _Moments, far_rows: int, available: Int64
) -> _Moments:
    """Moments of the nearest `near_rows` rows joined with those of the `far_rows` before them."""
    mean, squares = (_shifted(m, near_rows) for m in far)
    n_near: float | Float64
    n_far: float | Float64
    if np.all(available >= near_rows + far_rows):
        # No row of the block lies near its segment's start: one weight serves all of them.
        n_near, n_far = float(near_rows), float(far_rows)
    else:
        n_near = np.minimum(available, near_rows).astype(np.float64)
        n_far = np.clip(available - near_rows, 0, far_rows).astype(np.float64)
        # A row without far rows gets a zero share; what was shifted in there does not count.
        squares = np.where(n_far > 0, squares, 0.0)
    share = n_far / (n_near + n_far)
    delta = mean - near[0]
    moved = near[0] + delta * share
    delta *= delta
    delta *= n_near * share
    squares += near[1]
    squares += delta
    return moved, squares


def _shifted(block: Float64, rows: int) -> Float64:
    out = np.zeros_like(block)
    out[:, rows:] = block[:, : max(block.shape[1] - rows, 0)]
    return out


def surprise_memory(read: int, lookback: int, window: int) -> int:
    """Rows before a row that its surprise reads.

    The oldest row of the trailing mean was forecast from `lookback` rows before it, whose
    channels read up to `read` rows more.

    Parameters
    ----------
    read : rows before a row that the channels read from which the forecast is made
    lookback : rows that a forecast reads
    window : rows of the trailing mean

    Examples
    --------
    >>> surprise_memory(read=19, lookback=10, window=5)
    33
    """
    return window - 1 + lookback + read
