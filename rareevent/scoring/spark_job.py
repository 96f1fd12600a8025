"""The scoring job on Apache Spark: the same files in, the same output and states out.

The driver holds the output, plans and commits as the local job does; tasks read, score and stage.
So both engines may take turns on one output. All files of a job become true in one commit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rareevent.bundle import Bundle
from rareevent.scoring.folder import check_apart
from rareevent.scoring.job import ScoreOptions, Step, begin, hold_output, open_job
from rareevent.scoring.manifest import (
    Job,
    Taken,
    enter_taken,
    new_rejections,
    part_name,
    stage_rejected,
)
from rareevent.scoring.monitor import read_counts
from rareevent.scoring.output import clear_staged, publishing
from rareevent.scoring.plan import Plan
from rareevent.scoring.rescore import rescore_late
from rareevent.scoring.spark_messages import (
    MESSAGE_SCHEMA,
    Message,
    read_messages,
    rows_schema,
)
from rareevent.scoring.spark_outcome import FileOutcome, Outcome
from rareevent.scoring.spark_scores import finish_assets, score_slices
from rareevent.scoring.spark_session import spark_session
from rareevent.scoring.spark_slices import cut_slices, read_files
from rareevent.scoring.spark_work import Work
from rareevent.scoring.state import (
    read_late,
)
from rareevent.scoring.store import Store, open_store
from rareevent.scoring.summary import ScoreSummary, Totals, summarise

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Numbers of a slice: few enough that a task holds several, so many that Spark's own cost is small.
_SLICE_CELLS = 1 << 20
_FEWEST_ROWS = 1 << 12
# Partitions per core, so that no core waits long for another one's last.
_PER_CORE = 3


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


def _run(job: Job, plan: Plan, slice_rows: int, master: str | None, step: Step) -> Outcome:
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
    outcome = Outcome([FileOutcome() for _ in plan.files])
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


def _commit(job: Job, store: Store, plan: Plan, outcome: Outcome, totals: Totals) -> None:
    """Enter all files with what follows from them: all of it, or nothing."""
    parts, pairs = list(outcome.parts), list(zip(plan.files, outcome.files, strict=True))
    files = [(file, done.tally()) for file, done in pairs]
    with publishing(store, job.folder):
        for file, done in pairs:
            rejections = new_rejections(job, store, file, done.rejections)
            name = part_name(file.sha256, job.reader.bundle)
            parts += stage_rejected(job, rejections, name)
        enter_taken(job, store, parts, Taken(files, outcome.states, outcome.seen, outcome.late))
    for file, tally in files:
        totals.add(file, tally)
