"""Windows before events and matched stretches of quiet windows, between which courses can go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.evaluation.unit_moves import since_event
from rareevent.ingestion.frame import Bool, Events, Int64, SensorFrame
from rareevent.windowing.curve_shift import Labels
from rareevent.windowing.temporalize import Windows

# Multiples of it, modulo 1, are spread over the circle however many there are.
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Stretches:
    """Sets of stretches, each of an event's windows and of matched ones; m windows in all.

    Attributes
    ----------
    window : int64 [m], numbers of windows; a stretch's stand together, in the order of time
    event : int64 [m], the set of each, from 0
    positive : bool [m], whether its stretch is that before the event
    place : int64 [m], which stretch of its set it belongs to; 0 is that before the event
    length : int64 [m], windows of its stretch, the same for all stretches of a set
    count : int64 [m], stretches of its set
    asset, time : int64 [sets], of each set's event
    unmatched : events that were left out, as no stretch matches
    """

    window: Int64
    event: Int64
    positive: Bool
    place: Int64
    length: Int64
    count: Int64
    asset: Int64
    time: Int64
    unmatched: int

    def __len__(self) -> int:
        return len(self.window)

    @property
    def events(self) -> int:
        """How many sets there are."""
        return int(self.event.max()) + 1 if len(self) else 0

    @property
    def turns(self) -> int:
        """How often a circle can be turned before all is where it was, less one."""
        return int(self.count.max()) - 1 if len(self) else 0

    def donors(self, turn: int) -> Int64:
        """For each window the one in its stead, as courses go on by some places in their set.

        A smaller set, which would be back where it began, skips that: no turn above 0 leaves any
        set as it is.

        Examples
        --------
        >>> one = Stretches(*np.array([[5, 6, 1, 2, 8, 9], [0] * 6, [1, 1, 0, 0, 0, 0],
        ...     [0, 0, 1, 1, 2, 2], [2] * 6, [3] * 6]), np.array([0]), np.array([7]), 0)
        >>> one.donors(1).tolist(), one.donors(2).tolist()
        ([1, 2, 8, 9, 5, 6], [8, 9, 5, 6, 1, 2])
        """
        if turn == 0:
            return self.window
        by = 1 + (turn - 1) % (self.count - 1)
        to = (self.place + by) % self.count
        at = np.arange(len(self)) + (to - self.place) * self.length
        return self.window[at]


def find_stretches(
    frame: SensorFrame,
    labels: Labels,
    windows: Windows,
    *,
    most_events: int,
    most_windows: int,
    matches: int,
) -> Stretches:
    """Set the windows before each event beside matched stretches of as many windows.

    A matched stretch ends on consecutive rows of one segment of the same asset, more than two
    horizons before the next event and at least one after the last. Of an asset's stretches that do
    not overlap, some are taken that are evenly spaced, others for every event: the nearest in time
    would share with the event whatever changes slowly, and hide what the model makes of that.
    Windows that repeat a segment's first row stand on either side, as they do in scoring.

    Parameters
    ----------
    frame, labels : of the rows that the windows end on
    windows : Windows, sorted by last row
    most_events : where there are more, evenly spaced ones are taken
    most_windows : of a longer stretch, evenly spaced ones with the last
    matches : stretches beside each event; fewer where there are not so many
    """
    row = windows.ends
    target, event = labels.target[row], labels.event[row].astype(np.int64)
    quiet = (target == 0) & (labels.time_to_event[row] > 2 * labels.horizon)
    quiet &= since_event(frame, row) >= labels.horizon
    before = np.flatnonzero(target == 1)
    known = np.unique(event[before])
    chosen = np.unique(np.linspace(0, len(known) - 1, min(most_events, len(known))).astype(int))
    runs = _Runs(frame, windows, quiet)
    sets, told, unmatched = [], [], 0
    for one in chosen.tolist():
        mine = before[event[before] == known[one]]
        found = runs.some(mine, one, matches)
        unmatched += not found
        if found:
            keep = np.unique(np.linspace(len(mine) - 1, 0, min(most_windows, len(mine))).round())
            sets.append([part[keep.astype(int)] for part in (mine, *found)])
            told.append(known[one])
    number = np.array(told, np.int64)
    return _as_stretches(sets, frame.events.take(number), unmatched)


def _as_stretches(sets: list[list[Int64]], events: Events, unmatched: int) -> Stretches:
    columns = [
        np.array([number, place == 0, place, len(part), len(one)], np.int64)[:, None]
        + np.zeros(len(part), np.int64)
        for number, one in enumerate(sets)
        for place, part in enumerate(one)
    ]
    empty = np.zeros((5, 0), np.int64)
    event, positive, place, length, count = np.concatenate([empty, *columns], axis=1)
    window = np.concatenate([np.zeros(0, np.int64), *(part for one in sets for part in one)])
    asset, time = events.asset.astype(np.int64), events.time
    return Stretches(window, event, positive == 1, place, length, count, asset, time, unmatched)


class _Runs:
    """Quiet windows of each asset in runs that end on consecutive rows of one segment."""

    def __init__(self, frame: SensorFrame, windows: Windows, quiet: Bool) -> None:
        self._frame, self._windows = frame, windows
        self._quiet = np.flatnonzero(quiet)
        ends, starts = windows.ends[self._quiet], windows.starts[self._quiet]
        new = np.ones(len(ends), bool)
        new[1:] = (np.diff(ends) != 1) | (np.diff(starts) != 0)
        self._first = np.flatnonzero(new)
        self._size = np.diff(np.append(self._first, len(ends)))
        self._asset = frame.asset[ends[self._first]]
        self._cut: dict[tuple[int, int], Int64] = {}

    def some(self, mine: Int64, number: int, most: int) -> list[Int64]:
        """Stretches of as many windows on the asset of some, evenly spaced.

        Where there are more than asked for, another number begins elsewhere.
        """
        length = len(mine)
        asset = int(self._frame.asset[self._windows.ends[mine[0]]])
        if (asset, length) not in self._cut:
            self._cut[asset, length] = self._stretches(asset, length)
        last = self._cut[asset, length]
        if len(last) > most:
            begin = number * _GOLDEN % 1
            last = last[((np.arange(most) + begin) * len(last) / most).astype(np.int64)]
        return [self._quiet[one - length + 1 : one + 1] for one in np.sort(last)]

    def _stretches(self, asset: int, length: int) -> Int64:
        """Where stretches of so many windows end among the quiet ones, cut from each run's end."""
        mine = np.flatnonzero(self._asset == asset)
        ends = [
            self._first[run] + self._size[run] - 1 - np.arange(self._size[run] // length) * length
            for run in mine.tolist()
        ]
        return np.sort(np.concatenate([np.zeros(0, np.int64), *ends]))
