"""The manifest: which files were taken, what became of them, and which files of the output hold it.

It stands in the same database as the states, so that a file is entered, with all that follows from
it, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.scoring.carry import AssetState, Reader
from rareevent.scoring.folder import REJECTED
from rareevent.scoring.late_events import known_by, write_heeded
from rareevent.scoring.monitor import slots_by_file, write_counts
from rareevent.scoring.output import (
    Format,
    Part,
    enter,
    publishing,
    retire,
    settle,
    stage,
    sync_staged,
)
from rareevent.scoring.plan import InputFile
from rareevent.scoring.rejected import rejected_schema
from rareevent.scoring.state import Seen, lasts_of, write_late, write_seen, write_states
from rareevent.scoring.store import Store, identity, is_anothers, write_about
from rareevent.scoring.tables import stage_rows
from rareevent.scoring.take import Taking
from rareevent.scoring.tally import Tally
from rareevent.scoring.told import untold

if TYPE_CHECKING:
    import pyarrow as pa

_INPUT_DIGITS, _BUNDLE_DIGITS = 16, 8


@dataclass(frozen=True)
class Job:
    """What stays the same for a whole job.

    Attributes
    ----------
    reader : what the model reads
    folder : output directory
    state : the database
    model : what the model is known as
    format : of the output's files
    since : rows before this tick are not written; None for all
    reprocess : score late rows, and what a former bundle scored, anew
    """

    reader: Reader
    folder: Path
    state: Path
    model: str
    format: Format
    since: int | None
    reprocess: bool


@dataclass(frozen=True)
class Taken:
    """What files left behind, to be entered at once.

    Attributes
    ----------
    files : each with what it came to
    states : asset -> its state after them
    seen : rows taken
    late : asset -> first time of its rows that came too late
    """

    files: Sequence[tuple[InputFile, Tally]]
    states: Mapping[str, AssetState]
    seen: Sequence[Seen]
    late: Mapping[str, int]


def commit_taking(job: Job, store: Store, file: InputFile, taking: Taking) -> None:
    """Write what a file comes to, and enter it in the manifest: all of it, or nothing.

    Raises
    ------
    OutputError
        When the disk refuses.
    """
    bundle, rows = job.reader.bundle, taking.scored()
    name = part_name(file.sha256, bundle)
    with publishing(store, job.folder):
        parts = stage_rows(job.folder, bundle, job.model, rows, name, job.format)
        parts += stage_rejected(job, new_rejections(job, store, file, taking.rejections), name)
        taken = Taken([(file, taking.tally())], taking.states, taking.seen, taking.late)
        enter_taken(job, store, parts, taken)


def enter_taken(job: Job, store: Store, parts: Sequence[Part], taken: Taken) -> None:
    """Make staged parts last, and enter them with all that follows from their files, at once."""
    sync_staged(job.folder)
    numbers = []
    with store.transaction() as connection:
        for file, tally in taken.files:
            numbers.append(enter_input(connection, job, file, tally))
            slots = slots_by_file(job.reader.bundle, tally.counts, numbers[-1])
            write_counts(connection, slots)
            connection.execute("DELETE FROM waiting WHERE path = ?", (file.name,))
        # A part that several files share is no one's.
        enter(connection, parts, numbers[0] if len(numbers) == 1 else 0)
        write_states(connection, taken.states)
        write_seen(connection, taken.seen)
        write_late(connection, taken.late)
        write_heeded(connection, known_by(job.reader, lasts_of(taken.states)))


def part_name(sha256: str, bundle: Bundle) -> str:
    """The name of a file's parts: the same for the same content and bundle."""
    return f"part-{sha256[:_INPUT_DIGITS]}-{identity(bundle)[:_BUNDLE_DIGITS]}"


def new_rejections(
    job: Job, store: Store, file: InputFile, batches: list[pa.RecordBatch]
) -> list[pa.RecordBatch]:
    """Rejections of a file but for those that stand there since an earlier content of it."""
    if not file.grew:
        return batches
    bundle = job.reader.bundle
    query = "SELECT sha256 FROM inputs WHERE path = ? AND rejected > 0"
    found = store.connection.execute(query, (file.name,)).fetchall()
    names = {part_name(sha256, bundle) for (sha256,) in found}
    return untold(batches, store, job.folder, bundle.clock, names)


def stage_rejected(job: Job, batches: list[pa.RecordBatch], name: str) -> list[Part]:
    """Stage rejected rows; no file where there are none."""
    if not batches:
        return []
    clock, path = job.reader.bundle.clock, f"{REJECTED}/{name}.{job.format}"
    stage(job.folder, path, rejected_schema(clock), batches, job.format)
    times = [b.column("time").drop_null().cast("int64").to_numpy() for b in batches]
    known = np.concatenate(times)
    return [Part(REJECTED, path, sum(map(len, batches)), int(known.max()) if len(known) else None)]


def enter_input(connection: sqlite3.Connection, job: Job, file: InputFile, taken: Tally) -> int:
    """Enter a file in the manifest; its number there."""
    clock, span = job.reader.bundle.clock, taken.span
    entry = {
        "path": file.name,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "modified_ns": file.modified_ns,
        "hashed_ns": file.hashed_ns,
        "rows": taken.rows,
        "scored": taken.scored,
        "rejected": taken.rejected,
        "alarms": taken.alarms,
        "not_scored": json.dumps({r: n for r, n in taken.not_scored.items() if n}),
        "first": clock.text(span[0]) if span else None,
        "last": clock.text(span[1]) if span else None,
        "last_tick": taken.last,
        "model": job.model,
        "bundle": identity(job.reader.bundle),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    marks = ", ".join("?" * len(entry))
    query = f"INSERT INTO inputs ({', '.join(entry)}) VALUES ({marks})"
    connection.execute(query, tuple(entry.values()))
    (number,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    return int(number)


def waiting(store: Store, bundle: Bundle) -> list[Path]:
    """Files taken before that this bundle has to score anew."""
    paths = [Path(p) for (p,) in store.connection.execute("SELECT path FROM waiting")]
    if is_anothers(store, bundle):
        paths += [Path(p) for (p,) in store.connection.execute("SELECT path FROM inputs")]
    return list(dict.fromkeys(paths))


def start_over(job: Job, store: Store) -> None:
    """Forget what another bundle scored; the files that it took wait to be taken again.

    Does nothing where the store is this bundle's own.

    Raises
    ------
    DataError
        When such a file is gone.
    """
    bundle = job.reader.bundle
    if not is_anothers(store, bundle):
        return
    again = waiting(store, bundle)
    absent = [str(path) for path in again if not path.is_file()]
    if absent:
        raise DataError(
            f"--reprocess: {len(absent)} of {len(again)} files that were scored are gone, such as"
            f" {absent[0]}; put them back, or score with the new model into another output"
        )
    with store.transaction() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO waiting VALUES (?)", ((str(path),) for path in again)
        )
        for table in ("inputs", "states", "seen", "late", "monitored", "events"):
            connection.execute(f"DELETE FROM {table}")
        held = connection.execute("SELECT path FROM outputs").fetchall()
        retire(connection, (path for (path,) in held))
        write_about(connection, {"bundle": identity(bundle), "model": job.model})
    settle(store, job.folder)
