"""Event logs: one row per event, in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from rareevent.config import EventLog, Ingest
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.cells import NameReader
from rareevent.ingestion.frame import Bool, Events, Int32, Int64
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.readers import read_batches, read_names
from rareevent.ingestion.roles import absent
from rareevent.ingestion.sql import source_files
from rareevent.ingestion.time_numbers import Place
from rareevent.ingestion.times import KIND_WORDS, read_times, read_times_like
from rareevent.ingestion.timezones import localise

_SEPARATORS = (",", ";", "\t", "|")
_NO_TIME = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Log:
    """An event log, read: k entries, not yet matched with the rows.

    Attributes
    ----------
    asset : name of each entry's asset; None where the log has no asset column
    time : int64 [k], ticks
    kind : int32 [k], code into `kinds`, -1 where the entry has no type
    kinds : names of the event types
    """

    asset: tuple[str, ...] | None
    time: Int64
    kind: Int32
    kinds: tuple[str, ...]


def read_log(log: EventLog, stage: Ingest, kind: str, found: Findings) -> Log:
    """Read an event log.

    Times are read with the log's own format if it has one, else with the rows' format where that
    reads all of them, else as the rows' times are.

    Parameters
    ----------
    log : EventLog
    stage : Ingest, with the format of the rows' times in `time_format`
    kind : "datetime" or "age", as the rows have it

    Raises
    ------
    ConfigError, DataError
        When the log cannot be read, lacks a column, or counts time otherwise than the rows.
    """
    if log.asset is None and stage.asset is not None:
        raise ConfigError("ingest.events.asset: must name the log's asset column, as ingest.asset")
    wanted = [name for name in (log.time, log.asset, log.type) if name is not None]
    if len(set(wanted)) < len(wanted):
        raise ConfigError(
            "ingest.events: time, asset and type must be different columns; received"
            f" {', '.join(map(repr, wanted))}"
        )
    columns: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    with source_files(log.source, "ingest.events.source", wanted) as files:
        for path in files:
            layout = _layout(path, log, stage)
            for batch in read_batches(path, layout, wanted, found.problem):
                for name in columns:
                    columns[name].append(batch.column(name))
    count = sum(len(chunk) for chunk in columns[log.time])
    codes, assets = _names(columns, log.asset if stage.asset is not None else None, stage)
    if codes is not None and (codes < 0).any():
        raise DataError(f"{files[0]}: {(codes < 0).sum()} events have no asset ({log.asset!r})")
    time = _log_times(columns[log.time], log, stage, kind, str(files[0])) if count else _NO_TIME
    kind_codes, kinds = _names(columns, log.type, stage)
    names = None if codes is None else tuple(assets[code] for code in codes)
    if kind_codes is None or not kinds:
        return Log(names, time, np.zeros(count, np.int32), ("event",))
    return Log(names, time, kind_codes, kinds)


def _layout(path: Path, log: EventLog, stage: Ingest) -> Ingest:
    """How the log is written: as the rows' files are, or with another separator."""
    usual = stage.separator if len(stage.separator) == 1 else ","
    written = {"header": True, "columns": None}
    layouts = [
        stage.model_copy(update={**written, "separator": separator})
        for separator in dict.fromkeys((usual, *_SEPARATORS))
    ]
    names = [read_names(path, layout) for layout in layouts]
    # The right separator finds the time column; where none does, the one that parts the most.
    best = max(range(len(layouts)), key=lambda i: (log.time in names[i], len(names[i])))
    for key, name in (("time", log.time), ("asset", log.asset), ("type", log.type)):
        if name is not None and name not in names[best]:
            raise DataError(absent(name, names[best], str(path), f"ingest.events.{key}"))
    return layouts[best]


def _names(
    columns: Mapping[str, list[pa.Array]], name: str | None, stage: Ingest
) -> tuple[Int32 | None, tuple[str, ...]]:
    if name is None:
        return None, ()
    reader = NameReader(name, stage.missing_values)
    for chunk in columns[name]:
        reader.append(chunk)
    return reader.names()


def _log_times(
    chunks: list[pa.Array], log: EventLog, stage: Ingest, kind: str, where: str
) -> Int64:
    raw = pa.chunked_array(chunks)
    place = Place(log.time, lambda row: f"{where}, row {row + 1}", "ingest.events.time_format")
    if log.time_format is not None:
        times = read_times(raw, log.time_format, stage.missing_values, place)
    else:
        times = read_times_like(raw, stage.time_format, stage.missing_values, place)
    if times.kind != kind:
        raise DataError(
            f"{where}: column {log.time!r} is {KIND_WORDS[times.kind]}, but the rows' times are"
            f" {KIND_WORDS[kind]}; see ingest.events.time_format"
        )
    if times.local and stage.timezone is not None:
        one = np.zeros(len(times.ticks), np.int32)
        return localise(times.ticks, one, stage.timezone, f"{where}: column {log.time!r}").ticks
    return times.ticks


def match_log(log: Log, assets: tuple[str, ...], found: Findings) -> Events:
    """The log's entries as events of the assets, sorted, one per (asset, time).

    Entries of assets without a row, and repeated entries, are counted and left out. Of entries
    that name several types for one event the first type in order counts, and is said.
    """
    if log.asset is None and len(assets) > 1:
        raise ConfigError("ingest.events.asset: must name the asset column of the event log")
    code_of = {name: code for code, name in enumerate(assets)}
    names = log.asset if log.asset is not None else assets[:1] * len(log.time)
    code = np.array([code_of.get(name, -1) for name in names], np.int32)
    known = code >= 0
    unknown = int(np.count_nonzero(~known))
    if unknown:
        strangers = sorted({n for n, k in zip(names, known, strict=True) if not k})
        found.note(f"{unknown} events belong to assets without a row, such as {strangers[0]!r}")
    # Of one event's entries the first counts: one that has a type, where any of them has.
    order = np.lexsort((log.kind, log.kind < 0, log.time, code))
    order = order[known[order]]
    asset, time, kind = code[order], log.time[order], log.kind[order]
    first = np.ones(len(time), bool)
    first[1:] = (np.diff(asset) != 0) | (np.diff(time) != 0)
    found.counted_events({"of_unknown_assets": unknown, "repeated": int(np.count_nonzero(~first))})
    _note_types(kind, first, log.kinds, found)
    return Events(asset[first], time[first], kind[first].astype(np.int32), log.kinds)


def _note_types(kind: Int32, first: Bool, kinds: tuple[str, ...], found: Findings) -> None:
    """Say where the type of an event is not known, and where entries do not agree on it.

    Parameters
    ----------
    kind : int32 [k], of entries sorted by event
    first : bool [k], entries that begin an event
    """
    without = int(np.count_nonzero(kind[first] < 0))
    if without:
        found.note(f"{without} of {int(first.sum())} events have no type; none is guessed for them")
    event = np.cumsum(first) - 1
    other = (kind >= 0) & (kind != kind[first][event])
    several = len(np.unique(event[other]))
    if several:
        example = kinds[kind[other][0]]
        found.note(
            f"{several} events have several types, such as {kinds[kind[first][event[other]][0]]!r}"
            f" and {example!r} at one time; the first in order counts"
        )
