"""What the linear model and the trees see of a window.

Trailing sums are built by doubling: what a stretch of 2k rows holds follows from its two halves.
A window's figures come from its own rows in an order that depends on the lookback alone, so they
are the same to the bit however the rows were cut, and cost grows with the logarithm of the
lookback. Deviations are merged, never differences of large squares (Chan, Golub and LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances", 1979, equation 2.1).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rareevent.ingestion.frame import Float32, Int64
from rareevent.windowing.temporalize import Windows

# Elements of a block of rows: 256 kB of float32, so that its sums fit a core's second-level cache.
_ELEMENTS = 1 << 16

# Sums over stretches of some rows, by the stretch's last row, float32 [t, c] each: of the values,
# of the values times how many rows they lie back, and of the squares around the stretch's mean.
_Sums = tuple[Float32, Float32, Float32]


def last_row(windows: Windows) -> Float32:
    """Channels of each window's last row, float32 [m, c]."""
    return windows.rows[windows.ends]


def window_features(windows: Windows) -> Float32:
    """Last row, mean, deviation and slope (per row) of each channel, float32 [m, 4 c].

    At lookback 1 the last row alone: there is nothing else to tell.

    Examples
    --------
    >>> rows = np.array([[1.0], [3.0], [8.0]], np.float32)
    >>> windows = Windows(rows, np.array([0]), np.array([2]), lookback=3)
    >>> window_features(windows).astype(float).round(3).tolist()
    [[8.0, 4.0, 2.944, 3.5]]
    """
    if windows.lookback == 1:
        return last_row(windows)
    channels, size = windows.rows.shape[1], windows.lookback
    out = np.empty((len(windows), 4, channels), np.float32)
    # Around the middle of the window the slope is Σ (middle − back) x / Σ (middle − back)².
    middle, spread = np.float32((size - 1) / 2), np.float32(size * (size * size - 1) / 12)
    for part, source, keep in _in_line(windows):
        values = windows.rows[source]
        total, moment, squares = _over_windows(values, size)
        out[part, 0] = values[keep]
        out[part, 1] = total[keep] / np.float32(size)
        out[part, 2] = np.sqrt(squares[keep] / np.float32(size))
        out[part, 3] = (middle * total[keep] - moment[keep]) / spread
    return out.reshape(len(windows), 4 * channels)


def _over_windows(values: Float32, size: int) -> _Sums:
    """Sums over the last `size` rows, float32 [t, c]; the first size - 1 rows mean nothing."""
    zero = np.zeros_like(values)
    stretch, length = (values, zero, zero), 1
    found: _Sums | None = None
    covered = 0
    while True:
        if size & length:
            found = stretch if found is None else _merge(found, covered, stretch, length)
            covered += length
            if covered == size:
                return found
        stretch = _merge(stretch, length, stretch, length)
        length *= 2


def _merge(new: _Sums, rows: int, old: _Sums, before: int) -> _Sums:
    """Sums over `rows` rows joined with those over the `before` rows that lie before them."""
    total, moment, squares = (part.copy() for part in new)
    last, lag = slice(rows, None), slice(0, len(total) - rows)
    if len(total) <= rows:
        return total, moment, squares
    apart = total[last] / np.float32(rows) - old[0][lag] / np.float32(before)
    weight = np.float32(rows * before / (rows + before))
    squares[last] += old[2][lag] + weight * apart * apart
    moment[last] += old[1][lag] + np.float32(rows) * old[0][lag]
    total[last] += old[0][lag]
    return total, moment, squares


def _in_line(windows: Windows) -> Iterator[tuple[slice, Int64, Int64]]:
    """Blocks of windows: which, the rows they read in one line, and each one's last place there.

    Windows whose last rows follow each other in one segment share their rows; the line holds
    lookback - 1 rows before the first window of each such run, its segment's first row repeated
    where there are not so many.
    """
    back = windows.lookback - 1
    fresh = np.ones(len(windows), bool)
    fresh[1:] = (np.diff(windows.ends) != 1) | (np.diff(windows.starts) != 0)
    # A block ends where it would need too many rows; counted as if every run began in it.
    most = max(1, _ELEMENTS // windows.rows.shape[1])
    needed = np.cumsum(1 + back * fresh)
    low = 0
    while low < len(windows):
        used = needed[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(needed, used + most, side="right")))
        starts, ends = windows.starts[low:high], windows.ends[low:high]
        first = fresh[low:high].copy()
        first[0] = True
        count = 1 + back * first
        keep = np.cumsum(count) - 1
        place = np.arange(keep[-1] + 1) - np.repeat(keep, count)
        source = np.maximum(np.repeat(starts, count), np.repeat(ends, count) + place)
        yield slice(low, high), source, keep
        low = high
