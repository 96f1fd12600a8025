"""The batch scoring job: files in, scores, alarms and rejected rows out, each file once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rareevent.bundle import Bundle
from rareevent.errors import OutputError
from rareevent.ingestion.exclusions import read_bound
from rareevent.ingestion.files import find_files
from rareevent.ingestion.readers import read_names
from rareevent.scoring.carry import Continued
from rareevent.scoring.folder import (
    MANIFEST_FILE,
    check_apart,
    check_fresh,
    output_folder,
    state_lock,
)
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.late_events import find_late, read_taken, write_heeded
from rareevent.scoring.manifest import Job, commit_taking, start_over, waiting
from rareevent.scoring.monitor import read_counts
from rareevent.scoring.output import Format, settle
from rareevent.scoring.pieces import take_file
from rareevent.scoring.plan import InputFile, Plan, check_names, make_plan
from rareevent.scoring.rescore import rescore_late
from rareevent.scoring.sift import Past
from rareevent.scoring.state import read_late, read_seen, read_states, write_late
from rareevent.scoring.store import (
    Store,
    check_owner,
    empty_store,
    identity,
    is_anothers,
    open_store,
    write_about,
)
from rareevent.scoring.summary import ScoreSummary, Totals, summarise
from rareevent.scoring.survey import survey_file
from rareevent.scoring.take import Source, Taking

Step = Callable[[str, float, float, str], None]
Watch = Callable[[Continued], None]


@dataclass(frozen=True)
class Callbacks:
    """What a job calls while it works, see `score_files`."""

    step: Step
    stop: Callable[[], bool]
    watch: Watch


@dataclass(frozen=True)
class ScoreOptions:
    """How a job goes about its work.

    Attributes
    ----------
    state : database of manifest and states; None for `manifest.db` in the output
    since : rows before this time warm up the states and are not written; None for all
    format : of the output's files
    reprocess : score late and corrected rows, and what a former bundle scored, anew
    model : what the model is known as
    engine : where the work is done
    master : URL of Spark's cluster; None for what the environment says, else this machine
    evidence : tell of each alarm the sensors that raised it most
    """

    state: str | Path | None = None
    since: int | str | None = None
    format: Format = "parquet"
    reprocess: bool = False
    model: str = ""
    engine: Literal["local", "spark"] = "local"
    master: str | None = None
    evidence: bool = False


def score_files(
    bundle: Bundle,
    source: str | Path | Sequence[Path],
    output: str | Path,
    events: str | Path | None = None,
    options: ScoreOptions | None = None,
    *,
    step: Step = lambda task, done, total, detail: None,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda done: None,
) -> ScoreSummary:
    """Score every file of the input that was not scored before, in the order of time.

    The input needs no label. Without an event feed only gaps cut segments; with one, an event
    counts as known from its time plus the pipeline's `score.event_delay`. Each asset's last rows
    and alarm state are carried over from file to file and from job to job.

    Parameters
    ----------
    bundle : Bundle
    source : file, directory, glob, or several files
    output : directory; gets `scores/`, `alarms/` and `rejected/`, and `manifest.db`
    events : file of known events, one row each
    options : ScoreOptions
    step : called with a task's name, how much is done of how much, and a word on where it stands
    stop : asked before each file, and before each group of assets that are scored anew; once it is
        true the job ends
    watch : called with each piece once it is scored: its rows as read, and their scores

    Raises
    ------
    ModelError
        When the input lacks columns that the model reads, or another bundle wrote the output.
    DataError
        When a file or the event feed cannot be read. Files taken before stay taken.
    OutputError
        When the output cannot be written, or is part of the input.
    LockedError
        When another job writes there.
    """
    started = time.perf_counter()
    options = options or ScoreOptions()
    folder = Path(output)
    check_apart(folder, source)
    job, files = open_job(bundle, source, folder, events, options)
    totals = Totals()
    with hold_output(job):
        plan = begin(job, files)
        with open_store(job.state, "write") as store:
            stopped = take_all(job, store, plan, totals, Callbacks(step, stop, watch))
            if options.reprocess and not stopped:
                totals.rescored, stopped = rescore_late(job, store, plan.named, stop)
            late = read_late(store)
    texts = {asset: bundle.clock.text(since) for asset, since in late.items()}
    seconds = round(time.perf_counter() - started, 3)
    return summarise(job, plan, totals, texts, stopped, seconds)


def plan_files(
    bundle: Bundle,
    source: str | Path | Sequence[Path],
    output: str | Path,
    options: ScoreOptions | None = None,
    events: str | Path | None = None,
) -> dict[str, Any]:
    """What `score_files` would take, as plain data; nothing is written.

    Parameters
    ----------
    bundle, source, output, options, events : as for `score_files`

    Raises
    ------
    ModelError, DataError, OutputError
        As `score_files`.
    """
    options, folder = options or ScoreOptions(), Path(output)
    check_apart(folder, source)
    job, files = open_job(bundle, source, folder, events, options)
    with open_store(job.state, "read") as store, empty_store() as nothing:
        check_place(job.folder, job.state, store)
        if not options.reprocess:
            check_owner(store, bundle)
        again = waiting(store, bundle)
        known = nothing if is_anothers(store, bundle) else store
        plan = make_plan(known, job.reader, [*again, *files])
        return plan.with_late(find_late(job.reader, read_taken(known))).to_json(bundle)


def open_job(
    bundle: Bundle,
    source: str | Path | Sequence[Path],
    folder: Path,
    events: str | Path | None,
    options: ScoreOptions,
) -> tuple[Job, tuple[Path, ...]]:
    """What a job is about, and the files it may take.

    Raises
    ------
    ModelError, DataError, ConfigError
        As `score_files`.
    """
    files = find_files(source, "--input")
    check_names(files)
    names = read_names(files[0], bundle.config.ingest)
    check_columns(bundle, names, str(files[0]))
    reader = replace(open_reader(bundle, names, events), evidence=options.evidence)
    state = folder / MANIFEST_FILE if options.state is None else Path(options.state)
    since = options.since
    if since is not None:
        since = read_bound(since, "--since", bundle.config.ingest, bundle.clock)
    known_as = options.model or f"bundle {identity(bundle)[:12]}"
    return Job(reader, folder, state, known_as, options.format, since, options.reprocess), files


@contextmanager
def hold_output(job: Job) -> Iterator[None]:
    """Output and state, held by this job alone.

    Raises
    ------
    LockedError
        When another job holds one of them.
    """
    with ExitStack() as stack:
        stack.enter_context(output_folder(job.folder))
        if job.state.parent.resolve() != job.folder.resolve():
            stack.enter_context(state_lock(job.state))
        yield


def begin(job: Job, files: Sequence[Path]) -> Plan:
    """Put the folder in order and tell what there is to do; a refusal leaves nothing behind."""
    bundle = job.reader.bundle
    with open_store(job.state, "write" if job.state.exists() else "read") as store:
        check_place(job.folder, job.state, store)
        if store.about("bundle") is not None:
            settle(store, job.folder)
        if job.reprocess:
            start_over(job, store)
        else:
            check_owner(store, bundle)
        plan = make_plan(store, job.reader, [*waiting(store, bundle), *files])
    with open_store(job.state, "write") as store, store.transaction() as connection:
        facts = {"bundle": identity(bundle), "model": job.model}
        write_about(connection, facts | {"output": str(job.folder.resolve())})
        events = find_late(job.reader, read_taken(store))
        write_heeded(connection, events.events)
        write_late(connection, events.since)
    return plan.with_late(events)


def check_place(folder: Path, state: Path, store: Store) -> None:
    """Refuse an output without its state, and a state that speaks of another output.

    Raises
    ------
    OutputError
    """
    if store.about("bundle") is None:
        check_fresh(folder)
        return
    inside = state.parent.resolve() == folder.resolve()
    place = store.about("output")
    if not inside and place != str(folder.resolve()):
        raise OutputError(
            f"{state}: is the state of {place}, not of {folder}; a state belongs to one output"
        )


def take_all(job: Job, store: Store, plan: Plan, totals: Totals, call: Callbacks) -> bool:
    """Take the files, one after the other; whether the job was stopped before the last one."""
    total, stopped = sum(file.rows for file in plan.files), False
    for file in plan.files:
        if call.stop():
            stopped = True
            break
        before = totals.rows

        def tell(rows: int, file: InputFile = file, before: int = before) -> None:
            call.step("scoring", before + rows, total, file.path.name)

        tell(0)
        taking = _take(job, store, file, tell, call.watch)
        commit_taking(job, store, file, taking)
        totals.add(file, taking.tally())
    else:
        call.step("scoring", total, total, "")
    totals.kept = read_counts(store)
    return stopped


def _take(
    job: Job, store: Store, file: InputFile, tell: Callable[[int], None], watch: Watch
) -> Taking:
    reader = job.reader
    survey = survey_file(file.path, reader.roles, reader.stage, reader.bundle.clock)
    past = Past(partial(read_states, store), partial(read_seen, store))
    source = Source(file.name, file.grew, job.since, file.numbered)
    taking = Taking(reader, past, source, survey.assets, watch)
    take_file(taking, reader, file.path, survey, tell)
    file.check_unchanged()
    return taking
