"""Events: from a label column or the last row of every asset, and which of them count."""

from __future__ import annotations

import numpy as np

from rareevent.ingestion.frame import Bool, Events, Int8, Int32, Int64
from rareevent.ingestion.quality import Findings


def events_from_label(
    asset: Int32, time: Int64, label: Int8, runs: str, max_gap: int
) -> tuple[Events, Bool]:
    """Events of a 0/1 column, and the further rows of their runs.

    Consecutive ones of an asset without a step longer than `max_gap` are one run. With runs
    "onset" a run is one event at its first row, with "each" every one is an event.

    Returns
    -------
    events : Events
    run : bool [n], rows of a run after its first; all False with "each"

    Examples
    --------
    >>> label = np.array([0, 1, 1, 0, 1], np.int8)
    >>> one = np.zeros(5, np.int32)
    >>> events, run = events_from_label(one, np.arange(5), label, "onset", max_gap=1)
    >>> events.time.tolist(), run.tolist()
    ([1, 4], [False, False, True, False, False])
    """
    ones = label == 1
    goes_on = np.zeros(len(label), bool)
    if runs == "onset":
        together = (asset[1:] == asset[:-1]) & (np.diff(time) <= max_gap)
        goes_on[1:] = ones[1:] & ones[:-1] & together
    onset = ones & ~goes_on
    return _plain_events(asset[onset], time[onset]), goes_on


def events_at_last_rows(asset: Int32, time: Int64) -> Events:
    """Each asset's last row as its event."""
    last = np.flatnonzero(np.diff(asset, append=-1) != 0)
    return _plain_events(asset[last], time[last])


def _plain_events(asset: Int32, time: Int64) -> Events:
    return Events(asset.astype(np.int32), time.astype(np.int64), np.zeros(len(time), np.int32))


def keep_observed(
    events: Events, first: Int64, last: Int64, excluded: Bool, max_gap: int, found: Findings
) -> Events:
    """Events that count: within the observation of their asset, and in no excluded stretch.

    An event up to `max_gap` after its asset's last row is within it: the row that would have shown
    it is the next one, which never came.

    Parameters
    ----------
    events : Events
    first, last : int64 [a], ticks of each asset's first and last row
    excluded : bool [k], the event lies in an excluded stretch
    max_gap : ticks
    """
    before = ~excluded & (events.time < first[events.asset])
    after = ~excluded & (events.time - max_gap > last[events.asset])
    found.counted_events(
        {
            "excluded": int(excluded.sum()),
            "before_first_row": int(before.sum()),
            "after_last_row": int(after.sum()),
        },
    )
    if after.any():
        found.note(
            f"{after.sum()} events lie more than ingest.max_gap after their asset's last row and"
            " are left out; a longer max_gap would count them"
        )
    return events.take(~(excluded | before | after))
