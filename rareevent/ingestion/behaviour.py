"""What sensors do that sensors should not: count rows, stand still, say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rareevent.ingestion.frame import Bool, Float64
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.rows import Rows

# Share of steps of exactly +1 that makes a column a row counter.
_COUNTER_SHARE = 0.999
# Below this many steps a rise by one each time can be a coincidence.
_COUNTER_STEPS = 20
# A run of one value is a stuck reading when it is this many times as long as the runs in which
# most rows of the sensor lie, and has at least ten rows. A set point that stands for hours as a
# rule is thus not stuck, a flow that moves with every row and then freezes is.
_STUCK_FACTOR = 5
_MOST_ROWS = 0.9
_SHORTEST_STUCK = 10


def drop_counters(rows: Rows, keep: tuple[str, ...], found: Findings) -> Rows:
    """Rows without the sensors that only number rows, in the whole file or within each asset."""
    within = rows.asset[1:] == rows.asset[:-1]
    sensors = {}
    for name, values in rows.sensors.items():
        if name in keep or not is_row_counter(values, within):
            sensors[name] = values
            continue
        found.note(f"column {name!r} numbers the rows and is dropped; ingest.keep would keep it")
        note = "row counter, dropped"
        found.columns[name] = replace(found.columns[name], kind="dropped", note=note)
    return replace(rows, sensors=sensors)


def is_row_counter(values: Float64, within: Bool) -> bool:
    """Whether a column counts rows: by +1 from row to row, or with every number used once.

    The second shows a counter that ran through the file before rows were sorted by asset. Neither
    depends on the order in which rows came.

    Parameters
    ----------
    values : float64 [n], sorted by asset, then time
    within : bool [n - 1], rows i and i + 1 are of one asset

    Examples
    --------
    >>> is_row_counter(np.arange(30.0), np.ones(29, bool))
    True
    >>> is_row_counter(np.arange(30.0) * 2, np.ones(29, bool))
    False
    """
    # A glance at a few rows spares nearly every sensor the rest.
    head = values[:_COUNTER_STEPS]
    if len(values) <= _COUNTER_STEPS or np.any(head != np.floor(head)):
        return False
    steps = np.count_nonzero(within)
    # Differences near the largest number there is overflow to infinity, which counts no rows.
    with np.errstate(over="ignore"):
        by_one = np.count_nonzero((np.diff(values) == 1) & within)
        low = values.min()
        span = values.max() - low
    if steps >= _COUNTER_STEPS and by_one >= _COUNTER_SHARE * steps:
        return True
    if not span + 1 <= len(values) / _COUNTER_SHARE:
        return False
    whole = values == np.floor(values)
    used = np.bincount((values[whole] - low).astype(np.int64), minlength=1)
    return bool(np.count_nonzero(used == 1) >= _COUNTER_SHARE * len(values))


def tell_behaviour(rows: Rows, found: Findings) -> None:
    """Note constant and empty columns, and count stuck readings."""
    border = rows.asset[1:] != rows.asset[:-1]
    for name, values in rows.sensors.items():
        note = _stillness(values)
        if note:
            found.columns[name] = replace(found.columns[name], note=note)
            continue
        stuck, longest = stuck_rows(values, border)
        found.columns[name] = replace(found.columns[name], stuck=stuck, longest_run=longest)
    for name, text in rows.texts.items():
        if len(text.levels) < 2:
            note = f"constant: {text.levels[0]!r}" if text.levels else "never has a value"
            found.columns[name] = replace(found.columns[name], note=note)


def _stillness(values: Float64) -> str:
    lowest = np.fmin.reduce(values)
    if np.isnan(lowest):
        return "never has a value"
    return f"constant: {lowest + 0.0:g}" if lowest == np.fmax.reduce(values) else ""


def stuck_rows(values: Float64, border: Bool) -> tuple[int, int]:
    """Rows within runs of one value that are far longer than the sensor's usual ones.

    Nine in ten rows lie in runs of at most q rows; a run of 5 q rows or more, and of at least
    ten, is stuck.

    Parameters
    ----------
    values : float64 [n], sorted by asset, then time, not constant
    border : bool [n - 1], rows i and i + 1 are of different assets

    Returns
    -------
    rows : in stuck runs, the first row of each not counted
    longest : rows of the longest stuck run, 0 where there is none

    Examples
    --------
    >>> values = np.concatenate([np.arange(500.0), np.full(30, 7.0), np.arange(500.0)])
    >>> stuck_rows(values, np.zeros(1029, bool))
    (29, 30)
    """
    kept = (values[1:] == values[:-1]) & ~border
    if not kept.any():
        return 0, 0
    changes = np.flatnonzero(np.concatenate([[True], ~kept, [True]]))
    length = np.diff(changes)
    rows_in = np.bincount(length) * np.arange(length.max() + 1)
    usual = int(np.searchsorted(np.cumsum(rows_in), _MOST_ROWS * len(values)))
    stuck = length[length >= max(_SHORTEST_STUCK, _STUCK_FACTOR * usual)]
    return int((stuck - 1).sum()), int(stuck.max(initial=0))
