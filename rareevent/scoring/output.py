"""What a scoring job writes: whole or not at all, by one job at a time, never over its input."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rareevent.errors import LockedError, OutputError
from rareevent.ingestion.frame import Clock, Int32

if TYPE_CHECKING:
    import pyarrow as pa
    from filelock import FileLock

SCORES_FILE = "scores.parquet"
ALARMS_FILE = "alarms.parquet"
_LOCK_FILE = ".rareevent.lock"
_TEMPORARY = ".rareevent-{}.tmp"
# Rows turned into Arrow columns at once.
_CHUNK = 1 << 18


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """The output directory, held by this job alone; it and nothing else is left behind.

    Raises
    ------
    LockedError
        When another job holds it.
    OutputError
        When it cannot be made.
    """
    lock, made = _hold(folder)
    try:
        yield folder
    finally:
        # Removed while held: who opened it in the meantime notices and starts over.
        (folder / _LOCK_FILE).unlink(missing_ok=True)
        lock.release()
        if made:
            # Goes away again unless something was written.
            with contextlib.suppress(OSError):
                folder.rmdir()


def _hold(folder: Path) -> tuple[FileLock, bool]:
    """The lock on the directory, and whether the directory was made for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_FILE, timeout=0)
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        for left in folder.glob(_TEMPORARY.format("*")):
            left.unlink(missing_ok=True)
    except Timeout:
        raise LockedError(
            f"{folder}: another job is writing there; wait for it or name another output"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error}") from error
    return lock, made


def check_apart(folder: Path, source: str | Path | Sequence[Path]) -> None:
    """Refuse an output that the input would take for its own data.

    Parameters
    ----------
    folder : output directory
    source : file, directory or glob, or several files

    Raises
    ------
    OutputError
        When the output is the input, lies inside it, or matches its glob.
    """
    several = [source] if isinstance(source, str | Path) else list(source)
    places = {folder.absolute(), folder.resolve()}
    targets = [place / name for place in places for name in (SCORES_FILE, ALARMS_FILE)]
    for given in several:
        place = Path(given).absolute()
        if any(_reads(place, target) for target in targets):
            raise OutputError(
                f"{folder}: the output would become part of the input {given}; name an output"
                " outside of it"
            )
    # Other than Path.exists, this raises nothing, whatever the name.
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise OutputError(f"{folder}: is a file; the output must be a directory")


def _reads(place: Path, target: Path) -> bool:
    """Whether an input given as file, directory or glob covers a target file."""
    resolved = place.resolve()
    if resolved == target or (resolved.is_dir() and target.is_relative_to(resolved)):
        return True
    return fnmatch.fnmatchcase(str(target), str(place))


def write_rows(
    folder: Path,
    tables: Sequence[tuple[str, pa.Schema, Iterator[pa.RecordBatch]]],
) -> None:
    """Write Parquet files under temporary names, then rename them into place one by one.

    A reader sees the old file or the new one, complete; a job killed before the first rename
    leaves all old ones.

    Raises
    ------
    OutputError
        When the disk refuses.
    """
    import pyarrow.parquet as pq

    staged = {name: folder / _TEMPORARY.format(uuid.uuid4().hex) for name, _, _ in tables}
    try:
        for name, schema, batches in tables:
            with pq.ParquetWriter(staged[name], schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            _sync(staged[name])
        for name, path in staged.items():
            os.replace(path, folder / name)
        _sync(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error}") from error
    finally:
        for path in staged.values():
            path.unlink(missing_ok=True)


def row_batches(
    schema: pa.Schema, assets: Sequence[str], asset: Int32, columns: Sequence[np.ndarray]
) -> Iterator[pa.RecordBatch]:
    """Record batches of (asset name, *columns), a bounded number of rows at a time."""
    import pyarrow as pa

    names = pa.array(list(assets), pa.string())
    for low in range(0, len(asset), _CHUNK):
        part = slice(low, low + _CHUNK)
        text = names.take(pa.array(asset[part].astype(np.int64)))
        fields = zip(schema.types[1:], columns, strict=True)
        yield pa.record_batch([text, *(_arrow(c[part], kind) for kind, c in fields)], schema)


def row_schema(clock: Clock, *more: tuple[str, str]) -> pa.Schema:
    """asset, time, then the columns named, each ("name", "float64" or "bool").

    `time` is a timestamp in microseconds, UTC without a zone, or an int64 where it is an age.
    """
    import pyarrow as pa

    time = pa.timestamp("us") if clock.kind == "datetime" else pa.int64()
    kinds = {"float64": pa.float64(), "bool": pa.bool_()}
    fields = [("asset", pa.string()), ("time", time), *((n, kinds[k]) for n, k in more)]
    return pa.schema(fields)


def _arrow(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(values).cast(kind)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
