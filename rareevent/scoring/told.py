"""Rejections that stand in the output already: a source that is read again repeats its bad rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.ingestion.frame import Clock
from rareevent.scoring.folder import REJECTED
from rareevent.scoring.output import RETIRE, read_part
from rareevent.scoring.rejected import rejected_schema
from rareevent.scoring.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

# What a rejection is known by; its file is the same one.
_KEY = ("row", "asset", "time", "reason", "detail")
# Of a part: what a rescoring left of it, and its format.
_SUFFIX = re.compile(r"(-r\d+)?\.\w+$")


def untold(
    batches: Sequence[pa.RecordBatch],
    store: Store,
    folder: Path,
    clock: Clock,
    names: Collection[str],
) -> list[pa.RecordBatch]:
    """Rejections but for those that stand in some earlier parts.

    Parameters
    ----------
    batches : rejected rows of one source
    store, folder : of the output
    clock : of the times
    names : of the parts that the same source left before, see `part_name`
    """
    import pyarrow as pa

    if not batches or not names:
        return list(batches)
    told = set(_told(store, folder, clock, names))
    kept = []
    for batch in batches:
        new = batch.filter(pa.array([key not in told for key in _keys(batch)], pa.bool_()))
        if len(new):
            kept.append(new)
    return kept


def _told(
    store: Store, folder: Path, clock: Clock, names: Collection[str]
) -> Iterator[tuple[Any, ...]]:
    query = "SELECT path FROM outputs WHERE kind = ? AND step <> ?"
    for (path,) in store.connection.execute(query, (REJECTED, RETIRE)).fetchall():
        name = _SUFFIX.sub("", path.rpartition("/")[2])
        if name in names and (folder / path).exists():
            yield from _keys(read_part(folder / path, rejected_schema(clock)))


def _keys(rows: pa.RecordBatch | pa.Table) -> Iterator[tuple[Any, ...]]:
    columns = (rows.column(name).to_pylist() for name in _KEY)
    # In CSV what is missing and what is empty are one.
    return zip(*([None if v == "" else v for v in column] for column in columns), strict=True)
