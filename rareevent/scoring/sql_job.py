"""The scoring job where its input, its output, or both are tables of a database."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rareevent.bundle import Bundle
from rareevent.errors import ConfigError
from rareevent.ingestion.exclusions import read_bound
from rareevent.ingestion.files import digest, find_files
from rareevent.ingestion.readers import read_names
from rareevent.ingestion.sql import SqlSource, is_sql, parse_sql
from rareevent.scoring.carry import Reader
from rareevent.scoring.folder import MANIFEST_FILE, check_apart
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.job import Callbacks, ScoreOptions, Step, Watch, begin, hold_output, take_all
from rareevent.scoring.manifest import Job
from rareevent.scoring.pieces import take_file
from rareevent.scoring.plan import InputFile, Plan, make_plan
from rareevent.scoring.sql_input import KEY, NewRows, count_new, spool, table_names
from rareevent.scoring.sql_output import ScoreTables, open_tables, upsert
from rareevent.scoring.sql_rows import alarm_rows, rejected_rows, score_rows
from rareevent.scoring.state import read_late
from rareevent.scoring.store import Store, empty_store, identity, open_store
from rareevent.scoring.summary import ScoreSummary, Totals, summarise
from rareevent.scoring.survey import survey_file
from rareevent.scoring.take import Past, Source, Taking

# Numbers of a page, as many as are read of a file at once.
_PAGE_CELLS = 1 << 24
_FEWEST_ROWS, _MOST_ROWS = 1 << 14, 1 << 20


@dataclass(frozen=True)
class _Work:
    """What stays the same for a whole job: what is read, and how; and the first time to write."""

    source: str
    reader: Reader
    since: int | None


def score_to_tables(
    bundle: Bundle,
    source: str,
    output: str,
    events: str | Path | None = None,
    options: ScoreOptions | None = None,
    *,
    step: Step = lambda task, done, total, detail: None,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda done: None,
) -> ScoreSummary:
    """Score what was not scored before into tables of a database, a transaction per file or page.

    Rows of the output are keyed by asset, time and model version; each version has states of its
    own, so a new one scores all that the source holds.

    Parameters
    ----------
    bundle : Bundle
    source : file, directory or glob; or a SQLAlchemy URL with "#" and a table or a query
    output : SQLAlchemy URL of PostgreSQL or SQLite with "#" and the table of the scores
    events : file of known events, or a database source of them
    options : ScoreOptions
    step : called with a task's name, how much is done of how much, and a word on where it stands
    stop : asked before each page; once it is true the job ends
    watch : called with each piece once it is scored

    Raises
    ------
    ConfigError
        When an option means nothing where the output is a database.
    ModelError, DataError, OutputError, LockedError
        As `score_files`.
    """
    started = time.perf_counter()
    options = options or ScoreOptions()
    target = parse_sql(output, "--output")
    _refuse_options(options)
    work = _open_work(bundle, source, events, options)
    model, totals, late = model_key(bundle, options.model), Totals(), {}
    with open_tables(target, bundle, model) as tables:
        if options.reprocess:
            tables.start_over()
        with _inputs(work, tables) as plan:
            call = Callbacks(step, stop, watch)
            stopped = _take_all(work, tables, plan, totals, late, call)
    job = Job(work.reader, Path(), Path(), model, options.format, work.since, options.reprocess)
    words = {asset: bundle.clock.text(since) for asset, since in late.items()}
    seconds = round(time.perf_counter() - started, 3)
    summary = summarise(job, plan, totals, words, stopped, seconds)
    return replace(summary, output=target.shown)


def score_from_table(
    bundle: Bundle,
    source: str,
    output: str | Path,
    events: str | Path | None = None,
    options: ScoreOptions | None = None,
    *,
    step: Step = lambda task, done, total, detail: None,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda done: None,
) -> ScoreSummary:
    """Score the rows of a table or query that were not scored before into an output directory.

    Parameters
    ----------
    bundle, events, options, step, stop, watch : as for `score_files`
    source : SQLAlchemy URL with "#" and a table or a query
    output : directory

    Raises
    ------
    ConfigError, ModelError, DataError, OutputError, LockedError
        As `score_files`.
    """
    started = time.perf_counter()
    options, folder = options or ScoreOptions(), Path(output)
    if options.reprocess:
        raise ConfigError(
            "--reprocess: reads files again, and a database is no file; name a new output, or"
            " write to a database too"
        )
    check_apart(folder, [])
    work, totals = _open_work(bundle, source, events, options), Totals()
    state = folder / MANIFEST_FILE if options.state is None else Path(options.state)
    known_as = options.model or f"bundle {identity(bundle)[:12]}"
    job = Job(work.reader, folder, state, known_as, options.format, work.since, False)
    with hold_output(job), tempfile.TemporaryDirectory(prefix="rareevent-") as pages:
        begin(job, ())
        with open_store(job.state, "write") as store:
            plan = spooled_plan(work.reader, source, _marks_of(store), Path(pages))
            stopped = take_all(job, store, plan, totals, Callbacks(step, stop, watch))
            late = {a: bundle.clock.text(since) for a, since in read_late(store).items()}
    seconds = round(time.perf_counter() - started, 3)
    return summarise(job, plan, totals, late, stopped, seconds)


def plan_tables(
    bundle: Bundle, source: str, output: str, options: ScoreOptions | None = None
) -> dict[str, Any]:
    """What `score_to_tables` or `score_from_table` would take, as plain data; no row is written.

    Raises
    ------
    ConfigError, ModelError, DataError, OutputError, LockedError
        As they do.
    """
    options = options or ScoreOptions()
    work = _open_work(bundle, source, None, options)
    if not is_sql(output):
        state = Path(output, MANIFEST_FILE) if options.state is None else Path(options.state)
        with open_store(state, "read") as store:
            return _plan_rows(work, _marks_of(store))
    target, model = parse_sql(output, "--output"), model_key(bundle, options.model)
    with open_tables(target, bundle, model) as tables:
        if not is_sql(source):
            return _plan_files(work, tables).to_json(bundle)
        return _plan_rows(work, {} if options.reprocess else tables.read_marks())


def _plan_rows(work: _Work, marks: Mapping[str, int]) -> dict[str, Any]:
    wanted = _wanted(work.reader, work.source, marks)
    rows, first = count_new(wanted)
    name = wanted.source.shown
    entry = {"file": name, "sha256": None, "rows": rows, "first": first, "grew": bool(marks)}
    return {"files": [entry] if rows else [], "known": 0, "late": {}}


def _marks_of(store: Store) -> dict[str, int]:
    """Asset -> last time taken, in ticks."""
    return dict(store.connection.execute("SELECT asset, last FROM states"))


def model_key(bundle: Bundle, known_as: str) -> str:
    """What a model version is called in a database; other contents never share a name."""
    return known_as if known_as.startswith("models:/") else f"bundle {identity(bundle)[:16]}"


def _refuse_options(options: ScoreOptions) -> None:
    if options.state is not None:
        raise ConfigError(
            "--state: the states stand beside the scores in the database, so that both change at"
            " once; leave the option out"
        )
    if options.format != "parquet":
        raise ConfigError(f"--format {options.format}: a database has no files; leave it out")


def _open_work(
    bundle: Bundle, source: str, events: str | Path | None, options: ScoreOptions
) -> _Work:
    if is_sql(source):
        table = parse_sql(source, KEY)
        names, where = table_names(table), table.shown
    else:
        first = find_files(source, KEY)[0]
        names, where = read_names(first, bundle.config.ingest), str(first)
    check_columns(bundle, names, where)
    reader = open_reader(bundle, names, events)
    since = options.since
    if since is not None:
        since = read_bound(since, "--since", bundle.config.ingest, bundle.clock)
    return _Work(source, reader, since)


@contextmanager
def _inputs(work: _Work, tables: ScoreTables) -> Iterator[Plan]:
    """What is new of the source, as files in the order of time, for as long as they are needed."""
    if not is_sql(work.source):
        yield _plan_files(work, tables)
        return
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        marks = tables.read_marks()
        yield spooled_plan(work.reader, work.source, marks, Path(folder))


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
    return InputFile(
        path, source.shown, digest([path]), found.st_size, stamp, stamp, again, rows, None
    )


def _plan_files(work: _Work, tables: ScoreTables) -> Plan:
    """Files whose content was not taken before, in the order of their first times."""
    from sqlalchemy import select

    c = tables.inputs.c
    with tables.transaction() as link:
        query = select(c.sha256, c.path).where(c.model == tables.model)
        taken = dict(link.execute(query).all())
    found = [path.absolute() for path in find_files(work.source, KEY)]
    fresh = [path for path in found if digest([path]) not in taken]
    with empty_store() as nothing:
        plan = make_plan(nothing, work.reader, fresh)
    paths = set(taken.values())
    files = tuple(replace(file, grew=file.name in paths) for file in plan.files)
    return Plan(files, plan.known + len(found) - len(fresh), {})


def _take_all(
    work: _Work,
    tables: ScoreTables,
    plan: Plan,
    totals: Totals,
    late: dict[str, int],
    call: Callbacks,
) -> bool:
    """Take the files, one after the other; whether the job was stopped before the last one."""
    total = sum(file.rows for file in plan.files)
    for file in plan.files:
        if call.stop():
            return True
        call.step("scoring", totals.rows, total, file.name)
        taking = _take(work, tables, file, call.watch)
        _commit(work, tables, file, taking)
        totals.add(file, taking.tally())
        for asset, since in taking.late.items():
            late[asset] = min(since, late.get(asset, since))
    call.step("scoring", total, total, "")
    return False


def _take(work: _Work, tables: ScoreTables, file: InputFile, watch: Watch) -> Taking:
    reader = work.reader
    survey = survey_file(file.path, reader.roles, reader.stage, reader.bundle.clock)
    past = Past(tables.read_states, tables.read_seen)
    source = Source(file.name, file.grew, work.since)
    taking = Taking(reader, past, source, survey.assets, watch)
    take_file(taking, reader, file.path, survey)
    file.check_unchanged()
    return taking


def _commit(work: _Work, tables: ScoreTables, file: InputFile, taking: Taking) -> None:
    """Write what a page comes to, and what the next one must know: all of it, or nothing."""
    bundle, rows = work.reader.bundle, taking.scored()
    with tables.transaction() as link:
        upsert(link, tables.scores, score_rows(bundle, tables.model, rows))
        upsert(link, tables.alarms, alarm_rows(bundle, tables.model, rows))
        numbered = not is_sql(work.source)
        rejected = rejected_rows(tables.model, taking.rejections, numbered)
        upsert(link, tables.rejected, rejected)
        tables.write_states(link, taking.states)
        tables.write_seen(link, taking.seen)
        upsert(link, tables.inputs, [_entry(work, tables.model, file, taking)])


def _entry(work: _Work, model: str, file: InputFile, taking: Taking) -> dict[str, Any]:
    bundle, rows = work.reader.bundle, taking.scored()
    ends = (rows.tick.min(), rows.tick.max()) if len(rows) else ()
    first, last = (bundle.clock.text(int(tick)) for tick in ends) if ends else (None, None)
    return {
        "model": model,
        "sha256": file.sha256,
        "path": file.name,
        "rows": taking.rows,
        "scored": len(rows),
        "rejected": taking.rejected,
        "alarms": int(rows.alarm.sum()),
        "not_scored": json.dumps({r: n for r, n in taking.not_scored.items() if n}),
        "first": first,
        "last": last,
        "bundle": identity(bundle),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
    }
