"""Curve shifting: which rows are "event within the horizon"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from rareevent.ingestion.frame import Fate, Int8, Int32, Int64, SensorFrame


class Status(IntEnum):
    """Whether a row's label can be known, and if not, why."""

    LABELLED = 0
    TOO_LATE = 1
    CENSORED = 2
    NO_SEGMENT = 3


@dataclass(frozen=True)
class Labels:
    """The shifted curve.

    Attributes
    ----------
    target : int8 [n], 1 positive, 0 negative, -1 where the row carries no label
    status : int8 [n], a `Status` per row
    event : int32 [n], index into `SensorFrame.events` of the row's next event, -1 where none
        is known
    time_to_event : int64 [n], ticks to that event; the largest int64 where none is known
    horizon, lead : int, ticks
    """

    target: Int8
    status: Int8
    event: Int32
    time_to_event: Int64
    horizon: int
    lead: int


NEVER = np.iinfo(np.int64).max


def next_event(frame: SensorFrame) -> tuple[Int32, Int64]:
    """The next event strictly after each row, and the ticks until it.

    Returns
    -------
    event : int32 [n], -1 where none is known
    time_to_event : int64 [n], `NEVER` where none is known

    Examples
    --------
    One asset, rows at 0, 1, 2, an event at 1: row 0 awaits it, rows 1 and 2 await nothing.
    """
    event = np.full(len(frame), -1, np.int32)
    wait = np.full(len(frame), NEVER, np.int64)
    known = frame.events
    for asset in np.unique(known.asset):
        first, last = frame.asset_starts[asset], frame.asset_starts[asset + 1]
        low, high = np.searchsorted(known.asset, [asset, asset + 1])
        times = known.time[low:high]
        place = np.searchsorted(times, frame.time[first:last], side="right")
        ahead = place < len(times)
        event[first:last][ahead] = (low + place[ahead]).astype(np.int32)
        wait[first:last][ahead] = times[place[ahead]] - frame.time[first:last][ahead]
    return event, wait


def curve_shift(frame: SensorFrame, horizon: int, lead: int = 0) -> Labels:
    """Label rows by the time to the next event of their asset.

    A row at t with next event e > t is positive when lead <= e - t <= horizon and too late when
    0 < e - t < lead. Without a known event inside the horizon, a row whose horizon reaches past
    the last row of its asset is censored: nobody knows what came after.

    Parameters
    ----------
    frame : SensorFrame
    horizon, lead : int, ticks, 0 <= lead <= horizon, horizon > 0

    Examples
    --------
    Interval 1, horizon 2, lead 0, event at row 5 of rows 0..7: rows 3 and 4 are positive, row 5
    belongs to no segment, rows 6 and 7 are censored (their horizon passes the last row), the
    rest are negative.
    """
    event, wait = next_event(frame)
    end = frame.end_of_observation()[frame.asset] if len(frame) else np.zeros(0, np.int64)
    inside = frame.segments.fate == Fate.IN_SEGMENT
    positive = inside & (wait >= lead) & (wait <= horizon)
    too_late = inside & (wait < lead)
    unseen = inside & ~positive & ~too_late & (event < 0) & (frame.time + horizon > end)

    status = np.full(len(frame), Status.LABELLED, np.int8)
    status[too_late] = Status.TOO_LATE
    status[unseen] = Status.CENSORED
    status[~inside] = Status.NO_SEGMENT
    target = np.where(status == Status.LABELLED, positive, -1).astype(np.int8)
    return Labels(target, status, event, wait, horizon, lead)
