"""Which rows a block of windows needs, and where each step of each window finds its row.

Windows overlap, so most rows belong to as many windows as the lookback is long. The cell's
input projection is computed once for each row of a block; what differs between windows is only
where they look. Two layouts serve that:

- *runs*: windows whose last rows follow each other in one segment lie side by side. Step j of
  all of them is then one slice of columns, shifted by j, and nothing is gathered. Between two
  runs lie lookback - 1 slots that belong to no window; they are computed and dropped.
- *picks*: windows that lie far apart, as after masking, gather their columns at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rareevent.ingestion.frame import Int64
from rareevent.windowing.temporalize import Windows

# At this size the buffers of two small layers fit a core's second-level cache.
WINDOWS_PER_BLOCK = 2048
# Numbers in a line of a core's cache. Rows of so many of them begin at such lines, where a core
# reads them at once.
CACHE_LINE = 16
# Windows far apart share no rows; a block of them is halved until it needs at most this many.
ROWS_PER_BLOCK = 1 << 17
# Slots per window up to which computing unused slots costs less than gathering columns.
WORTHWHILE_SLOTS = 1.5


@dataclass(frozen=True)
class Block:
    """The windows of one pass through the cell.

    Attributes
    ----------
    source : int64 [t], the rows to project, in column order
    slots : int, columns computed at each step
    keep : int64 [w], the slot of each window
    picks : (int64 [slots] first column, int64 [slots] last column) that a slot may read; None
        where windows lie in runs
    lookback : int, rows per window
    """

    source: Int64
    slots: int
    keep: Int64
    picks: tuple[Int64, Int64] | None
    lookback: int

    def columns(self, step: int) -> slice | Int64:
        """Columns of `source` that the slots read at a step; step 0 is the oldest row."""
        if self.picks is None:
            return slice(step, step + self.slots)
        first, last = self.picks
        return np.maximum(first, last - (self.lookback - 1 - step))


def blocks(windows: Windows, size: int = WINDOWS_PER_BLOCK) -> Iterator[tuple[slice, Block]]:
    """Windows cut into blocks, in order, each with the slice of windows that it holds.

    Parameters
    ----------
    windows : Windows, sorted by last row
    size : most windows in a block
    """
    pending = [slice(at, min(at + size, len(windows))) for at in range(0, len(windows), size)]
    pending.reverse()
    while pending:
        part = pending.pop()
        block = lay_out(windows.take(part))
        if len(block.source) > ROWS_PER_BLOCK and part.stop - part.start > 1:
            middle = (part.start + part.stop) // 2
            pending += [slice(middle, part.stop), slice(part.start, middle)]
        else:
            yield part, _in_full_lines(block)


def _in_full_lines(block: Block) -> Block:
    """The block with a few slots more that belong to no window, see `CACHE_LINE`."""
    unused = -block.slots % CACHE_LINE
    source, picks = block.source, block.picks
    if picks is None:
        source = np.append(source, np.repeat(source[-1:], unused))
    else:
        first, last = (np.append(pick, np.repeat(pick[-1:], unused)) for pick in picks)
        picks = first, last
    return replace(block, source=source, slots=block.slots + unused, picks=picks)


def lay_out(windows: Windows) -> Block:
    """The layout of one block: runs where windows follow each other, else picks.

    Examples
    --------
    Rows 0..4 of one segment, lookback 3, a window ending at each of the rows 0 to 2:

    >>> rows = np.zeros((5, 1), np.float32)
    >>> block = lay_out(Windows(rows, np.zeros(3, np.int64), np.arange(3), lookback=3))
    >>> block.source.tolist()
    [0, 0, 0, 1, 2]
    >>> [block.source[block.columns(step)].tolist() for step in range(3)]
    [[0, 0, 0], [0, 0, 1], [0, 1, 2]]
    """
    starts, ends = windows.starts, windows.ends
    breaks = (np.diff(ends) != 1) | (np.diff(starts) != 0)
    run = np.concatenate([[0], np.cumsum(breaks)])
    slots = len(ends) + int(run[-1]) * (windows.lookback - 1)
    if slots <= WORTHWHILE_SLOTS * len(ends):
        return _in_runs(windows, run, slots)
    return _by_picks(windows)


def _in_runs(windows: Windows, run: Int64, slots: int) -> Block:
    back = windows.lookback - 1
    first = np.flatnonzero(np.diff(run, prepend=-1))
    length = np.diff(np.append(first, len(run))) + back
    offset = np.cumsum(length) - length
    place = np.arange(length.sum()) - np.repeat(offset, length)
    oldest = np.repeat(windows.ends[first] - back, length)
    source = np.maximum(np.repeat(windows.starts[first], length), oldest + place)
    return Block(source, slots, np.arange(len(run)) + run * back, None, windows.lookback)


def _by_picks(windows: Windows) -> Block:
    ends = windows.ends
    oldest = np.maximum(windows.starts, ends - (windows.lookback - 1))
    # Reaching back at least as far as any later window leaves no holes between needed rows, so
    # that a window's rows, neighbours in the matrix, are neighbours among the columns too.
    reach = np.minimum.accumulate(oldest[::-1])[::-1]
    fresh = np.maximum(reach, np.concatenate([reach[:1], ends[:-1] + 1]))
    count = ends - fresh + 1
    last = np.cumsum(count) - 1
    source = np.arange(count.sum()) + np.repeat(ends - last, count)
    first = last - (ends - oldest)
    return Block(source, len(ends), np.arange(len(ends)), (first, last), windows.lookback)
