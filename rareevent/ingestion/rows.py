"""Rows in order: sorted by asset and time, one per (asset, time)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rareevent.ingestion.frame import Bool, Float64, Int8, Int32, Int64, TextColumn
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.settle import Columns

_MISSING_CODE = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Rows:
    """Rows sorted by asset, then time; fields as in `SensorFrame`, the label int8 [n] or None."""

    asset: Int32
    time: Int64
    sensors: Mapping[str, Float64]
    texts: Mapping[str, TextColumn]
    label: Int8 | None

    def __len__(self) -> int:
        return len(self.time)


def order_rows(asset: Int32, time: Int64, columns: Columns, found: Findings) -> Rows:
    """Sort rows by asset, then time; those that are in order already are not copied."""
    same, step = asset[1:] == asset[:-1], time[1:] >= time[:-1]
    if not np.any(asset[1:] < asset[:-1]) and not np.any(same & ~step):
        return Rows(asset, time, columns.sensors, columns.texts, columns.label)
    found.quality = replace(found.quality, unsorted=_steps_back(asset, time))
    found.repaired("row sorted into place", found.quality.unsorted)
    order = np.lexsort((time, asset))
    sensors = {name: columns.sensors[name][order] for name in columns.sensors}
    texts = {n: TextColumn(t.codes[order], t.levels) for n, t in columns.texts.items()}
    label = None if columns.label is None else columns.label[order]
    return Rows(asset[order], time[order], sensors, texts, label)


def _steps_back(asset: Int32, time: Int64) -> int:
    """Rows whose time lies before that of the row above of the same asset."""
    by_asset = np.argsort(asset, kind="stable")
    same = np.diff(asset[by_asset]) == 0
    return int(np.count_nonzero(same & (np.diff(time[by_asset]) < 0)))


def merge_duplicates(rows: Rows, refuse: str | None, found: Findings) -> Rows:
    """One row for each (asset, time), whatever the order in which its copies came.

    Identical copies are dropped. Of the others, a sensor's value is the mean of its distinct
    copies' known values, added in ascending order; a category is the first by name; the label is 1
    if it is 1 in any copy.

    Parameters
    ----------
    rows : sorted by asset, then time
    refuse : the words before the complaint when conflicting copies are to be refused, or None
    """
    repeated = (rows.asset[1:] == rows.asset[:-1]) & (rows.time[1:] == rows.time[:-1])
    if not repeated.any():
        return rows
    copies = _distinct_copies(rows, repeated)
    conflicting = np.bincount(copies.group) > 1
    dropped = int(np.count_nonzero(repeated))
    merged = int(np.count_nonzero(conflicting[copies.group])) - int(conflicting.sum())
    found.quality = replace(
        found.quality, duplicates_identical=dropped - merged, duplicates_conflicting=merged
    )
    found.repaired("identical row dropped", dropped - merged)
    if refuse is not None and merged:
        found.problem(
            f"{refuse}: {conflicting.sum()} (asset, time) pairs occur more than once with"
            " different values; mend them, or set ingest.duplicates: mean"
        )
    else:
        found.repaired("row merged with others of its asset and time", merged)
    return _merged(rows, np.concatenate([[True], ~repeated]), copies.of(conflicting), found)


@dataclass(frozen=True)
class _Copies:
    """Rows that share asset and time with others: their index, and the number of their group."""

    row: Int64
    group: Int64

    def of(self, groups: Bool) -> _Copies:
        """The copies of some groups, numbered anew."""
        wanted = groups[self.group]
        return _Copies(self.row[wanted], (np.cumsum(groups) - 1)[self.group[wanted]])


def _distinct_copies(rows: Rows, repeated: Bool) -> _Copies:
    shares = np.concatenate([repeated, [False]]) | np.concatenate([[False], repeated])
    row = np.flatnonzero(shares)
    group = np.cumsum(~np.concatenate([[False], repeated])[row]) - 1
    content = _content(rows, row)
    order = np.lexsort((content, group))
    row, group, content = row[order], group[order], content[order]
    again = (group[1:] == group[:-1]) & (content[1:] == content[:-1])
    first = np.concatenate([[True], ~again])
    return _Copies(row[first], group[first])


def _content(rows: Rows, row: Int64) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's values; two different rows share one in 2^64 cases."""
    columns: list[NDArray[Any]] = [values[row] for values in rows.sensors.values()]
    columns += [text.codes[row].astype(np.float64) for text in rows.texts.values()]
    if rows.label is not None:
        columns.append(rows.label[row].astype(np.float64))
    mixed = np.zeros(len(row), np.uint64)
    for column in columns:
        # Adding 0 makes -0.0 and 0.0 one value; every NaN gets the same bits.
        bits = np.where(np.isnan(column), np.nan, column + 0.0).view(np.uint64)
        mixed = _mix(mixed ^ bits)
    return mixed


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), which spreads every bit."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _merged(rows: Rows, first: Bool, copies: _Copies, found: Findings) -> Rows:
    """The first row of each (asset, time), with the merged values where copies conflict."""
    # Where the merged row of each group stands once the others are gone.
    starts = np.flatnonzero(np.diff(copies.group, prepend=-1))
    target = (np.cumsum(first) - 1)[copies.row[starts]]
    sensors = {}
    for name, values in rows.sensors.items():
        kept = values[first]
        kept[target], conflicts = _mean(values[copies.row], copies.group, starts)
        sensors[name] = kept
        found.columns[name] = replace(found.columns[name], conflicts=conflicts)
    texts = {}
    for name, text in rows.texts.items():
        codes = text.codes[first]
        codes[target], conflicts = _first_name(text.codes[copies.row], starts)
        texts[name] = TextColumn(codes, text.levels)
        found.columns[name] = replace(found.columns[name], conflicts=conflicts)
    label = None
    if rows.label is not None:
        label = rows.label[first]
        label[target] = np.maximum.reduceat(rows.label[copies.row], starts) if len(starts) else 0
    return Rows(rows.asset[first], rows.time[first], sensors, texts, label)


def _mean(values: Float64, group: Int64, starts: Int64) -> tuple[Float64, int]:
    """Means of the known values by group, and in how many groups these differ."""
    if not len(starts):
        return np.zeros(0), 0
    ordered = values[np.lexsort((values, group))] + 0.0
    known = np.add.reduceat(~np.isnan(ordered), starts, dtype=np.int64)
    lowest = ordered[starts]
    highest = ordered[starts + np.maximum(known, 1) - 1]
    total = np.add.reduceat(np.nan_to_num(ordered, nan=0.0), starts)
    differ = (known > 0) & (lowest != highest)
    # Where all agree the value itself: adding it up could change its last bit.
    mean = np.where(differ, total / np.maximum(known, 1), lowest)
    return mean, int(np.count_nonzero(differ))


def _first_name(codes: Int32, starts: Int64) -> tuple[Int32, int]:
    """The smallest known code by group, -1 where none is known, and how many groups differ."""
    if not len(starts):
        return np.zeros(0, np.int32), 0
    lowest = np.minimum.reduceat(np.where(codes < 0, _MISSING_CODE, codes), starts)
    highest = np.maximum.reduceat(codes, starts)
    known = lowest < _MISSING_CODE
    return np.where(known, lowest, -1), int(np.count_nonzero(known & (lowest != highest)))
