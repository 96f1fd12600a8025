"""Scored and rejected rows as the rows of database tables, and how rows are put there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.scoring.tables import ScoredRows

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, Table

_CHUNK = 1 << 16
_BATCH_ROWS = 5_000


def score_rows(bundle: Bundle, model: str, rows: ScoredRows) -> Iterator[dict[str, Any]]:
    """asset, time, model, probability, probability_TYPE for each type of events, alarm."""
    types = bundle.config.model.type_names
    names = ["asset", "time", "model", "probability", "alarm"]
    names += [f"probability_{kind}" for kind in types]
    for part in _parts(np.arange(len(rows))):
        columns = (*_keys(bundle, model, rows, part), rows.probability[part].tolist())
        told = rows.type_probability[part].T.tolist()
        for row in zip(*columns, rows.alarm[part].tolist(), *told, strict=True):
            yield dict(zip(names, row, strict=True))


def alarm_rows(bundle: Bundle, model: str, rows: ScoredRows) -> Iterator[dict[str, Any]]:
    """asset, time, model, probability, threshold, the likeliest type where there are types.

    With evidence, sensor_1, credit_1, … of the sensors that raised the score most.
    """
    types = bundle.config.model.type_names
    for part in _parts(np.flatnonzero(rows.alarm)):
        told = rows.evidence(part)
        columns = (*_keys(bundle, model, rows, part), rows.probability[part].tolist())
        columns = (*columns, *told.values())
        names = ("asset", "time", "model", "probability", *told)
        likeliest = rows.type_probability[part].argmax(axis=1).tolist() if types else part
        for row, kind in zip(zip(*columns, strict=True), likeliest, strict=True):
            entry = dict(zip(names, row, strict=True)) | {"threshold": bundle.policy.threshold}
            yield entry | ({"type": types[kind]} if types else {})


def rejected_rows(model: str, batches: list[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """id, model, file, row, asset, time, reason, detail.

    The id is a digest of all else, so that a row which is rejected again stands there once.

    Parameters
    ----------
    model : version
    batches : rejected rows
    """
    again: Counter[str] = Counter()
    for batch in batches:
        for row in batch.to_pylist():
            entry = row | {"model": model}
            text = json.dumps(entry, default=str, sort_keys=True)
            again[text] += 1
            digest = hashlib.sha256(f"{text} {again[text]}".encode()).hexdigest()
            yield entry | {"id": digest[:32]}


def upsert(link: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same key, some thousand at a time."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert: postgresql.Insert | sqlite.Insert = postgresql.insert(table)
    if link.dialect.name == "sqlite":
        insert = sqlite.insert(table)
    key = [column.name for column in table.primary_key]
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in key}
    if others:
        statement = insert.on_conflict_do_update(index_elements=key, set_=others)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=key)
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            link.execute(statement, batch)
            batch = []
    if batch:
        link.execute(statement, batch)


def add_columns(link: Connection, table: Table, names: Iterable[str]) -> None:
    """Add those of some columns that a table, made by an earlier job, lacks; they begin empty."""
    from sqlalchemy import inspect, text

    found = {one["name"] for one in inspect(link).get_columns(table.name, table.schema)}
    write = link.dialect.identifier_preparer
    for name in (name for name in names if name not in found):
        column = table.columns[name]
        kind = column.type.compile(link.dialect)
        where = f"{write.format_table(table)} ADD COLUMN {write.format_column(column)} {kind}"
        # A colon would begin a parameter.
        link.execute(text(f"ALTER TABLE {where}".replace(":", r"\:")))


def _keys(bundle: Bundle, model: str, rows: ScoredRows, part: np.ndarray) -> tuple[list[Any], ...]:
    ticks = rows.tick[part]
    times = ticks.astype("M8[us]") if bundle.clock.kind == "datetime" else ticks
    assets = [rows.assets[code] for code in rows.asset[part].tolist()]
    return assets, times.tolist(), [model] * len(part)


def _parts(which: np.ndarray) -> Iterator[np.ndarray]:
    return (which[low : low + _CHUNK] for low in range(0, len(which), _CHUNK))
