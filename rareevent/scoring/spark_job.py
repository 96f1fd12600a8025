"""The scoring job on Apache Spark: the same files in, the same output and states out.

The driver holds the output, plans and commits as the local job does; tasks read, score and stage.
So both engines may take turns on one output. All files of a job become true in one commit.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent import errors
from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Int64
from rareevent.scoring.carry import AssetState
from rareevent.scoring.drift_counts import add_counts
from rareevent.scoring.folder import check_apart
from rareevent.scoring.job import ScoreOptions, Step, begin, hold_output, open_job
from rareevent.scoring.late_events import known_by, write_heeded
from rareevent.scoring.manifest import Job, enter_input, new_rejections, part_name, stage_rejected
from rareevent.scoring.monitor import read_counts, slots_by_file, write_counts
from rareevent.scoring.output import Part, clear_staged, enter, publishing, sync_staged
from rareevent.scoring.plan import Plan
from rareevent.scoring.rescore import rescore_late
from rareevent.scoring.spark_messages import (
    ASSET,
    ERROR,
    MESSAGE_SCHEMA,
    PART,
    Message,
    read_messages,
    read_seen_arrays,
    read_state,
    rows_schema,
)
from rareevent.scoring.spark_scores import finish_assets, part_of, score_slices
from rareevent.scoring.spark_session import spark_session
from rareevent.scoring.spark_slices import cut_slices, read_files
from rareevent.scoring.spark_work import Work
from rareevent.scoring.state import (
    Seen,
    lasts_of,
    read_late,
    write_late,
    write_seen,
    write_states,
)
from rareevent.scoring.store import Store, open_store
from rareevent.scoring.summary import ScoreSummary, Totals, summarise
from rareevent.scoring.take import Tally

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Numbers of a slice: few enough that a task holds several, so many that Spark's own cost is small.
_SLICE_CELLS = 1 << 20
_FEWEST_ROWS = 1 << 12
# Partitions per core, so that no core waits long for another one's last.
_PER_CORE = 3


@dataclass
class _FileOutcome:
    """What a file came to; grows in place with what the tasks tell."""

    counts: Counter[str] = field(default_factory=Counter)
    not_scored: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    assets: set[str] = field(default_factory=set)
    events: set[tuple[str, int]] = field(default_factory=set)
    span: list[int] = field(default_factory=list)
    last: int | None = None
    silent: frozenset[str] = frozenset()
    slots: dict[int, Int64] = field(default_factory=dict)
    rejections: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Take a note in."""
        import pyarrow as pa

        facts, arrays = message.facts, message.arrays
        for name in ("rows", "scored", "rejected", "alarms"):
            self.counts[name] += facts.get(name, 0)
        self.not_scored.update(facts.get("not_scored", {}))
        self.repairs.update(facts.get("repairs", {}))
        self.assets.update(facts.get("assets", ()))
        self.events.update((asset, tick) for asset, tick in facts.get("events", ()))
        self.span += facts.get("span", ())
        self.last = facts.get("last", self.last)
        self.silent = frozenset(facts.get("silent", self.silent))
        if "slots" in arrays:
            add_counts(
                self.slots, dict(zip(arrays["slots"].tolist(), arrays["counts"], strict=True))
            )
        if "rejected" in arrays:
            with pa.ipc.open_stream(arrays["rejected"].tobytes()) as stream:
                self.rejections += stream.read_all().to_batches()

    def tally(self) -> Tally:
        """The same in figures."""
        count = self.counts
        span = (min(self.span), max(self.span)) if self.span else None
        assets, events = frozenset(self.assets), frozenset(self.events)
        return Tally(
            rows=count["rows"],
            scored=count["scored"],
            rejected=count["rejected"],
            alarms=count["alarms"],
            not_scored=self.not_scored,
            repairs=self.repairs,
            assets=assets,
            events=events,
            span=span,
            last=self.last,
            counts=self.slots,
            silent=self.silent,
        )


@dataclass
class _Outcome:
    """What a job came to; grows in place with what the tasks tell."""

    files: list[_FileOutcome]
    parts: list[Part] = field(default_factory=list)
    states: dict[str, AssetState] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    late: dict[str, int] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Take a message in.

        Raises
        ------
        RareEventError
            What went wrong in a task.
        """
        if message.kind == ERROR:
            raise getattr(errors, message.facts["type"])(message.facts["text"])
        if message.kind == PART:
            self.parts.append(part_of(message))
        elif message.kind == ASSET:
            state = read_state(message)
            if state is not None:
                self.states[message.asset] = state
            self.seen += read_seen_arrays(message)
        else:
            self.files[message.rank].add(message)
            for asset, since in message.facts.get("late", {}).items():
                self.late[asset] = min(since, self.late.get(asset, since))


def score_on_spark(
    bundle: Bundle,
    source: str | Path,
    output: str | Path,
    events: str | Path | None = None,
    options: ScoreOptions | None = None,
    *,
    slice_rows: int | None = None,
    step: Step = lambda task, done, total, detail: None,
    stop: Callable[[], bool] = lambda: False,
) -> ScoreSummary:
    """Score the files that were not scored before, on Spark; the output is that of `score_files`.

    Input, output and state must be seen by all machines under the same paths, and rareevent must
    be installed on them; the model travels with the job.

    Parameters
    ----------
    bundle, source, output, events, options, step : as for `score_files`
    slice_rows : rows of an asset that are scored at once; None for what suits the columns
    stop : asked before the work begins, and before each group of assets that are scored anew

    Raises
    ------
    ConfigError
        When Spark cannot run here.
    ModelError, DataError, OutputError, LockedError
        As `score_files`. Nothing is taken then.
    """
    started = time.perf_counter()
    options, folder, totals = options or ScoreOptions(), Path(output).absolute(), Totals()
    check_apart(folder, source)
    job, files = open_job(bundle, source, folder, events, options)
    with hold_output(job):
        plan = begin(job, files)
        with open_store(job.state, "write") as store:
            stopped = bool(plan.files) and stop()
            if plan.files and not stopped:
                rows = slice_rows or _rows_of_slice(job)
                outcome = _run(job, plan, rows, options.master, step)
                _commit(job, store, plan, outcome, totals)
            if options.reprocess and not stopped:
                totals.rescored, stopped = rescore_late(job, store, plan.named, stop)
            totals.kept, late = read_counts(store), read_late(store)
    words = {asset: bundle.clock.text(since) for asset, since in late.items()}
    seconds = round(time.perf_counter() - started, 3)
    return summarise(job, plan, totals, words, stopped, seconds)


def _rows_of_slice(job: Job) -> int:
    """Rows of a slice, several times as many as it brings along of earlier ones."""
    columns = len(job.reader.roles.read) + len(job.reader.bundle.encoder.channels)
    return max(_SLICE_CELLS // columns, _FEWEST_ROWS, 4 * job.reader.kept_rows)


def _run(job: Job, plan: Plan, slice_rows: int, master: str | None, step: Step) -> _Outcome:
    """Have the tasks do the work; nothing is entered yet."""
    digests = "".join(file.sha256 for file in plan.files)
    name = part_name(hashlib.sha256(digests.encode()).hexdigest(), job.reader.bundle)
    state = job.state.absolute()
    work = Work(
        job.reader,
        plan.files,
        job.folder,
        state,
        job.model,
        job.format,
        job.since,
        name,
        slice_rows,
    )
    outcome = _Outcome([_FileOutcome() for _ in plan.files])
    total = sum(file.rows for file in plan.files)
    try:
        with spark_session(master) as session:
            step("scoring", 0, total, "on Spark")
            for message in _messages(_work_through(session, work)):
                outcome.add(message)
    except BaseException:
        _clear(job)
        raise
    step("scoring", total, total, "")
    return outcome


def _clear(job: Job) -> None:
    with open_store(job.state, "write") as store:
        clear_staged(store, job.folder)


def _work_through(session: SparkSession, work: Work) -> DataFrame:
    """The four stages, one after the other."""
    sent = session.sparkContext.broadcast(work)
    roles, spread = work.reader.roles, _PER_CORE * session.sparkContext.defaultParallelism
    files = len(work.files)
    ranks = session.range(files).selectExpr("cast(id as int) as rank")
    # A task per file; by range, because hashing would put several files into one task.
    ranks = ranks.repartitionByRange(files, "rank")
    read = ranks.mapInArrow(lambda batches: read_files(sent.value, batches), rows_schema(roles))
    by_asset = read.repartition(spread, "asset")
    ordered = by_asset.sortWithinPartitions("asset", "rank", "tick", "number")
    cut = ordered.mapInArrow(lambda batches: cut_slices(sent.value, batches), MESSAGE_SCHEMA)
    slices = cut.repartition(spread, "asset", "place")
    scored = slices.mapInArrow(lambda batches: score_slices(sent.value, batches), MESSAGE_SCHEMA)
    whole = scored.repartition(spread, "asset").sortWithinPartitions("asset", "place")
    return whole.mapInArrow(lambda batches: finish_assets(sent.value, batches), MESSAGE_SCHEMA)


def _messages(frame: DataFrame) -> Iterator[Message]:
    # Other than an iterator over the rows, this has all partitions worked on at once.
    return read_messages(frame.toArrow().to_batches())


def _commit(job: Job, store: Store, plan: Plan, outcome: _Outcome, totals: Totals) -> None:
    """Enter all files with what follows from them: all of it, or nothing."""
    bundle, parts = job.reader.bundle, list(outcome.parts)
    taken = [(file, done.tally()) for file, done in zip(plan.files, outcome.files, strict=True)]
    with publishing(store, job.folder):
        for file, done in zip(plan.files, outcome.files, strict=True):
            rejections = new_rejections(job, store, file, done.rejections)
            parts += stage_rejected(job, rejections, part_name(file.sha256, bundle))
        sync_staged(job.folder)
        with store.transaction() as connection:
            for file, tally in taken:
                number = enter_input(connection, job, file, tally)
                write_counts(connection, slots_by_file(bundle, tally.counts, number))
                connection.execute("DELETE FROM waiting WHERE path = ?", (file.name,))
            enter(connection, parts, 0)
            write_states(connection, outcome.states)
            write_seen(connection, outcome.seen)
            write_late(connection, outcome.late)
            write_heeded(connection, known_by(job.reader, lasts_of(outcome.states)))
    for file, tally in taken:
        totals.add(file, tally)
