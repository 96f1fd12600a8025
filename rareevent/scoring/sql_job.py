"""The scoring job where its input, its output, or both are tables of a database."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rareevent.bundle import Bundle
from rareevent.errors import ConfigError
from rareevent.ingestion.sql import is_sql, parse_sql
from rareevent.scoring.folder import MANIFEST_FILE, check_apart
from rareevent.scoring.job import Callbacks, ScoreOptions, Step, Watch, begin, hold_output, take_all
from rareevent.scoring.late_events import find_late, known_by
from rareevent.scoring.manifest import Job
from rareevent.scoring.monitor import slots_by_file
from rareevent.scoring.pieces import take_file
from rareevent.scoring.plan import InputFile, Plan
from rareevent.scoring.sift import Past
from rareevent.scoring.sql_output import open_tables
from rareevent.scoring.sql_plan import (
    SqlWork,
    check_bundle,
    marks_of,
    model_key,
    open_work,
    plan_new_files,
    spooled_plan,
)
from rareevent.scoring.sql_rows import alarm_rows, rejected_rows, score_rows, upsert
from rareevent.scoring.sql_tables import ScoreTables
from rareevent.scoring.state import lasts_of, read_late
from rareevent.scoring.store import identity, open_store
from rareevent.scoring.summary import ScoreSummary, Totals, summarise
from rareevent.scoring.survey import survey_file
from rareevent.scoring.take import Source, Taking


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
    work = open_work(bundle, source, events, options)
    model, totals = model_key(bundle, options.model), Totals()
    with open_tables(target, bundle, model, options.evidence) as tables:
        if options.reprocess:
            tables.start_over()
        check_bundle(bundle, tables)
        behind = find_late(work.reader, tables.read_taken())
        with tables.transaction() as link:
            tables.write_heeded(link, behind.events)
        with _inputs(work, tables) as plan:
            plan, call = plan.with_late(behind), Callbacks(step, stop, watch)
            late = dict(plan.late)
            stopped = _take_all(work, tables, plan, totals, late, call)
        totals.kept = tables.read_counts()
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
    work, totals = open_work(bundle, source, events, options), Totals()
    state = folder / MANIFEST_FILE if options.state is None else Path(options.state)
    known_as = options.model or f"bundle {identity(bundle)[:12]}"
    job = Job(work.reader, folder, state, known_as, options.format, work.since, False)
    with hold_output(job), tempfile.TemporaryDirectory(prefix="rareevent-") as pages:
        late_events = begin(job, ()).late_events
        with open_store(job.state, "write") as store:
            plan = spooled_plan(work.reader, source, marks_of(store), Path(pages))
            plan = replace(plan, late_events=late_events)
            stopped = take_all(job, store, plan, totals, Callbacks(step, stop, watch))
            late = {a: bundle.clock.text(since) for a, since in read_late(store).items()}
    seconds = round(time.perf_counter() - started, 3)
    return summarise(job, plan, totals, late, stopped, seconds)


def _refuse_options(options: ScoreOptions) -> None:
    if options.state is not None:
        raise ConfigError(
            "--state: the states stand beside the scores in the database, so that both change at"
            " once; leave the option out"
        )
    if options.format != "parquet":
        raise ConfigError(f"--format {options.format}: a database has no files; leave it out")


@contextmanager
def _inputs(work: SqlWork, tables: ScoreTables) -> Iterator[Plan]:
    """What is new of the source, as files in the order of time, for as long as they are needed."""
    if not is_sql(work.source):
        yield plan_new_files(work, tables)
        return
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        marks = tables.read_marks()
        yield spooled_plan(work.reader, work.source, marks, Path(folder))


def _take_all(
    work: SqlWork,
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


def _take(work: SqlWork, tables: ScoreTables, file: InputFile, watch: Watch) -> Taking:
    reader = work.reader
    survey = survey_file(file.path, reader.roles, reader.stage, reader.bundle.clock)
    past = Past(tables.read_states, tables.read_seen)
    source = Source(file.name, file.grew, work.since, file.numbered)
    taking = Taking(reader, past, source, survey.assets, watch)
    take_file(taking, reader, file.path, survey)
    file.check_unchanged()
    return taking


def _commit(work: SqlWork, tables: ScoreTables, file: InputFile, taking: Taking) -> None:
    """Write what a page comes to, and what the next one must know: all of it, or nothing."""
    bundle, rows = work.reader.bundle, taking.scored()
    with tables.transaction() as link:
        upsert(link, tables.scores, score_rows(bundle, tables.model, rows))
        upsert(link, tables.alarms, alarm_rows(bundle, tables.model, rows))
        upsert(link, tables.rejected, rejected_rows(tables.model, taking.rejections))
        tables.write_states(link, taking.states)
        tables.write_seen(link, taking.seen)
        tables.write_heeded(link, known_by(work.reader, lasts_of(taking.states)))
        number = tables.next_slot(link)
        tables.write_counts(link, slots_by_file(bundle, taking.counts.slots, number))
        upsert(link, tables.inputs, [_entry(work, tables.model, file, taking)])


def _entry(work: SqlWork, model: str, file: InputFile, taking: Taking) -> dict[str, Any]:
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
