"""Files, or a table in memory, as one raw table: cells as read, rows in the order of the files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rareevent.config import Ingest
from rareevent.errors import DataError
from rareevent.ingestion.cells import CellReader, Cells, NameReader
from rareevent.ingestion.files import digest
from rareevent.ingestion.frame import Int32
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.readers import read_batches, read_names
from rareevent.ingestion.roles import Roles, absent

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# The name of the one asset of a table without an asset column.
ONLY_ASSET = "asset"


@dataclass(frozen=True)
class RawTable:
    """What was read, n rows, nothing judged yet.

    Attributes
    ----------
    time : the time column, as read
    asset : int32 [n], code into `assets`, -1 where missing
    assets : names, in natural order
    cells : name -> Cells, of the label, the sensors and the texts
    row : from a row's index to words such as "data.csv, row 17"
    """

    time: pa.ChunkedArray
    asset: Int32
    assets: tuple[str, ...]
    cells: Mapping[str, Cells]
    row: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.asset)


def read_files(files: Sequence[Path], roles: Roles, stage: Ingest, found: Findings) -> RawTable:
    """Read the columns of all files, and their digest beside.

    Raises
    ------
    DataError
        When a file cannot be read, lacks a column that the first one has, or holds no row.
    """
    gather = _Gather(roles, stage)
    starts: list[int] = []
    with ThreadPoolExecutor(1) as beside:
        # Hashing releases the interpreter, so the bytes are read twice in the time of once.
        sha256 = beside.submit(digest, files)
        for path in files:
            starts.append(gather.rows)
            _refuse_lacking(path, roles, stage)
            gather.extend(read_batches(path, stage, roles.read, found.problem), str(path))
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    pa.default_memory_pool().release_unused()
    names = tuple(str(path) for path in files)
    found.quality = replace(found.quality, files=names, source_sha256=sha256.result())
    return gather.table(where, _row_in_files(files, starts))


def read_frame(table: DataFrame, roles: Roles, stage: Ingest) -> RawTable:
    """Read the columns of a pandas table; its index is not looked at.

    Raises
    ------
    DataError
        When a column holds what is neither number, text nor time, or there is no row.
    """
    gather = _Gather(roles, stage)
    places = {str(name): place for place, name in enumerate(table.columns)}
    if len(places) < len(table.columns):
        raise DataError("the table has two columns of one name")
    arrays = [arrow_column(name, table.iloc[:, places[name]]) for name in roles.read]
    gather.extend([pa.RecordBatch.from_arrays(arrays, names=list(roles.read))], "the table")
    return gather.table("the table", lambda row: f"row {row + 1} of the table")


def arrow_column(name: str, values: Series | Sequence[Any]) -> pa.Array:
    """A column in memory as Arrow has it; numbers and words side by side become texts.

    Whole numbers too large for 64 bits become texts as well, and pandas' NA is missing.

    Raises
    ------
    DataError
        When a text is no Unicode: half of a surrogate pair, as a broken JSON escape leaves it.
    """
    try:
        return _as_arrow(values)
    except UnicodeEncodeError as error:
        raise DataError(
            f"column {name!r} holds {error.object[:20]!r}, which is no valid text; mend how it is"
            " encoded"
        ) from None


def _as_arrow(values: Series | Sequence[Any]) -> pa.Array:
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        known = pa.array([_is_known(value) for value in values])
        texts = pa.array([str(value) for value in values], pa.string())
        array = pc.if_else(known, texts, None)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _is_known(value: Any) -> bool:
    """Whether it is neither None, NaN, NaT nor NA; a comparison with NA is NA."""
    same = value == value if isinstance(value, float) else value is not None
    return bool(same) and type(value).__name__ not in ("NAType", "NaTType")


class _Gather:
    """Collects batches into columns."""

    def __init__(self, roles: Roles, stage: Ingest) -> None:
        self.rows = 0
        self._roles = roles
        self._times: list[pa.Array] = []
        self._asset = NameReader(roles.asset or ONLY_ASSET, stage.missing_values)
        names = [*roles.sensors, *roles.texts, *([roles.label] if roles.label else [])]
        self._cells = {
            name: CellReader(name, stage.missing_values, stage.decimal) for name in names
        }

    def extend(self, batches: Iterable[pa.RecordBatch], where: str) -> None:
        """Take in batches whose columns are named."""
        for batch in batches:
            try:
                self._take(batch)
            except DataError as error:
                raise DataError(f"{where}: {error}") from None

    def _take(self, batch: pa.RecordBatch) -> None:
        self.rows += len(batch)
        self._times.append(batch.column(self._roles.time))
        if self._roles.asset is not None:
            self._asset.append(batch.column(self._roles.asset))
        for name, reader in self._cells.items():
            reader.append(batch.column(name))

    def table(self, where: str, row: Callable[[int], str]) -> RawTable:
        """All that was taken in."""
        if not self.rows:
            raise DataError(f"{where}: has a header and no row")
        asset, assets = self._asset.names()
        if self._roles.asset is None:
            asset, assets = np.zeros(self.rows, np.int32), (ONLY_ASSET,)
        cells = {name: reader.cells() for name, reader in self._cells.items()}
        return RawTable(self._time_column(where), asset, assets, cells, row)

    def _time_column(self, where: str) -> pa.ChunkedArray:
        kinds = {chunk.type for chunk in self._times}
        if len(kinds) > 1:
            raise DataError(
                f"{where}: column {self._roles.time!r} is"
                f" {' in one file and '.join(sorted(map(str, kinds)))} in another; write it alike"
            )
        return pa.chunked_array(self._times)


def _refuse_lacking(path: Path, roles: Roles, stage: Ingest) -> None:
    names = read_names(path, stage)
    for name in roles.read:
        if name not in names:
            raise DataError(absent(name, names, str(path), "which other files have"))


def _row_in_files(files: Sequence[Path], starts: list[int]) -> Callable[[int], str]:
    def row(index: int) -> str:
        file = bisect_right(starts, index) - 1
        return f"{files[file]}, row {index - starts[file] + 1}"

    return row
