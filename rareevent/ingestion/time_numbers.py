"""Numbers and timestamps as ticks: what they count, and which of them can be a time at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rareevent.errors import DataError
from rareevent.ingestion.frame import Bool, Float64, Int64

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
# Whole numbers that more likely are dates, 19000101 to 21001231, or seconds of an epoch since 2001.
_DATE_LIKE = (19_000_101, 21_001_231)
_EPOCH_LIKE = 1_000_000_000
# The years 1 to 9999, which every reader of an output knows.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_UNIT_US = {
    **{"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3},
    **{"date32[day]": 86400e6, "date64[ms]": 1e3},
}
_OLDEST = 2**60


@dataclass(frozen=True)
class Place:
    """Where a column's values stand, for errors.

    Attributes
    ----------
    column : its name
    row : from the index of a value to words such as "data.csv, row 17"
    key : the configuration key of its format
    fixed : the format is a trained model's, so that giving another takes training anew
    """

    column: str
    row: Callable[[int], str]
    key: str = "ingest.time_format"
    fixed: bool = False


def micros_of(column: pa.Array) -> Float64:
    """Timestamps or dates as microseconds since 1970, far ones too, float64 [n]; NaN for null."""
    unit = _UNIT_US[getattr(column.type, "unit", str(column.type))]
    raw = column.view(f"i{column.type.bit_width // 8}").cast(pa.int64())
    count: Float64 = pc.cast(raw, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return count * unit


def in_calendar(column: pa.Array, time_format: str | None) -> Bool:
    """Which values of a column of timestamps, dates or numbers can be a time, bool [n].

    Points in time lie in the years 1 to 9999; an age is a whole number below 2^60.
    """
    if pa.types.is_temporal(column.type):
        if pa.types.is_time(column.type) or pa.types.is_duration(column.type):
            valid: Bool = pc.is_valid(column).to_numpy(zero_copy_only=False)
            return valid
        return _within_years(micros_of(column))
    values: Float64 = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if time_format in EPOCHS:
        return _within_years(values * EPOCHS[time_format])
    # A comparison with NaN is false, so what is missing is no time either.
    whole: Bool = np.floor(values) == values
    return whole & (np.abs(values) <= _OLDEST)


def _within_years(micros: Float64) -> Bool:
    return (micros >= _FIRST_US) & (micros <= _LAST_US)


def refuse_far(micros: Float64, place: Place) -> None:
    """Refuse points in time that no calendar has; micros float64 [n], NaN passes."""
    far = np.flatnonzero((micros < _FIRST_US) | (micros > _LAST_US))
    if len(far):
        raise DataError(
            f"{place.row(int(far[0]))}: column {place.column!r}: {len(far)} of {len(micros)} values"
            f" lie outside the years 1 to 9999; mend them, or check {place.key}"
        )


def scaled_epochs(column: pa.Array, factor: int, place: Place) -> Int64:
    """Microseconds since 1970 of numbers that count so many of them, int64 [n].

    Raises
    ------
    DataError
        When one is missing, or is a time that no calendar has.
    """
    seconds = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    refuse_far(seconds * factor, place)
    if pa.types.is_integer(column.type):
        ticks: Int64 = pc.cast(column, pa.int64()).to_numpy() * factor
        return ticks
    broken = np.flatnonzero(np.isnan(seconds))
    if len(broken):
        raise DataError(
            f"{place.row(int(broken[0]))}: column {place.column!r}: {len(broken)} of {len(seconds)}"
            " rows have no time; remove them or complete them"
        )
    # Whole and broken part apart: a product of a large float would lose microseconds.
    whole = np.floor(seconds)
    rest = np.rint((seconds - whole) * factor).astype(np.int64)
    rounded: Int64 = whole.astype(np.int64) * factor + rest
    return rounded


def whole_ages(column: pa.Array, place: Place) -> pa.Array:
    """Numbers as whole steps of an age.

    Raises
    ------
    DataError
        When one is no whole number below 2^60.
    """
    values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    old = np.flatnonzero(np.isfinite(values) & (np.abs(values) > _OLDEST))
    if len(old):
        raise DataError(
            f"{place.row(int(old[0]))}: column {place.column!r}: an age must lie below 2^60;"
            f" received {values[old[0]]:.0f}; mend it, or see {place.key}"
        )
    if pa.types.is_integer(column.type):
        return column
    broken = np.flatnonzero(~(np.isfinite(values) & (np.floor(values) == values)))
    if len(broken):
        raise DataError(
            f"{place.row(int(broken[0]))}: column {place.column!r}: {len(broken)} of {len(values)}"
            f" values are no whole numbers, such as {values[broken[0]]}; an age counts whole"
            f" steps; for seconds since 1970 set {place.key}: epoch_s"
        )
    return pa.array(values.astype(np.int64))


def suspicions(ticks: Int64, place: Place) -> tuple[str, ...]:
    """A word on ages, int64 [n], that look like dates or like seconds since 1970."""
    if not len(ticks):
        return ()
    low, high = ticks.min(), ticks.max()
    if _DATE_LIKE[0] <= low and high <= _DATE_LIKE[1]:
        return (
            f"column {place.column!r} is read as an integer age; if its values are dates such as"
            f" {low}, set {place.key}: '%Y%m%d'",
        )
    if low >= _EPOCH_LIKE:
        return (
            f"column {place.column!r} is read as an integer age; if its values are times since"
            f" 1970, such as {low}, set {place.key}: epoch_s or epoch_ms",
        )
    return ()
