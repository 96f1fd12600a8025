"""A file's first reading, of times and assets alone; and its second one, of the rest, in pieces.

The first says in which order files and rows come, and which rows have no time or asset; it keeps
13 bytes a row. So the second need not hold more than one piece of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from rareevent.config import Ingest
from rareevent.errors import DataError
from rareevent.ingestion.cells import CellReader, Cells, NameReader
from rareevent.ingestion.frame import Bool, Clock, Int32, Int64
from rareevent.ingestion.readers import read_batches
from rareevent.ingestion.roles import Roles
from rareevent.ingestion.table import ONLY_ASSET
from rareevent.ingestion.time_numbers import in_calendar
from rareevent.scoring.moments import read_moments


@dataclass(frozen=True)
class Survey:
    """Times and assets of a file's n rows, in its order.

    Attributes
    ----------
    tick : int64 [n], 0 where the time cannot be read
    timed : bool [n], the time can be read
    asset : int32 [n], code into `assets`, -1 where missing
    assets : names, in natural order
    broken : texts of further rows that do not have the fields of the header
    time_text : row -> its time as read, where that could not be read
    problem : why no row has a readable time; empty where one has, or there is no row
    """

    tick: Int64
    timed: Bool
    asset: Int32
    assets: tuple[str, ...]
    broken: tuple[str, ...]
    time_text: Mapping[int, str]
    problem: str = ""

    def __len__(self) -> int:
        return len(self.tick)

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last time; None where no row has one."""
        known = self.tick[self.timed]
        return (int(known.min()), int(known.max())) if len(known) else None

    def in_order(self) -> bool:
        """Whether each asset's times ascend strictly, so that the file can be read in pieces."""
        rows = np.flatnonzero(self.timed & (self.asset >= 0))
        asset, tick = self.asset[rows], self.tick[rows]
        if np.any(asset[1:] < asset[:-1]):
            order = np.argsort(asset, kind="stable")
            asset, tick = asset[order], tick[order]
        return not np.any((asset[1:] == asset[:-1]) & (tick[1:] <= tick[:-1]))


def survey_file(path: Path, roles: Roles, stage: Ingest, clock: Clock) -> Survey:
    """Read a file's times and assets.

    Raises
    ------
    DataError
        When the file cannot be read to its end, or its times are not of the model's kind.
    """
    broken: list[str] = []
    times: list[pa.Array] = []
    names = NameReader(roles.asset or ONLY_ASSET, stage.missing_values)
    wanted = [roles.time] if roles.asset is None else [roles.time, roles.asset]
    for batch in read_batches(path, stage, wanted, broken.append, broken.append):
        times.append(batch.column(0))
        if roles.asset is not None:
            names.append(batch.column(1))
    column = pa.chunked_array(times) if times else pa.chunked_array([], pa.string())
    asset, assets = names.names()
    if roles.asset is None:
        asset, assets = np.zeros(len(column), np.int32), (ONLY_ASSET,)
    found = read_moments(column, asset, stage, clock, str(path))
    unread = {row: _shown(column[row]) for row in np.flatnonzero(~found.read).tolist()}
    unread |= {row: f"{unread[row]} {why}" for row, why in found.doubts.items()}
    return Survey(found.ticks, found.read, asset, assets, tuple(broken), unread, found.problem)


def _shown(cell: pa.Scalar) -> str:
    if not cell.is_valid:
        return ""
    # What no calendar has is no Python object either: it is shown as the number that is stored.
    far = pa.types.is_temporal(cell.type) and not in_calendar(pa.array([cell]), None)[0]
    return str(cell.value if far else cell.as_py())


def read_pieces(
    path: Path, columns: Sequence[str], stage: Ingest, rows: int, total: int
) -> Iterator[tuple[slice, dict[str, Cells]]]:
    """The columns of a file in pieces of so many rows, each with its place among all rows.

    Parameters
    ----------
    path : the file
    columns : names
    stage : how it is written
    rows : of a piece
    total : rows that the survey found

    Raises
    ------
    DataError
        When it cannot be read to its end, or is no longer what was surveyed.
    """
    done, held, gathered = 0, 0, _readers(columns, stage)
    for batch in read_batches(path, stage, columns, _drop, _drop):
        place = 0
        while place < len(batch):
            part = batch.slice(place, rows - held)
            for name, reader in gathered.items():
                reader.append(part.column(name))
            place, held = place + len(part), held + len(part)
            if held == rows:
                yield slice(done, done + held), _cells(gathered, path, done + held, total)
                done, held, gathered = done + held, 0, _readers(columns, stage)
    if held:
        yield slice(done, done + held), _cells(gathered, path, done + held, total)
    if done + held < total:
        raise _changed(path)


def _readers(columns: Sequence[str], stage: Ingest) -> dict[str, CellReader]:
    return {name: CellReader(name, stage.missing_values, stage.decimal) for name in columns}


def _cells(gathered: dict[str, CellReader], path: Path, seen: int, total: int) -> dict[str, Cells]:
    if seen > total:
        raise _changed(path)
    return {name: reader.cells() for name, reader in gathered.items()}


def _changed(path: Path) -> DataError:
    return DataError(f"{path}: changed while it was being read; run again once it is complete")


def _drop(_text: str) -> None:
    """Broken rows were told of by the survey."""
