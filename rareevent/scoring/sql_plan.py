"""What a scoring job takes where its input, its output, or both are tables of a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rareevent.bundle import Bundle
from rareevent.errors import ModelError
from rareevent.ingestion.exclusions import read_bound
from rareevent.ingestion.files import digest, find_files
from rareevent.ingestion.readers import read_names
from rareevent.ingestion.sql import SqlSource, is_sql, parse_sql
from rareevent.scoring.carry import Reader
from rareevent.scoring.folder import MANIFEST_FILE
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.job import ScoreOptions, check_place
from rareevent.scoring.late_events import LateEvents, find_late, read_taken
from rareevent.scoring.plan import InputFile, Plan, make_plan
from rareevent.scoring.sql_input import KEY, NewRows, count_new, spool, table_names
from rareevent.scoring.sql_output import look_at_tables
from rareevent.scoring.sql_tables import ScoreTables
from rareevent.scoring.store import Store, check_owner, empty_store, identity, open_store

# Numbers of a page, as many as are read of a file at once.
_PAGE_CELLS = 1 << 24
_FEWEST_ROWS, _MOST_ROWS = 1 << 14, 1 << 20


@dataclass(frozen=True)
class SqlWork:
    """What stays the same for a whole job: what is read, and how; and the first time to write."""

    source: str
    reader: Reader
    since: int | None


def plan_tables(
    bundle: Bundle,
    source: str,
    output: str,
    options: ScoreOptions | None = None,
    events: str | Path | None = None,
) -> dict[str, Any]:
    """What `score_to_tables` or `score_from_table` would take, as plain data; no row is written.

    Raises
    ------
    ConfigError, ModelError, DataError, OutputError, LockedError
        As they do.
    """
    options = options or ScoreOptions()
    work = open_work(bundle, source, events, options)
    if not is_sql(output):
        state = Path(output, MANIFEST_FILE) if options.state is None else Path(options.state)
        with open_store(state, "read") as store:
            check_place(Path(output), state, store)
            check_owner(store, bundle)
            late = find_late(work.reader, read_taken(store))
            return _plan_rows(work, marks_of(store), late)
    target, model = parse_sql(output, "--output"), model_key(bundle, options.model)
    with look_at_tables(target, bundle, model) as tables:
        if tables is not None and not options.reprocess:
            check_bundle(bundle, tables)
        known = None if options.reprocess else tables
        late = find_late(work.reader, {} if known is None else known.read_taken())
        if not is_sql(source):
            return plan_new_files(work, known).with_late(late).to_json(bundle)
        return _plan_rows(work, {} if known is None else known.read_marks(), late)


def _plan_rows(work: SqlWork, marks: Mapping[str, int], late: LateEvents) -> dict[str, Any]:
    wanted = _wanted(work.reader, work.source, marks)
    rows, first = count_new(wanted)
    name = wanted.source.shown
    entry = {"file": name, "sha256": None, "rows": rows, "first": first, "grew": bool(marks)}
    plan = Plan((), 0, {}).with_late(late).to_json(work.reader.bundle)
    return plan | {"files": [entry] if rows else []}


def marks_of(store: Store) -> dict[str, int]:
    """Asset -> last time taken, in ticks."""
    return dict(store.connection.execute("SELECT asset, last FROM states"))


def model_key(bundle: Bundle, known_as: str) -> str:
    """What a model version is called in a database; other contents never share a name."""
    return known_as if known_as.startswith("models:/") else f"bundle {identity(bundle)[:16]}"


def open_work(
    bundle: Bundle, source: str, events: str | Path | None, options: ScoreOptions
) -> SqlWork:
    """What a job reads, and how.

    Raises
    ------
    ConfigError, ModelError, DataError
        When the source cannot be read, or does not fit the model.
    """
    if is_sql(source):
        table = parse_sql(source, KEY)
        names, where = table_names(table), table.shown
    else:
        first = find_files(source, KEY)[0]
        names, where = read_names(first, bundle.config.ingest), str(first)
    check_columns(bundle, names, where)
    reader = replace(open_reader(bundle, names, events), evidence=options.evidence)
    since = options.since
    if since is not None:
        since = read_bound(since, "--since", bundle.config.ingest, bundle.clock)
    return SqlWork(source, reader, since)


def spooled_plan(reader: Reader, source: str, marks: Mapping[str, int], folder: Path) -> Plan:
    """New rows of a database source, spooled to files that go by the source's name."""
    wanted = _wanted(reader, source, marks)
    pages = spool(wanted, folder, _rows_of(reader, marks))
    return Plan(tuple(_page(path, wanted.source, bool(marks)) for path in pages), 0, {})


def _wanted(reader: Reader, source: str, marks: Mapping[str, int]) -> NewRows:
    table = parse_sql(source, KEY)
    return NewRows(table, reader.roles, reader.stage, reader.bundle.clock, marks)


def _rows_of(reader: Reader, marks: Mapping[str, int]) -> int:
    """Rows of a page: several times as many as its assets bring along of earlier ones."""
    columns = len(reader.roles.read) + len(reader.bundle.encoder.channels)
    fitting = min(max(_PAGE_CELLS // columns, _FEWEST_ROWS), _MOST_ROWS)
    return max(fitting, 4 * reader.kept_rows * len(marks))


def _page(path: Path, source: SqlSource, again: bool) -> InputFile:
    import pyarrow.parquet as pq

    found, rows = path.stat(), pq.read_metadata(path).num_rows
    stamp = found.st_mtime_ns
    sha256, bytes_ = digest([path]), found.st_size
    return InputFile(path, source.shown, sha256, bytes_, stamp, stamp, again, rows, numbered=False)


def plan_new_files(work: SqlWork, tables: ScoreTables | None) -> Plan:
    """Files whose content was not taken before, in the order of their first times."""
    taken = {} if tables is None else tables.read_inputs()
    found = [path.absolute() for path in find_files(work.source, KEY)]
    fresh = [path for path in found if digest([path]) not in taken]
    with empty_store() as nothing:
        plan = make_plan(nothing, work.reader, fresh)
    paths = set(taken.values())
    files = tuple(replace(file, grew=file.name in paths) for file in plan.files)
    return Plan(files, plan.known + len(found) - len(fresh), {})


def check_bundle(bundle: Bundle, tables: ScoreTables) -> None:
    """Refuse to go on with what another bundle left under the same name, as of another registry.

    Raises
    ------
    ModelError
    """
    mine = identity(bundle)
    others = tables.owners() - {mine}
    if others:
        raise ModelError(
            f"{tables.target.shown}: {tables.model} is the name of another bundle there"
            f" ({min(others)[:12]}), but this model is {mine[:12]}; name another table, or score"
            " everything anew with --reprocess"
        )
