"""The time column as ticks: microseconds since 1970, or the whole steps of an age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rareevent.errors import DataError
from rareevent.ingestion.arrow_casts import cast_or_none
from rareevent.ingestion.frame import ISO, Bool, Int64
from rareevent.ingestion.time_formats import (
    Reading,
    has_offset,
    infer_formats,
    read_format,
    read_iso,
)
from rareevent.ingestion.time_numbers import (
    EPOCHS,
    Place,
    micros_of,
    refuse_far,
    scaled_epochs,
    suspicions,
    whole_ages,
)

_EXAMPLES = 3
KIND_WORDS = {"datetime": "points in time", "age": "whole numbers (an age)"}


@dataclass(frozen=True)
class Times:
    """A time column, read.

    Attributes
    ----------
    kind : "datetime" or "age"
    ticks : int64 [n], microseconds since 1970, or steps
    local : they are wall-clock times without an offset from UTC
    format : how text was read; None where the column was no text
    notes : what is worth knowing
    """

    kind: Literal["datetime", "age"]
    ticks: Int64
    local: bool = False
    format: str | None = None
    notes: tuple[str, ...] = ()


def read_times(
    raw: pa.ChunkedArray, time_format: str | None, missing: Sequence[str], place: Place
) -> Times:
    """Ticks of a time column.

    Timestamps and dates are taken as they are; whole numbers are an age, unless `time_format` is
    "epoch_s", "epoch_ms" or "epoch_us"; text is read with `time_format`, or with the one format
    in common use that reads every value.

    Raises
    ------
    DataError
        When a value is missing or cannot be read, or when a day-first and a month-first format
        both read every value.
    """
    column = raw.combine_chunks() if raw.num_chunks != 1 else raw.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        column = _bare(column, missing)
    _refuse_missing(column, place)
    if pa.types.is_temporal(column.type):
        return _from_timestamps(column, place)
    if _is_text(column.type):
        return _from_text(column, time_format, place)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _from_numbers(column, time_format, place)
    raise _no_time(column, place)


def _no_time(column: pa.Array, place: Place) -> DataError:
    return DataError(
        f"{place.row(0)}: column {place.column!r} holds {column.type}, not points in time or an age"
    )


def read_times_like(
    raw: pa.ChunkedArray, time_format: str | None, missing: Sequence[str], place: Place
) -> Times:
    """Ticks of a time column that probably, but not surely, has the format of another one.

    Raises
    ------
    DataError
        As `read_times`, when neither the format nor the inference reads every value.
    """
    if time_format is not None:
        try:
            return read_times(raw, time_format, missing, place)
        except DataError:
            pass
    return read_times(raw, None, missing, place)


def refuse_other_kind(times: Times, kind: Literal["datetime", "age"], place: Place) -> None:
    """Refuse a column that counts time otherwise than the model does.

    Raises
    ------
    DataError
        When it does.
    """
    if times.kind == kind:
        return
    advice = "write an age as whole numbers"
    if kind == "datetime":
        advice = (
            "write times as 2024-03-31T08:15:00Z, or, where these count from 1970, train with"
            f" {place.key}: epoch_s or epoch_ms"
        )
    raise DataError(
        f"{place.row(0)}: column {place.column!r} is read as {KIND_WORDS[times.kind]}, but the"
        f" model knows time as {KIND_WORDS[kind]}; {advice}"
    )


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _bare(column: pa.Array, missing: Sequence[str]) -> pa.Array:
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    absent = pc.is_in(text, value_set=pa.array([*missing, ""], pa.string()))
    return pc.if_else(absent, None, text)


def _refuse_missing(column: pa.Array, place: Place) -> None:
    if column.null_count:
        first = int(pc.index(pc.is_null(column), True).as_py())
        raise DataError(
            f"{place.row(first)}: column {place.column!r}: {column.null_count} of {len(column)}"
            " rows have no time; remove them or complete them"
        )


def _from_timestamps(column: pa.Array, place: Place) -> Times:
    if pa.types.is_time(column.type) or pa.types.is_duration(column.type):
        raise _no_time(column, place)
    zone = getattr(column.type, "tz", None)
    refuse_far(micros_of(column), place)
    micros = pc.cast(column, pa.timestamp("us", zone), safe=False)
    return Times("datetime", pc.cast(micros, pa.int64()).to_numpy(), local=zone is None)


def _from_numbers(column: pa.Array, time_format: str | None, place: Place) -> Times:
    if time_format in EPOCHS:
        return Times("datetime", scaled_epochs(column, EPOCHS[time_format], place))
    if time_format is not None:
        return _from_text(pc.cast(whole_ages(column, place), pa.string()), time_format, place)
    ticks = pc.cast(whole_ages(column, place), pa.int64()).to_numpy(zero_copy_only=False)
    return Times("age", ticks, notes=suspicions(ticks, place))


def _from_text(text: pa.Array, time_format: str | None, place: Place) -> Times:
    if time_format is None or time_format in EPOCHS:
        numbers = cast_or_none(text, pa.int64())
        if numbers is None:
            numbers = cast_or_none(text, pa.float64())
        if numbers is not None:
            return _from_numbers(numbers, time_format, place)
        if time_format is not None:
            raise DataError(
                f"{place.row(0)}: column {place.column!r}: {text[0].as_py()!r} is no number,"
                f" but {place.key} is {time_format}"
            )
    reading = _infer(text, place) if time_format is None else _given(text, time_format, place)
    refuse_far(reading.ticks.astype(np.float64), place)
    notes: tuple[str, ...] = ()
    if time_format not in (None, reading.format):
        notes = (f"column {place.column!r} is ISO 8601 and was not read with {time_format!r}",)
    return Times("datetime", reading.ticks, not reading.aware, reading.format, notes)


def _given(text: pa.Array, time_format: str, place: Place) -> Reading:
    reading = read_format(text, time_format)
    if reading.read.all():
        return reading
    # A text that begins with a four-digit year cannot be meant by a format that does not.
    iso = None if time_format.startswith(("%Y", "%G")) else read_iso(text)
    if iso is not None and iso.read.all():
        return iso
    raise _unread(text, reading.read, time_format, place)


def _infer(text: pa.Array, place: Place) -> Reading:
    readings = infer_formats(text)
    if not readings:
        raise DataError(
            f"{place.row(0)}: column {place.column!r}: {text[0].as_py()!r} is in no time format"
            f" known here; give it as {place.key}, such as '%d.%m.%Y %H:%M'"
        )
    refuse_several(text, readings, place)
    if not readings[0].read.all():
        raise _unread(text, readings[0].read, readings[0].format, place)
    return readings[0]


def refuse_several(text: pa.Array, readings: Sequence[Reading], place: Place) -> None:
    """Refuse texts of which several formats read as many as any other does, and differently.

    Raises
    ------
    DataError
        When there is more than one reading.
    """
    if len(readings) < 2:
        return
    first, second = readings[:2]
    both = first.read & second.read
    differs = int(np.flatnonzero(both & (first.ticks != second.ticks))[0])
    many = "every value" if first.read.all() else f"{first.read.sum()} of {len(text)} values"
    raise DataError(
        f"{place.row(differs)}: column {place.column!r}: {first.format!r} and {second.format!r}"
        f" both read {many}, such as {text[differs].as_py()!r}; say which by {place.key}, or write"
        " times as 2024-03-31T08:15:00"
    )


def _unread(text: pa.Array, read: Bool, time_format: str, place: Place) -> DataError:
    with_offset = has_offset(text)
    if with_offset.any() and not with_offset.all():
        first = int(np.flatnonzero(with_offset != with_offset[0])[0])
        return DataError(
            f"{place.row(first)}: column {place.column!r}: {with_offset.sum()} of {len(text)}"
            f" values have an offset from UTC, others have none, such as {text[0].as_py()!r} and"
            f" {text[first].as_py()!r}; write all with one, or all without"
        )
    bad = np.flatnonzero(~read)
    examples = ", ".join(repr(text[int(i)].as_py()) for i in bad[:_EXAMPLES])
    advice = f"give the format as {place.key} ({ISO}, epoch_s, or such as '%d.%m.%Y %H:%M')"
    if place.fixed:
        advice = (
            f"train anew with {place.key} set: the model knows times as it was trained with them"
        )
    return DataError(
        f"{place.row(int(bad[0]))}: column {place.column!r}: {len(bad)} of {len(text)} values"
        f" cannot be read as {time_format!r}, such as {examples}; mend them, or {advice}"
    )
