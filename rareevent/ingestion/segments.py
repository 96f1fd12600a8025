"""Segments: stretches of rows of one asset that belong together."""

from __future__ import annotations

import numpy as np

from rareevent.ingestion.frame import Bool, Events, Fate, Int8, Int32, Int64, Segments


def cut_segments(
    asset: Int32,
    time: Int64,
    events: Events,
    *,
    max_gap: int,
    recovery: int = 0,
    run: Bool | None = None,
    excluded: Bool | None = None,
    event_delay: int = 0,
) -> Segments:
    """Cut rows into segments at gaps, events and exclusions.

    A segment holds consecutive rows of one asset without a step longer than `max_gap` and without
    an event between them. The row of an event belongs to no segment, nor do the further rows of
    its run, the rows e < t <= e + recovery, and excluded rows.

    With `event_delay` d > 0 an event at e becomes known at e + d: rows before that still belong to
    the segment that the event ends, the row of the event included; the first row at or after it
    starts a new one.

    Parameters
    ----------
    asset : int32 [n], ascending
    time : int64 [n], ticks, ascending within an asset
    events : events of these assets; those outside the rows matter only through recovery
    max_gap, recovery, event_delay : ticks
    run : bool [n], rows of a run of ones after its first row
    excluded : bool [n], rows of planned stops and the like

    Examples
    --------
    One asset, interval 1, an event at row 5 of eight: rows 0 to 4 are a segment, row 5 has none,
    rows 6 and 7 are the next.

    >>> event = Events(np.array([0], np.int32), np.array([5]), np.array([0], np.int32))
    >>> cut = cut_segments(np.zeros(8, np.int32), np.arange(8), event, max_gap=1)
    >>> cut.of_row.tolist()
    [0, 0, 0, 0, 0, -1, 1, 1]
    >>> cut.start.tolist(), cut.stop.tolist()
    ([0, 6], [5, 8])
    """
    known = _first_rows(asset, time, events, events.time + event_delay)
    fate = np.full(len(time), Fate.IN_SEGMENT, np.int8)
    fate[_recovering(asset, time, events, recovery, event_delay)] = Fate.RECOVERY
    if run is not None:
        fate[run & _event_is_known(time, events, known, asset, event_delay)] = Fate.EVENT_RUN
    if not event_delay:
        fate[_event_rows(asset, time, events, known)] = Fate.EVENT
    if excluded is not None:
        fate[excluded] = Fate.EXCLUDED
    cut = np.zeros(len(time) + 1, bool)
    cut[known] = True
    cut[0] = True
    cut[1:-1] |= (asset[1:] != asset[:-1]) | (np.diff(time) > max_gap)
    return _stretches(fate, cut[:-1])


def _stretches(fate: Int8, cut: Bool) -> Segments:
    """Segments of the rows whose fate it is to be in one, cut before the rows given."""
    inside = fate == Fate.IN_SEGMENT
    after_outside = np.concatenate([[True], ~inside[:-1]])[: len(inside)]
    before_outside = np.concatenate([~inside[1:], [True]])[: len(inside)]
    next_cut = np.concatenate([cut[1:], [True]])[: len(inside)]
    starts = inside & (cut | after_outside)
    of_row = np.where(inside, np.cumsum(starts) - 1, -1)
    stops = np.flatnonzero(inside & (next_cut | before_outside)) + 1
    return Segments(np.flatnonzero(starts), stops, of_row, fate)


def _first_rows(asset: Int32, time: Int64, events: Events, after: Int64) -> Int64:
    """First row of each event's asset at or after a time, int64 [k]; past the asset's end, the row
    behind it."""
    low = np.searchsorted(asset, events.asset, side="left")
    high = np.searchsorted(asset, events.asset, side="right")
    # Bisection for all events at once: an asset's rows are sorted, but the whole column is not.
    while np.any(low < high):
        middle = (low + high) // 2
        before = np.zeros(len(low), bool)
        open_ = low < high
        before[open_] = time[middle[open_]] < after[open_]
        low, high = np.where(before, middle + 1, low), np.where(open_ & ~before, middle, high)
    return low


def _event_rows(asset: Int32, time: Int64, events: Events, first: Int64) -> Int64:
    """Rows at the very time of an event."""
    inside = first < len(time)
    row: Int64 = first[inside]
    exact = (asset[row] == events.asset[inside]) & (time[row] == events.time[inside])
    found: Int64 = row[exact]
    return found


def _recovering(asset: Int32, time: Int64, events: Events, recovery: int, delay: int) -> Bool:
    """Rows e < t <= e + recovery of which it is known that they are."""
    if recovery <= 0:
        return np.zeros(len(time), bool)
    begin = _first_rows(asset, time, events, events.time + max(delay, 1))
    end = _first_rows(asset, time, events, events.time + recovery + 1)
    depth = np.zeros(len(time) + 1, np.int64)
    np.add.at(depth, begin, 1)
    np.add.at(depth, np.maximum(begin, end), -1)
    return np.cumsum(depth)[:-1] > 0


def _event_is_known(
    time: Int64, events: Events, known: Int64, asset: Int32, delay: int
) -> Bool | np.bool_:
    """Rows at which the last event at or before them is known."""
    if not delay:
        return np.True_
    begun = _first_rows(asset, time, events, events.time)
    unknown = np.zeros(len(time) + 1, np.int64)
    np.add.at(unknown, begun, 1)
    np.add.at(unknown, known, -1)
    return np.cumsum(unknown)[:-1] <= 0
