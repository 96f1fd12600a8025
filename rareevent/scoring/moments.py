"""The time of every row of a scored file; rows whose time cannot be read are set apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rareevent.config import Ingest
from rareevent.errors import DataError
from rareevent.ingestion.clocks import gap_ticks
from rareevent.ingestion.frame import Bool, Clock, Int32, Int64
from rareevent.ingestion.time_formats import infer_formats, read_format, read_iso
from rareevent.ingestion.time_numbers import EPOCHS, Place, in_calendar
from rareevent.ingestion.times import Times, read_times, refuse_other_kind, refuse_several
from rareevent.ingestion.timezones import read_local

TWICE = "occurs twice as the clock goes back"
_WHOLE = r"^[+-]?\d+(\.0*)?$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Moments:
    """The times of n rows.

    Attributes
    ----------
    ticks : int64 [n], 0 where the time cannot be read
    read : bool [n], whether it can
    problem : why no row has a readable time; empty where one has, or there is no row
    doubts : row -> why its time is none, where it can be read and yet cannot be told
    """

    ticks: Int64
    read: Bool
    problem: str = ""
    doubts: Mapping[int, str] = field(default_factory=dict)


def read_moments(
    raw: pa.ChunkedArray, asset: Int32, stage: Ingest, clock: Clock, where: str
) -> Moments:
    """Ticks of a time column, and which of its rows have one.

    Parameters
    ----------
    raw : the time column of n rows, as read
    asset : int32 [n], code of each row's asset
    stage : how times are written
    clock : how the model counts time
    where : the file, for errors

    Returns
    -------
    Moments

    Raises
    ------
    DataError
        When the column counts time otherwise than the model does, or day and month cannot be told
        apart.
    """
    ticks, read = np.zeros(len(raw), np.int64), np.zeros(len(raw), bool)
    if not len(raw):
        return Moments(ticks, read)
    column = raw.combine_chunks() if raw.num_chunks != 1 else raw.chunk(0)
    place = Place(stage.time, lambda row: f"{where}, row {row + 1}", fixed=True)
    times, rows, why = _readable(column, stage, clock, place)
    if times is None:
        return Moments(ticks, read, why)
    refuse_other_kind(times, clock.kind, place)
    if stage.timezone is None or not times.local:
        ticks[rows], read[rows] = times.ticks, True
        return Moments(ticks, read)
    found = read_local(times.ticks, asset[rows], stage.timezone, gap_ticks(stage, clock))
    ticks[rows], read[rows] = found.ticks, ~(found.skipped | found.unclear)
    doubts = dict.fromkeys(rows[found.unclear].tolist(), TWICE)
    doubts |= dict.fromkeys(rows[found.skipped].tolist(), "is skipped as the clock goes forward")
    return Moments(ticks, read, doubts=doubts)


def _readable(
    column: pa.Array, stage: Ingest, clock: Clock, place: Place
) -> tuple[Times | None, Int64, str]:
    """The times that can be read, the rows they stand in, int64 [k], and why there is none."""
    try:
        times = _read(column, stage.time_format, stage, place)
        return times, np.arange(len(column)), ""
    except DataError as error:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        good, time_format = _readable_rows(column, stage, clock, place)
        rows = np.flatnonzero(good)
        if not len(rows):
            return None, rows, str(error)
        # All could be read, and something else is wrong.
        if len(rows) == len(column):
            raise error
        return _read(column.take(pa.array(rows)), time_format, stage, place), rows, ""


def _read(column: pa.Array, time_format: str | None, stage: Ingest, place: Place) -> Times:
    return read_times(pa.chunked_array([column]), time_format, stage.missing_values, place)


def _readable_rows(
    column: pa.Array, stage: Ingest, clock: Clock, place: Place
) -> tuple[Bool, str | None]:
    """Which values can be read, and with which format."""
    kind = column.type
    if pa.types.is_temporal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        good = in_calendar(column, stage.time_format)
        if pa.types.is_temporal(kind) or stage.time_format in (None, *EPOCHS):
            return good, stage.time_format
        # Numbers such as 20240301 are read as the text that they are written with.
        column = pc.cast(pc.cast(pc.if_else(pa.array(good), column, None), pa.int64()), pa.string())
    known = pc.is_valid(column).to_numpy(zero_copy_only=False)
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    missing = pc.is_in(text, value_set=pa.array([*stage.missing_values, ""], pa.string()))
    rows = np.flatnonzero(known & ~missing.to_numpy(zero_copy_only=False))
    among = Place(place.column, lambda row: place.row(int(rows[row])), place.key, place.fixed)
    read, time_format = _readable_texts(text.take(pa.array(rows)), stage, clock, among)
    good = np.zeros(len(column), bool)
    good[rows[read]] = True
    return good, time_format


def _readable_texts(
    text: pa.Array, stage: Ingest, clock: Clock, place: Place
) -> tuple[Bool, str | None]:
    epoch = stage.time_format in EPOCHS
    if clock.kind == "age" or epoch:
        pattern = _NUMBER if epoch else _WHOLE
        number = pc.match_substring_regex(text, pattern)
        values = pc.cast(pc.if_else(number, text, None), pa.float64())
        return in_calendar(values, stage.time_format), stage.time_format
    readings = infer_formats(text) if stage.time_format is None else []
    if stage.time_format is not None:
        readings = [read_format(text, stage.time_format), read_iso(text)]
    elif readings:
        refuse_several(text, readings, place)
    if not readings:
        return np.zeros(len(text), bool), None
    best = max(readings, key=lambda reading: int(reading.read.sum()))
    return best.read, best.format
