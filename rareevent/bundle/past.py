"""Some training windows and what came of them, for later windows to be compared with.

A window is described by each channel's last value and its mean over the window, scaled as the
model reads them. That is what the linear model and half of what the trees read, says more of where
a window went than its last row, and can be told in the units of the scaling, which the state of an
LSTM cannot.

The sample is bounded and drawn without chance: up to half of it are windows before events, of every
event the nearest first, so that all events have a part before any has a second one; the rest are
windows without an event ahead, evenly spaced over assets and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.blend.features import last_row, window_features
from rareevent.errors import ModelError
from rareevent.ingestion.frame import Bool, Float16, Float32, Int32, Int64, SensorFrame
from rareevent.windowing.curve_shift import NEVER, Labels
from rareevent.windowing.temporalize import Windows

MOST_WINDOWS = 2_000
MOST_BYTES = 4 << 20
UNKNOWN = -1


@dataclass(frozen=True)
class PastWindows:
    """Training windows and what came of them.

    Attributes
    ----------
    described : float16 [k, d], see `describe_windows`
    asset : int32 [k], code into `assets`
    time : int64 [k], ticks, of the last row
    time_to_event : int64 [k], ticks until the asset's next event; -1 where none is known
    assets : names
    """

    described: Float16
    asset: Int32
    time: Int64
    time_to_event: Int64
    assets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain data and plain arrays that `from_parts` takes back."""
        names = ("described", "asset", "time", "time_to_event")
        return {"assets": list(self.assets)}, {name: getattr(self, name) for name in names}

    @classmethod
    def from_parts(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray], width: int
    ) -> PastWindows:
        """The inverse of `to_parts`.

        Parameters
        ----------
        width : numbers that describe a window

        Raises
        ------
        ModelError
            When a part does not fit the others.
        """
        found = cls(
            described=arrays["described"],
            asset=arrays["asset"],
            time=arrays["time"],
            time_to_event=arrays["time_to_event"],
            assets=tuple(plain["assets"]),
        )
        rows = len(found)
        shapes = (found.asset.shape, found.time_to_event.shape)
        if found.described.shape != (rows, width) or shapes != ((rows,), (rows,)):
            raise ModelError(f"its past windows must be described by {width} numbers each")
        codes = found.asset
        if rows and not (codes.min() >= 0 and codes.max() < len(found.assets)):
            raise ModelError("a past window is of an asset that has no name")
        return found


def describe_windows(windows: Windows) -> Float32:
    """Each channel's last value, then each one's mean, float32 [m, 2 c]; [m, c] at lookback 1."""
    if windows.lookback == 1:
        return last_row(windows)
    return window_features(windows)[:, : 2 * windows.rows.shape[1]]


def description_width(channels: int, lookback: int) -> int:
    """Numbers that describe a window."""
    return channels if lookback == 1 else 2 * channels


def past_windows(frame: SensorFrame, labels: Labels, teach: Windows) -> PastWindows:
    """A bounded sample of the windows that taught a model.

    Parameters
    ----------
    frame, labels : of the rows that the windows end on
    teach : Windows, sorted by last row
    """
    width = description_width(teach.rows.shape[1], teach.lookback)
    most = min(MOST_WINDOWS, MOST_BYTES // (width * np.dtype(np.float16).itemsize))
    target = labels.target[teach.ends]
    wait = labels.time_to_event[teach.ends]
    before, without = np.flatnonzero(target == 1), np.flatnonzero(target == 0)
    event = labels.event[teach.ends[before]].astype(np.int64)
    before = before[_nearest_first(event, wait[before], most // 2)]
    without = without[_evenly(len(without), most - len(before))]
    which = np.sort(np.concatenate([before, without]))
    row = teach.ends[which]
    codes, asset = np.unique(frame.asset[row], return_inverse=True)
    return PastWindows(
        described=describe_windows(teach.take(which)).astype(np.float16),
        asset=asset.astype(np.int32),
        time=frame.time[row],
        time_to_event=np.where(wait[which] == NEVER, UNKNOWN, wait[which]),
        assets=tuple(frame.assets[code] for code in codes),
    )


def _nearest_first(event: Int64, wait: Int64, most: int) -> Int64:
    """Windows of every event, the nearest to it first; no event has two before all have one.

    Examples
    --------
    >>> _nearest_first(np.array([7, 7, 7, 9]), np.array([3, 2, 1, 1]), 3).tolist()
    [2, 3, 1]
    """
    order = np.lexsort((wait, event))
    _, first, count = np.unique(event[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, count)
    order = order[np.lexsort((event[order], rank))]
    rank = np.sort(rank)
    if len(order) <= most:
        return order
    whole = int(np.searchsorted(rank, rank[most]))
    rest = order[whole : int(np.searchsorted(rank, rank[most], side="right"))]
    return np.concatenate([order[:whole], rest[_evenly(len(rest), most - whole)]])


def _evenly(count: int, most: int) -> Int64:
    """At most so many of some places, evenly spaced."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)


def is_before_event(past: PastWindows, lead: int, horizon: int) -> Bool:
    """Which of the windows are positive, bool [k]; lead and horizon in ticks."""
    return (past.time_to_event >= max(lead, 0)) & (past.time_to_event <= horizon)
