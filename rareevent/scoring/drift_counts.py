"""Scored rows counted, to be compared with the training rows of the bundle.

Counts are kept per slot, a 24th of a window, and only ever added, so that drift does not depend on
how rows were cut into files or jobs. A window is the last 24 slots: it holds every hour of the
day, whenever the job runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Bool, Clock, Float64, Int64, SensorFrame

SLOTS = 24
# How many windows training must have to learn from them what is usual.
_FEWEST_WINDOWS = 5
# A limit lies this many times beyond the furthest of the training windows: the more windows there
# were, the less the next ones go beyond them. On simulated fleets (1 to 6 assets, 12 to 90 days
# of training) this leaves more than 99 of 100 days of later weeks quiet.
_BEYOND, _BEYOND_OF_ONE = 1.5, 20.0


@dataclass(frozen=True)
class ColumnReference:
    """What the training rows hold of one column; see `bundle.reference.drift_reference`.

    Attributes
    ----------
    name : column
    edges : float64 [b - 1], inner edges of the bins; of a category none
    levels : the category's levels with a bin of their own, the others share the last bin; None of
        a number
    seen : all levels that training rows have
    expected : int64 [b], training readings in each bin
    missing : share of training rows
    low, high : range of the training readings
    highest : the largest `psi`, `missing` and `outside` of one window of training rows
    """

    name: str
    edges: Float64
    levels: tuple[str, ...] | None
    seen: frozenset[str]
    expected: Int64
    missing: float
    low: float
    high: float
    highest: Mapping[str, float]

    @property
    def places(self) -> int:
        """Numbers counted for the column: its bins, then missing, then outside the range."""
        return len(self.expected) + 2


@dataclass(frozen=True)
class Reference:
    """What scored rows are compared with.

    Attributes
    ----------
    clock : of the model
    window : ticks; rows where time is an age
    rows : training rows of a usual window
    columns : ColumnReference each
    windows : of training, that were compared with the rows before them
    alarm_rows, alarms, dispersion : of the rows that the alarm policy was fitted on; None where
        they are not known
    """

    clock: Clock
    window: int
    rows: int
    columns: tuple[ColumnReference, ...]
    windows: int
    alarm_rows: int | None
    alarms: int | None
    dispersion: float | None

    @property
    def beyond(self) -> float | None:
        """How many times further than any training window is too far; None with too few of them."""
        if self.windows < _FEWEST_WINDOWS:
            return None
        return _BEYOND + _BEYOND_OF_ONE / self.windows

    def furthest(self, column: ColumnReference, kind: str) -> float:
        """The "psi" or "outside" of the furthest training window.

        A column that happened to hold still in training is given what the middle one has.
        """
        return max(column.highest[kind], self._middle[kind])

    @cached_property
    def _middle(self) -> dict[str, float]:
        """What the middle column's furthest training window has, by kind."""
        kinds = ("psi", "outside")
        return {k: float(np.median([c.highest[k] for c in self.columns])) for k in kinds}

    @cached_property
    def longest_outage(self) -> float:
        """By how much a training window misses more of a column than training does on average.

        Of any column: outages are rare, and strike one as well as the other.
        """
        return max(column.highest["missing"] - column.missing for column in self.columns)

    @property
    def places(self) -> int:
        """Numbers counted per slot: rows, alarms, and those of each column."""
        return 2 + sum(column.places for column in self.columns)

    @property
    def slot(self) -> int:
        """Ticks of a slot; where time is an age, a job's rows are one slot."""
        return max(self.window // SLOTS, 1)


def drift_reference_of(bundle: Bundle) -> Reference | None:
    """What a bundle's rows are compared with; None where monitoring is off, or nothing is known.

    Bundles made before there was monitoring have no such profile.
    """
    found = bundle.profile.get("drift")
    if found is None or not bundle.config.monitor.enabled:
        return None
    alarms = found.get("alarms") or {}
    return Reference(
        bundle.clock,
        int(found["window"]),
        int(found["rows"]),
        tuple(
            _column(name, entry)
            for name, entry in sorted(found["columns"].items())
            if entry["shares"] is not None
        ),
        int(found["windows"]),
        alarms.get("rows"),
        alarms.get("alarms"),
        alarms.get("dispersion"),
    )


def _column(name: str, entry: Mapping[str, Any]) -> ColumnReference:
    levels = entry.get("levels")
    return ColumnReference(
        name,
        np.array(entry.get("edges") or [], np.float64),
        None if levels is None else tuple(levels),
        frozenset(entry.get("seen") or ()),
        np.round(np.array(entry["shares"]) * entry["known"]).astype(np.int64),
        entry["missing"],
        entry.get("low", -np.inf),
        entry.get("high", np.inf),
        entry["highest"] or {},
    )


def count_rows(
    reference: Reference, frame: SensorFrame, row: Int64, alarm: Bool
) -> dict[int, Int64]:
    """Scored rows, counted per slot.

    Parameters
    ----------
    reference : Reference
    frame : SensorFrame
    row : int64 [m], the scored rows of the frame
    alarm : bool [m], where an alarm is raised

    Returns
    -------
    dict, slot -> int64 [places]
    """
    if not len(row):
        return {}
    slots, place = np.zeros(1, np.int64), np.zeros(len(row), np.int64)
    if reference.clock.kind == "datetime":
        slots, place = np.unique(frame.time[row] // reference.slot, return_inverse=True)
    columns = [np.bincount(place), np.bincount(place, alarm).astype(np.int64)]
    parts = [np.stack(columns, axis=1)]
    for column in reference.columns:
        if column.levels is None:
            parts.append(_count_sensor(column, frame.sensors[column.name][row], place, len(slots)))
        else:
            parts.append(_count_text(column, frame, row, place, len(slots)))
    return dict(zip(slots.tolist(), np.concatenate(parts, axis=1), strict=True))


def _count_sensor(column: ColumnReference, values: Float64, place: Int64, slots: int) -> Int64:
    bins = len(column.expected)
    # A few edges, compared with all values one by one, are several times faster than a search.
    code = np.zeros(len(values), np.int64)
    for edge in column.edges:
        code += values >= edge
    code[np.isnan(values)] = bins
    outside = (values < column.low) | (values > column.high)
    return _tally(code, outside, place, slots, bins)


def _count_text(
    column: ColumnReference, frame: SensorFrame, row: Int64, place: Int64, slots: int
) -> Int64:
    bins, found = len(column.expected), frame.texts[column.name]
    table, new = found.places(column.levels or ()), found.places(tuple(column.seen)) < 0
    table[table < 0] = bins - 1
    # The last entry is that of code -1, missing.
    table[-1], new[-1] = bins, False
    codes = found.codes[row]
    return _tally(table[codes], new[codes], place, slots, bins)


def _tally(code: Int64, outside: Bool, place: Int64, slots: int, bins: int) -> Int64:
    counts = np.bincount(place * (bins + 1) + code, minlength=slots * (bins + 1))
    beyond = np.bincount(place[outside], minlength=slots)
    return np.concatenate([counts.reshape(slots, bins + 1), beyond[:, None]], axis=1)


class RowCounts:
    """Scored rows counted for drift; grows in place. Counts nothing where there is no reference.

    Attributes
    ----------
    slots : slot -> int64 [places]; see `count_rows`
    """

    def __init__(self, reference: Reference | None) -> None:
        self.slots: dict[int, Int64] = {}
        self._reference = reference

    def add(self, frame: SensorFrame, row: Int64, alarm: Bool) -> None:
        """Count scored rows of a frame, int64 [m], with their alarms, bool [m]."""
        if self._reference is None:
            return
        add_counts(self.slots, count_rows(self._reference, frame, row, alarm))


def add_counts(total: dict[int, Int64], more: Mapping[int, Int64]) -> None:
    """Add counts to others, in place; slot -> int64 [places] each."""
    for slot, counts in more.items():
        total[slot] = total[slot] + counts if slot in total else counts
