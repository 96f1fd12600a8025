"""What a scoring job writes: whole files or none.

Files are staged in a hidden folder, entered in the manifest, and then renamed into place. So what
a reader sees was committed; a job killed between the two steps leaves staged files that the next
one puts in place.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rareevent.bundle.files import sync
from rareevent.errors import OutputError
from rareevent.scoring.folder import STAGING
from rareevent.scoring.store import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.csv import CSVWriter
    from pyarrow.parquet import ParquetWriter


_SYNCED_AT_ONCE = 16
Format = Literal["parquet", "csv"]
# What is to be done with a file of the manifest once its transaction is committed. A killed job may
# have done it already, so both are done in a way that does no harm twice.
PUBLISH, RETIRE, DONE = "publish", "retire", "done"


@dataclass(frozen=True)
class Part:
    """An output file, staged.

    Attributes
    ----------
    kind : scores, alarms or rejected
    path : below the output folder, such as "scores/date=2024-03-01/part-….parquet"
    rows : in it
    last : last time in it, in ticks; None where no row has one
    """

    kind: str
    path: str
    rows: int
    last: int | None


def stage(
    folder: Path, path: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: Format
) -> None:
    """Write a file under its staged name; `sync_staged` makes it survive a power cut.

    Raises
    ------
    OutputError
        When the disk refuses; nothing is left of the file.
    """
    staged = _staged(folder, path)
    try:
        staged.parent.mkdir(exist_ok=True)
        with _writer(staged, schema, form) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise OutputError(f"{folder}: cannot be written: {error}") from error


def _writer(path: Path, schema: pa.Schema, form: Format) -> CSVWriter | ParquetWriter:
    if form == "csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter(path, schema)
    from pyarrow.parquet import ParquetWriter

    return ParquetWriter(path, schema)


def read_part(path: Path, schema: pa.Schema) -> pa.Table:
    """An output file, of either format, with the columns it was written with."""
    if path.suffix == ".csv":
        from pyarrow.csv import ConvertOptions, read_csv

        types = dict(zip(schema.names, schema.types, strict=True))
        return read_csv(path, convert_options=ConvertOptions(column_types=types))
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        return file.read()


def sync_staged(folder: Path) -> None:
    """Make staged files survive a power cut, whole; to be done before they are entered.

    Raises
    ------
    OutputError
        When the system refuses.
    """
    try:
        _sync_all((folder / STAGING).glob("*"))
        for place in (folder / STAGING, folder):
            if place.exists():
                sync(place)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error}") from error


def enter(connection: sqlite3.Connection, parts: Iterable[Part], number: int) -> None:
    """Enter staged files in the manifest, to be put in place once that is committed.

    What was entered before has been put in place by now, see `settle`.
    """
    connection.execute("UPDATE outputs SET step = ? WHERE step = ?", (DONE, PUBLISH))
    connection.executemany(
        "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?)",
        ((p.path, p.kind, number, p.rows, p.last, PUBLISH) for p in parts),
    )


def retire(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Note files that go, once that is committed."""
    connection.executemany(
        "UPDATE outputs SET step = ? WHERE path = ?", ((RETIRE, path) for path in paths)
    )


def settle(store: Store, folder: Path) -> None:
    """Bring the folder to what the manifest says: after a commit, and first of all in a job.

    Raises
    ------
    OutputError
        When the system refuses.
    """
    rows = store.connection.execute(
        "SELECT path, step FROM outputs WHERE step <> ?", (DONE,)
    ).fetchall()
    try:
        _publish(folder, [path for path, step in rows if step == PUBLISH])
        retired = [path for path, step in rows if step == RETIRE]
        for path in retired:
            (folder / path).unlink(missing_ok=True)
        for left in (folder / STAGING).glob("*"):
            left.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error}") from error
    if retired:
        with store.transaction() as connection:
            connection.execute("DELETE FROM outputs WHERE step = ?", (RETIRE,))


@contextlib.contextmanager
def publishing(store: Store, folder: Path) -> Iterator[None]:
    """Publish what is staged and entered in the manifest inside; all of it, or nothing.

    An error takes back what was staged. A kill leaves it to the next job's `settle`.

    Raises
    ------
    OutputError
        When the disk refuses.
    """
    try:
        yield
    except Exception:
        clear_staged(store, folder)
        raise
    settle(store, folder)


def clear_staged(store: Store, folder: Path) -> None:
    """Remove what was staged and not entered in the manifest."""
    query = "SELECT path FROM outputs WHERE step = ?"
    entered = {_staged(folder, path) for (path,) in store.connection.execute(query, (PUBLISH,))}
    for left in set((folder / STAGING).glob("*")) - entered:
        with contextlib.suppress(OSError):
            left.unlink(missing_ok=True)


def _publish(folder: Path, paths: Sequence[str]) -> None:
    """Put staged files in place; those that a killed job had moved already are there."""
    moved = [path for path in paths if _staged(folder, path).exists()]
    changed: set[Path] = set()
    for path in moved:
        place = (folder / path).parent
        changed.add(place)
        changed.update(above.parent for above in (place, place.parent) if not above.exists())
        place.mkdir(parents=True, exist_ok=True)
        os.replace(_staged(folder, path), folder / path)
    _sync_all(changed)


def _staged(folder: Path, path: str) -> Path:
    return folder / STAGING / path.replace("/", "__")


def _sync_all(paths: Iterable[Path]) -> None:
    """Sync many at once: a disk writes what waits together in little more time than one of them."""
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as beside:
        for _ in beside.map(sync, paths):
            pass
