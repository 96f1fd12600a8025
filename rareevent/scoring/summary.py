"""What a scoring job did, in figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rareevent.ingestion.frame import Clock, Int64
from rareevent.scoring.drift_counts import add_counts
from rareevent.scoring.drift_report import DriftReport
from rareevent.scoring.manifest import Job
from rareevent.scoring.monitor import judge_job
from rareevent.scoring.plan import InputFile, Plan
from rareevent.scoring.silent import silent_notes
from rareevent.scoring.tally import Tally

# Local times that bear no offset may be ahead of UTC by as much as half of it.
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class ScoreSummary:
    """What a scoring job did.

    Attributes
    ----------
    model : what the model is known as
    output : directory written
    files : files taken, in order
    files_known : files of the input that were taken before
    rows_read : rows of the files taken
    rows_scored : rows of them with a score
    rows_rejected : rows of them that stand in `rejected`
    not_scored : reason -> rows; with `rows_scored` they add up to `rows_read`
    rows_rescored : rows written anew because others of their asset came late
    late : asset -> first time of rows or events that came too late and are not heeded yet
    assets, alarms : how many
    events_known : events of the feed that concern these rows; None where there was no feed
    events_late : events of the feed that came after rows behind them had been scored; None without
    first, last : time of the first and last scored row; None where none was scored
    notes : what was mended or is worth saying
    seconds : duration
    stopped : whether the job was asked to stop before the last file
    drift : how far the newest rows are from those of training
    """

    model: str
    output: str
    files: tuple[str, ...]
    files_known: int
    rows_read: int
    rows_scored: int
    rows_rejected: int
    not_scored: Mapping[str, int]
    rows_rescored: int
    late: Mapping[str, str]
    assets: int
    alarms: int
    events_known: int | None
    events_late: int | None
    first: str | None
    last: str | None
    notes: tuple[str, ...]
    seconds: float
    stopped: bool
    drift: DriftReport

    def to_json(self) -> dict[str, Any]:
        """Plain data, JSON-able."""
        lists = {"files": list(self.files), "notes": list(self.notes)}
        return {**asdict(self), **lists, "drift": self.drift.to_json()}


@dataclass
class Totals:
    """What the files taken so far come to; grows in place.

    `counts` are this job's rows counted for drift, `kept` those of earlier jobs too. `silent` are
    the columns without a reading, by file.
    """

    files: list[str] = field(default_factory=list)
    rows: int = 0
    scored: int = 0
    rejected: int = 0
    rescored: int = 0
    alarms: int = 0
    not_scored: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    assets: set[str] = field(default_factory=set)
    events: set[tuple[str, int]] = field(default_factory=set)
    span: list[int] = field(default_factory=list)
    counts: dict[int, Int64] = field(default_factory=dict)
    kept: Mapping[int, Int64] = field(default_factory=dict)
    silent: dict[str, frozenset[str]] = field(default_factory=dict)

    def add(self, file: InputFile, taken: Tally) -> None:
        """Count a file that was taken."""
        self.files.append(file.name)
        self.rows += taken.rows
        self.scored += taken.scored
        self.rejected += taken.rejected
        self.alarms += taken.alarms
        self.not_scored.update(taken.not_scored)
        self.repairs.update(taken.repairs)
        self.assets.update(taken.assets)
        self.events |= taken.events
        add_counts(self.counts, taken.counts)
        self.span += taken.span or ()
        # Pages of a database go by one name.
        before = self.silent.get(file.name, taken.silent)
        if taken.rows:
            self.silent[file.name] = before & taken.silent


def summarise(
    job: Job, plan: Plan, totals: Totals, late: Mapping[str, str], stopped: bool, seconds: float
) -> ScoreSummary:
    """The summary of a job.

    Parameters
    ----------
    job, plan, totals : what was to be done, and what was
    late : asset -> first time of rows that came too late, in words
    stopped : whether files were left
    seconds : duration
    """
    bundle, newest = job.reader.bundle, max(totals.span, default=None)
    clock, kept = bundle.clock, totals.kept or totals.counts
    return ScoreSummary(
        model=job.model,
        output=str(job.folder),
        files=tuple(totals.files),
        files_known=plan.known,
        rows_read=totals.rows,
        rows_scored=totals.scored,
        rows_rejected=totals.rejected,
        not_scored={reason: rows for reason, rows in totals.not_scored.items() if rows},
        rows_rescored=totals.rescored,
        late=late,
        assets=len(totals.assets),
        alarms=totals.alarms,
        events_known=None if job.reader.log is None else len(totals.events),
        events_late=None if job.reader.log is None else plan.late_events,
        first=clock.text(min(totals.span)) if totals.span else None,
        last=clock.text(max(totals.span)) if totals.span else None,
        notes=(*_repairs(totals), *silent_notes(totals.silent), *_future(clock, newest)),
        seconds=seconds,
        stopped=stopped,
        drift=judge_job(bundle, kept, totals.counts, newest),
    )


def _repairs(totals: Totals) -> tuple[str, ...]:
    return tuple(f"{rule}: {count}" for rule, count in totals.repairs.items() if count)


def _future(clock: Clock, newest: int | None) -> tuple[str, ...]:
    """A line where the newest row lies in the future: its asset's later ones will all be late."""
    if clock.kind != "datetime" or newest is None or newest <= time.time_ns() // 1000 + _DAY_US:
        return ()
    return (
        f"the newest row is of {clock.text(newest)}, which lies in the future; rows of its asset"
        " that come before it count as late, so mend it at its source",
    )
