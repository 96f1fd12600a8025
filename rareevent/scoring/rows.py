"""Rows of which every cell can be read, and how pieces of them are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa

from rareevent.ingestion.cells import Cells
from rareevent.ingestion.frame import Bool, Clock, Int32, Int64
from rareevent.ingestion.table import RawTable


@dataclass(frozen=True)
class CleanRows:
    """Rows of which every cell can be read, n of them, in any order.

    Attributes
    ----------
    tick : int64 [n]
    asset : int32 [n], code into `assets`; every asset has a row
    assets : names
    cells : sensor or categorical column -> Cells
    """

    tick: Int64
    asset: Int32
    assets: tuple[str, ...]
    cells: Mapping[str, Cells]

    def __len__(self) -> int:
        return len(self.tick)

    def take(self, which: Bool) -> CleanRows:
        """Some of the rows, by a mask bool [n]; assets left without a row go."""
        codes, asset = np.unique(self.asset[which], return_inverse=True)
        cells = {name: take_cells(cells, which) for name, cells in self.cells.items()}
        names = tuple(self.assets[code] for code in codes)
        return CleanRows(self.tick[which], asset.astype(np.int32), names, cells)


def take_cells(cells: Cells, which: Bool) -> Cells:
    """Some of a column's cells, by a mask bool [n]."""
    codes = None if cells.codes is None else cells.codes[which]
    return Cells(cells.values[which], codes, cells.words)


def as_table(rows: CleanRows, clock: Clock, where: str) -> RawTable:
    """Rows as ingestion takes them, their time beyond doubt."""
    kind = pa.timestamp("us", "UTC") if clock.kind == "datetime" else pa.int64()
    time = pa.chunked_array([pa.array(rows.tick).cast(kind)])
    return RawTable(time, rows.asset, rows.assets, rows.cells, lambda row: where)


def join_rows(parts: Sequence[CleanRows]) -> CleanRows:
    """Rows of several pieces, in their order; assets in the order in which they are met."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.assets))
    code = {name: place for place, name in enumerate(names)}
    tables = [np.array([code[name] for name in part.assets], np.int32) for part in parts]
    columns = parts[0].cells
    return CleanRows(
        np.concatenate([part.tick for part in parts]),
        np.concatenate([t[part.asset] for t, part in zip(tables, parts, strict=True)]),
        names,
        {name: reduce(join_cells, (part.cells[name] for part in parts)) for name in columns},
    )


def name_cells(names: Sequence[str | None]) -> Cells:
    """Cells that hold names, None where missing."""
    words = tuple(dict.fromkeys(name for name in names if name is not None))
    code = {word: place for place, word in enumerate(words)}
    codes = np.array([-1 if name is None else code[name] for name in names], np.int32)
    return Cells(np.full(len(names), np.nan), codes, words)


def join_cells(first: Cells, second: Cells) -> Cells:
    """One column's cells followed by others of it."""
    values = np.concatenate([first.values, second.values])
    if first.codes is None and second.codes is None:
        return Cells(values, None, ())
    words = tuple(dict.fromkeys((*first.words, *second.words)))
    place = {word: code for code, word in enumerate(words)}
    parts = []
    for cells in (first, second):
        table = np.array([*(place[word] for word in cells.words), -1], np.int32)
        codes = np.full(len(cells.values), -1, np.int32) if cells.codes is None else cells.codes
        parts.append(table[codes])
    return Cells(values, np.concatenate(parts), words)
