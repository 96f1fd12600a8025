"""Scoring anew from where late or corrected rows begin.

An asset is scored again from the gap before its first late row, as the files that were taken now
hold its rows; where several hold one asset and time, the one taken last is believed.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rareevent.errors import DataError
from rareevent.ingestion.clocks import gap_ticks
from rareevent.ingestion.frame import Bool, Int64
from rareevent.scoring.engine import NOT_FINITE, REASONS, SHORT_HISTORY
from rareevent.scoring.folder import REJECTED
from rareevent.scoring.late_events import with_heeded
from rareevent.scoring.manifest import Job, part_name, stage_rejected
from rareevent.scoring.output import (
    RETIRE,
    Format,
    Part,
    enter,
    publishing,
    read_part,
    retire,
    stage,
    sync_staged,
)
from rareevent.scoring.pieces import clean_pieces
from rareevent.scoring.places import places_of_taken
from rareevent.scoring.rejected import CONFLICTING, LATE
from rareevent.scoring.rows import CleanRows, join_rows
from rareevent.scoring.sift import no_past
from rareevent.scoring.state import (
    Seen,
    forget_seen,
    read_late,
    read_seen,
    write_seen,
    write_states,
)
from rareevent.scoring.store import Store, write_about
from rareevent.scoring.survey import Survey, survey_file
from rareevent.scoring.tables import ScoredRows, schema_of, stage_rows
from rareevent.scoring.take import Source, Taking

if TYPE_CHECKING:
    import pyarrow as pa

# Assets are scored anew in groups whose rows, so many, are in memory together.
_GROUP_CELLS = 1 << 25
_NEVER, _FOREVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max
# What was said of rows that are scored anew, and will be said again where it still holds.
_OUTDATED = (LATE, CONFLICTING, SHORT_HISTORY, NOT_FINITE, *REASONS.values())
_SUFFIX = re.compile(r"(-r\d+)?(\.\w+)$")


@dataclass(frozen=True)
class _Restart:
    """Where an asset is scored anew, in ticks.

    Attributes
    ----------
    since : its first late row
    start : where reading begins
    written : where writing begins: at `since`, or where a job's `--since` is later, there
    """

    since: int
    start: int
    written: int


def rescore_late(
    job: Job, store: Store, named: Mapping[str, Path], stop: Callable[[], bool]
) -> tuple[int, bool]:
    """Score anew all assets with late rows, a group of them per transaction.

    Parameters
    ----------
    job, store : Job, Store
    named : digest -> a file of the input that holds it, for files that were renamed
    stop : asked before each group; once it is true the others wait for the next call

    Returns
    -------
    rows : written anew
    stopped : whether groups were left

    Raises
    ------
    DataError
        When a file that was taken is gone, or was changed and not taken since; when rows that
        were scored stand in no file any more.
    """
    rows = 0
    for group in _groups(job, store):
        if stop():
            return rows, True
        rows += _rescore_group(job, store, group, named)
    return rows, False


def _groups(job: Job, store: Store) -> Iterator[dict[str, _Restart]]:
    most = _GROUP_CELLS // (len(job.reader.roles.read) + len(job.reader.bundle.encoder.channels))
    group: dict[str, _Restart] = {}
    held = 0
    for asset, since in read_late(store).items():
        start, rows = _start(job, store, asset, since)
        if group and held + rows > most:
            yield group
            group, held = {}, 0
        written = since if job.since is None else max(since, job.since)
        group[asset], held = _Restart(since, start, written), held + rows
    if group:
        yield group


def _start(job: Job, store: Store, asset: str, since: int) -> tuple[int, int]:
    """The first row after the last gap before a time, and the rows known from there on."""
    bundle = job.reader.bundle
    known = read_seen(store, asset, _NEVER, _FOREVER).tick
    before = np.append(known[known < since], since)
    gaps = np.flatnonzero(np.diff(before) > gap_ticks(bundle.config.ingest, bundle.clock))
    start = int(before[gaps[-1] + 1]) if len(gaps) else _NEVER
    return start, int((known >= start).sum())


def _rescore_group(
    job: Job, store: Store, group: Mapping[str, _Restart], named: Mapping[str, Path]
) -> int:
    taking = _take_anew(job, store, group, named)
    number = int(store.about("rescorings") or 0) + 1
    rows = _to_be_written(taking.scored(), group)
    # Other than what is left of an earlier rescoring's part, which gets this number as its suffix.
    name = part_name(f"rescored{number}", job.reader.bundle)
    with publishing(store, job.folder):
        parts, gone = _without_outdated(job, store, group, number)
        parts += stage_rows(job.folder, job.reader.bundle, job.model, rows, name, job.format)
        parts += stage_rejected(job, _outdated_batches(taking.rejections, group), name)
        sync_staged(job.folder)
        with store.transaction() as connection:
            retire(connection, gone)
            enter(connection, parts, 0)
            _write_past(connection, taking, group)
            write_about(connection, {"rescorings": str(number)})
    return len(rows)


def _take_anew(
    job: Job, store: Store, group: Mapping[str, _Restart], named: Mapping[str, Path]
) -> Taking:
    """Score the group's rows from their starts, as the files now hold them."""
    reader, pieces, ranks = with_heeded(job.reader, store, group), [], []
    scratch = Taking(reader, no_past(), Source("files"), tuple(group))
    earliest = min(restart.start for restart in group.values())
    missing = {asset: _known_from(store, asset, group[asset].start) for asset in group}
    for rank, path in enumerate(places_of_taken(store, earliest, named)):
        survey = survey_file(path, reader.roles, reader.stage, reader.bundle.clock)
        _strike_out(missing, survey)
        for _, rows, _ in clean_pieces(scratch, reader, path, survey):
            part = rows.take(_after_start(rows, group))
            if len(part):
                pieces.append(part)
                ranks.append(np.full(len(part), rank))
    _refuse_missing(job, missing)
    taking = Taking(reader, no_past(), Source("rescored"), tuple(group))
    if pieces:
        rows = join_rows(pieces)
        rows = rows.take(_newest(rows, np.concatenate(ranks)))
        taking.add(rows, np.arange(len(rows)))
    return taking


def _known_from(store: Store, asset: str, start: int) -> Int64:
    tick = read_seen(store, asset, start, _FOREVER).tick
    return tick[tick >= start]


def _strike_out(missing: dict[str, Int64], survey: Survey) -> None:
    """Take the times that a file holds, readable or not, from those looked for."""
    for code, name in enumerate(survey.assets):
        if len(missing.get(name, ())):
            here = survey.tick[survey.timed & (survey.asset == code)]
            missing[name] = missing[name][~np.isin(missing[name], here)]


def _refuse_missing(job: Job, missing: Mapping[str, Int64]) -> None:
    """Refuse to replace rows that were scored by nothing."""
    lost = {asset: tick for asset, tick in missing.items() if len(tick)}
    if lost:
        asset, tick = next(iter(lost.items()))
        raise DataError(
            f"--reprocess: {sum(map(len, lost.values()))} rows that were scored are in no file any"
            f" more, such as that of {asset!r} at {job.reader.bundle.clock.text(int(tick[0]))};"
            " name a file that still holds them in --input, or score into another output"
        )


def _after_start(rows: CleanRows, group: Mapping[str, _Restart]) -> Bool:
    starts = [group[name].start if name in group else _FOREVER for name in rows.assets]
    inside = np.array([name in group for name in rows.assets], bool)
    return inside[rows.asset] & (rows.tick >= np.array(starts, np.int64)[rows.asset])


def _newest(rows: CleanRows, rank: np.ndarray) -> Bool:
    """Rows whose asset and time no later file holds, bool [n]."""
    order = np.lexsort((rank, rows.tick, rows.asset))
    asset, tick = rows.asset[order], rows.tick[order]
    ends = np.append((np.diff(asset) != 0) | (np.diff(tick) != 0), True)
    last = order[ends][np.searchsorted(np.flatnonzero(ends), np.arange(len(order)))]
    newest = np.empty(len(order), bool)
    newest[order] = rank[order] == rank[last]
    return newest


def _to_be_written(rows: ScoredRows, group: Mapping[str, _Restart]) -> ScoredRows:
    firsts = np.array([group[name].written for name in rows.assets], np.int64)
    return rows.take(rows.tick >= firsts[rows.asset])


def _without_outdated(
    job: Job, store: Store, group: Mapping[str, _Restart], number: int
) -> tuple[list[Part], list[str]]:
    """Parts that hold rows to be written anew, staged without them; and the parts that go."""
    import pyarrow as pa

    query = "SELECT path, kind, last_tick FROM outputs WHERE step <> ? AND last_tick >= ?"
    earliest = min(restart.written for restart in group.values())
    parts, gone = [], []
    for path, kind, last in store.connection.execute(query, (RETIRE, earliest)).fetchall():
        if not (job.folder / path).exists():
            continue
        table = read_part(job.folder / path, schema_of(kind, job.reader.bundle, evidence=True))
        outdated = _outdated(table, kind, group)
        if not outdated.any():
            continue
        gone.append(path)
        kept = table.filter(pa.array(~outdated))
        if len(kept):
            new = _SUFFIX.sub(rf"-r{number}\2", path)
            # In the format it had, whatever this job writes.
            form: Format = "csv" if path.endswith(".csv") else "parquet"
            stage(job.folder, new, table.schema, kept.to_batches(), form)
            parts.append(Part(kind, new, len(kept), last))
    return parts, gone


def _outdated(table: pa.Table, kind: str, group: Mapping[str, _Restart]) -> Bool:
    """Rows of the group from where it is written on, bool [rows]."""
    import pyarrow.compute as pc

    encoded = table["asset"].combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    # A row without an asset or a time is nobody's, and stays; its index is that of the last entry.
    sinces = np.array([*(_since(group, name) for name in names), _FOREVER])
    since = sinces[encoded.indices.fill_null(len(names)).to_numpy()]
    time = pc.fill_null(table["time"].cast("int64"), _NEVER).to_numpy()
    outdated: Bool = (time >= since) & (since < _FOREVER)
    if kind == REJECTED:
        outdated &= np.isin(np.array(table["reason"].to_pylist(), object).astype(str), _OUTDATED)
    return outdated


def _since(group: Mapping[str, _Restart], name: str) -> int:
    return group[name].written if name in group else _FOREVER


def _outdated_batches(
    batches: list[pa.RecordBatch], group: Mapping[str, _Restart]
) -> list[pa.RecordBatch]:
    """Of new rejections those that take the place of outdated ones."""
    import pyarrow as pa

    tables = [pa.Table.from_batches([batch]) for batch in batches]
    masks = [pa.array(_outdated(table, REJECTED, group)) for table in tables]
    kept = [t.filter(mask).to_batches() for t, mask in zip(tables, masks, strict=True)]
    return [batch for batch in itertools.chain.from_iterable(kept) if len(batch)]


def _write_past(
    connection: sqlite3.Connection, taking: Taking, group: Mapping[str, _Restart]
) -> None:
    write_states(connection, taking.states)
    for asset, restart in group.items():
        forget_seen(connection, asset, restart.since)
    for seen in taking.seen:
        after = seen.tick >= group[seen.asset].since
        write_seen(connection, [Seen(seen.asset, seen.tick[after], seen.prints[after])])
    connection.executemany("DELETE FROM late WHERE asset = ?", ((asset,) for asset in group))
