"""Temporalization: windows over a row matrix, by index, without copying rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rareevent.ingestion.frame import Bool, Float32, Int64, Segments


@dataclass(frozen=True)
class Windows:
    """Windows over the rows of one matrix.

    Element j of window i is row ``max(starts[i], ends[i] - lookback + 1 + j)``, so a window that
    reaches past its segment's start repeats that first row.

    Attributes
    ----------
    rows : float32 [n, c], the row matrix, shared and never copied
    starts : int64 [m], first row of each window's segment
    ends : int64 [m], last row of each window
    lookback : int, rows per window

    Examples
    --------
    >>> rows = np.arange(6, dtype=np.float32)[:, None]
    >>> windows = Windows(rows, np.array([0, 3]), np.array([2, 3]), lookback=2)
    >>> windows.index().tolist()
    [[1, 2], [3, 3]]
    """

    rows: Float32
    starts: Int64
    ends: Int64
    lookback: int

    def __len__(self) -> int:
        return len(self.ends)

    def index(self) -> Int64:
        """Row of every element, int64 [m, lookback]."""
        back = np.arange(1 - self.lookback, 1)
        index: Int64 = np.maximum(self.starts[:, None], self.ends[:, None] + back)
        return index

    def gather(self) -> Float32:
        """The windows materialised, float32 [m, lookback, c]; for batches, not for all of them."""
        return self.rows[self.index()]

    def take(self, which: Int64 | Bool | slice) -> Windows:
        """Some of the windows (index, boolean mask or slice) over the same rows."""
        return Windows(self.rows, self.starts[which], self.ends[which], self.lookback)


def temporalize(
    rows: Float32,
    segments: Segments,
    lookback: int,
    pad: Literal["first", "none"] = "first",
    min_history: int = 1,
) -> tuple[Windows, int]:
    """A window ending at every row that has a segment and enough rows of it behind.

    Parameters
    ----------
    rows : float32 [n, c]
    segments : Segments of the n rows
    lookback : rows per window
    pad : "first" repeats a segment's first row; "none" drops windows that would need it
    min_history : rows of its segment, itself included, that a window must have

    Returns
    -------
    windows : Windows, in row order
    short : int, rows in a segment that got no window for want of history
    """
    start = segments.row_start()
    inside = np.flatnonzero(start >= 0)
    needed = max(min_history, lookback if pad == "none" else 1)
    enough = inside - start[inside] + 1 >= needed
    ends = inside[enough]
    return Windows(rows, start[ends], ends, lookback), int(len(inside) - len(ends))
