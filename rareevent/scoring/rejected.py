"""Rows that cannot be scored: which, and why, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rareevent.config import Ingest
from rareevent.ingestion.cells import Cells
from rareevent.ingestion.frame import Bool, Clock, Int64
from rareevent.ingestion.settle import COMMA_NUMBER, TRUTH_WORDS

if TYPE_CHECKING:
    import pyarrow as pa

BROKEN_ROW = "broken_row"
UNREADABLE_TIME = "unreadable_time"
NO_ASSET = "no_asset"
TEXT_IN_NUMBER = "text_in_number"
INFINITE = "infinite"
CONFLICTING = "conflicting_duplicate"
DUPLICATE = "duplicate"
LATE = "late"

# How much of a broken cell or row is kept to be looked at.
_SHOWN = 200


class Unfit:
    """Collects which of n rows do not fit, and why: row -> the first reason found, its detail."""

    def __init__(self, rows: int) -> None:
        self.why: dict[int, tuple[str, str]] = {}
        self.unfit: Bool = np.zeros(rows, bool)

    def add(self, rows: Bool, reason: str, detail: Sequence[str] | str) -> None:
        """Give the rows of a mask bool [n] a reason, with one detail for each or for all."""
        for place, row in enumerate(np.flatnonzero(rows).tolist()):
            text = detail if isinstance(detail, str) else detail[place]
            self.why.setdefault(row, (reason, text[:_SHOWN]))
        self.unfit |= rows


def clean_cells(
    cells: Mapping[str, Cells], sensors: Sequence[str], stage: Ingest, unfit: Unfit
) -> tuple[dict[str, Cells], int]:
    """Cells of which every numeric one is a number or missing, once the unfit rows are gone.

    Decided cell by cell, so that it does not matter what else stands in the column: true and false
    are 1 and 0; other words are missing under `dirty_text: missing`, else their row is unfit;
    numbers with a comma are always unfit, for nobody knows which comma it is.

    Returns
    -------
    cells : name -> Cells; those of sensors hold no word
    words : cells made missing
    """
    out, made_missing = dict(cells), 0
    for name in sensors:
        values, column = cells[name].values, cells[name]
        if column.words:
            values, dropped = _without_words(name, column, stage, unfit)
            made_missing += dropped
        if stage.infinite == "refuse":
            infinite = np.isinf(values)
            if infinite.any():
                unfit.add(infinite, INFINITE, name)
        out[name] = Cells(values, None, ())
    return out, made_missing


def _without_words(name: str, column: Cells, stage: Ingest, unfit: Unfit) -> tuple[np.ndarray, int]:
    word = column.is_word()
    truth = np.array([TRUTH_WORDS.get(text.lower(), np.nan) for text in column.words])
    comma = np.array([bool(COMMA_NUMBER.fullmatch(text)) for text in column.words])
    codes = np.zeros(len(word), np.int32) if column.codes is None else column.codes * word
    values = np.where(word, truth[codes], column.values)
    dirt = word & np.isnan(truth[codes])
    refused = dirt if stage.dirty_text == "refuse" else dirt & comma[codes]
    if refused.any():
        details = [f"{name}: {column.words[code]}" for code in codes[refused].tolist()]
        unfit.add(refused, TEXT_IN_NUMBER, details)
    return values, int((dirt & ~refused).sum())


def rejected_schema(clock: Clock) -> pa.Schema:
    """file, row (from 1, None where several rows were merged), asset, time, reason, detail."""
    import pyarrow as pa

    time = pa.timestamp("us") if clock.kind == "datetime" else pa.int64()
    text = pa.string()
    return pa.schema(
        [
            ("file", text),
            ("row", pa.int64()),
            ("asset", text),
            ("time", time),
            ("reason", text),
            ("detail", text),
        ]
    )


def rejected_batch(
    clock: Clock,
    file: str,
    reason: Sequence[str],
    *,
    row: Int64 | None = None,
    asset: Sequence[str | None] | None = None,
    tick: Int64 | None = None,
    timed: Bool | None = None,
    detail: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """Rejected rows as a record batch; what is not known of them is null.

    Parameters
    ----------
    clock : Clock of the times
    file : where the rows come from
    reason : one per row
    row : int64 [k], from 0
    asset : name of each row's asset
    tick : int64 [k]
    timed : bool [k], which rows have a time; None for all
    detail : what was found
    """
    import pyarrow as pa

    schema, rows = rejected_schema(clock), len(reason)
    unknown = None if timed is None else ~timed
    columns = [
        pa.array([file] * rows, pa.string()),
        pa.nulls(rows, pa.int64()) if row is None else pa.array(row + 1),
        pa.array(asset or [None] * rows, pa.string()),
        pa.nulls(rows, pa.int64()) if tick is None else pa.array(tick, mask=unknown),
        pa.array(reason, pa.string()),
        pa.array(detail or [None] * rows, pa.string()),
    ]
    pairs = zip(columns, schema.types, strict=True)
    return pa.record_batch([column.cast(kind) for column, kind in pairs], schema)
