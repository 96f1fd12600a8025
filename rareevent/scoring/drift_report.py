"""The verdict on drift: one window of scored rows against the training rows and the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.config import MonitorStage
from rareevent.ingestion.frame import Clock, Int64
from rareevent.scoring.drift import ColumnDrift, Finding, judge_columns
from rareevent.scoring.drift_counts import SLOTS, Reference

QUIET, DRIFTED, NOT_JUDGED = "quiet", "drifted", "not_judged"
# Share of a usual window's rows below which nothing is judged.
_FEWEST = 0.5
# A window's first slot or two may be cut short where files begin a little late.
_COVERED = SLOTS - 2
# Standard deviations of the expected number of alarms.
_SIGMAS = 3.0
_DAY_US, _THOUSAND = 86_400_000_000, 1000
_MOST_COLUMNS = 10
# Columns named in the line on what was not judged.
_SHOWN = 3


@dataclass(frozen=True)
class DriftReport:
    """How far the newest window of scored rows is from the training rows.

    Attributes
    ----------
    verdict : "quiet", "drifted" or "not_judged"
    why : why nothing was judged; empty where it was
    first, last : the window's ends as texts; None where time is an age, or there is no window
    rows, rows_usual : scored rows in it, and training rows of a usual window
    columns : ColumnDrift each, the furthest first
    alarms, alarms_expected : in the window; None where nothing is expected
    alarm_rate, alarm_rate_expected : per asset-day; per 1,000 cycles where time is an age
    age_days : from the last row learned from to the newest scored one; where time is an age since
        the model was made
    findings : what is beyond its limit
    windows, windows_drifted : windows of the job that were judged, and those beyond a limit
    """

    verdict: str
    why: str = ""
    first: str | None = None
    last: str | None = None
    rows: int = 0
    rows_usual: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    alarms: int | None = None
    alarms_expected: float | None = None
    alarm_rate: float | None = None
    alarm_rate_expected: float | None = None
    age_days: float | None = None
    findings: tuple[Finding, ...] = ()
    windows: int = 0
    windows_drifted: int = 0

    @property
    def drifted(self) -> bool:
        """Whether anything is beyond its limit."""
        return self.verdict == DRIFTED

    @property
    def alarm_rate_ratio(self) -> float | None:
        """Alarms over those expected."""
        if self.alarms is None or not self.alarms_expected:
            return None
        return self.alarms / self.alarms_expected

    @property
    def words(self) -> str:
        """The verdict in one line."""
        if self.verdict == NOT_JUDGED:
            return f"drift: not judged, {self.why}"
        unjudged = self.unjudged_text
        if self.verdict == QUIET:
            none = f"none beyond the limits in {self.rows:,} rows up to {self.last_text}"
            return f"drift: {none}{unjudged}"
        return f"drift: {'; '.join(map(str, self.findings))}{unjudged}"

    @property
    def unjudged(self) -> dict[str, tuple[str, ...]]:
        """Kind of figure -> columns of which it was not judged."""
        kinds = sorted({kind for column in self.columns for kind in column.unjudged})
        return {k: tuple(sorted(c.column for c in self.columns if k in c.unjudged)) for k in kinds}

    @property
    def unjudged_text(self) -> str:
        """What was not judged, in words; empty where all was."""
        words = [f"{kind} of {self._listed(names)}" for kind, names in self.unjudged.items()]
        return f"; not judged: {', '.join(words)}" if words else ""

    def _listed(self, names: tuple[str, ...]) -> str:
        if len(names) == len(self.columns):
            return "any column"
        shown, more = ", ".join(names[:_SHOWN]), len(names) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown

    @property
    def last_text(self) -> str:
        """Where the window ends, in words."""
        return "the newest" if self.last is None else self.last

    def to_json(self, columns: int | None = _MOST_COLUMNS) -> dict[str, Any]:
        """Plain data, JSON-able; of the columns the furthest, None for all."""
        plain = ("verdict", "why", "first", "last", "rows", "rows_usual")
        alarms = ("alarms", "alarms_expected", "alarm_rate", "alarm_rate_expected")
        return {
            **{name: getattr(self, name) for name in (*plain, *alarms, "alarm_rate_ratio")},
            "age_days": self.age_days,
            "findings": [finding.to_json() for finding in self.findings],
            "windows": self.windows,
            "windows_drifted": self.windows_drifted,
            "unjudged": {kind: list(names) for kind, names in self.unjudged.items()},
            "columns": [column.to_json() for column in self.columns[:columns]],
        }


def not_judged(why: str) -> DriftReport:
    """A report on nothing."""
    return DriftReport(NOT_JUDGED, why)


def newest_windows(
    reference: Reference, slots: Mapping[int, Int64], touched: tuple[int, int]
) -> list[tuple[int, Int64]]:
    """Windows that end where the newest rows of a job are, and before that one after the other.

    Where time is an age there is one: the newest slots with as many rows as a window has.

    Parameters
    ----------
    slots : slot -> int64 [places], all that are known
    touched : first and last slot with rows of the job

    Returns
    -------
    list of (last slot, int64 [places]), newest first
    """
    if reference.clock.kind == "age":
        total = np.zeros(reference.places, np.int64)
        for slot in sorted(slots, reverse=True):
            total = total + slots[slot]
            if total[0] >= reference.window:
                break
        return [(touched[1], total)]
    found = []
    for end in range(touched[1], touched[0] - 1, -SLOTS):
        total = np.zeros(reference.places, np.int64)
        for slot in range(end - SLOTS + 1, end + 1):
            total += slots.get(slot, 0)
        found.append((end, total))
    return found


def judge(
    reference: Reference,
    stage: MonitorStage,
    slots: Mapping[int, Int64],
    touched: tuple[int, int],
    age_days: float | None,
) -> DriftReport:
    """Judge the newest window of a job, and count how many before it were beyond a limit.

    Parameters
    ----------
    reference, stage : what is expected, and the limits
    slots : slot -> int64 [places], all that are known
    touched : first and last slot with rows of the job
    age_days : of the model
    """
    begin = min(slots)
    reports = [
        _judge_window(reference, stage, end, counts, begin)
        for end, counts in newest_windows(reference, slots, touched)
    ]
    judged = [report for report in reports if report.verdict != NOT_JUDGED]
    newest = replace(
        reports[0],
        age_days=age_days,
        windows=len(judged),
        windows_drifted=sum(report.drifted for report in judged),
    )
    if stage.max_age_days is None or age_days is None or age_days <= stage.max_age_days:
        return newest
    old = Finding("age", None, age_days, stage.max_age_days)
    return replace(newest, verdict=DRIFTED, findings=(*newest.findings, old))


def _judge_window(
    reference: Reference, stage: MonitorStage, end: int, counts: Int64, begin: int
) -> DriftReport:
    rows = int(counts[0])
    report = DriftReport(NOT_JUDGED, rows=rows, rows_usual=reference.rows)
    if reference.clock.kind == "datetime":
        first, last = (end - SLOTS + 1) * reference.slot, (end + 1) * reference.slot
        texts = (reference.clock.text(first), reference.clock.text(last))
        report = replace(report, first=texts[0], last=texts[1])
        if begin > end - _COVERED + 1:
            span = reference.clock.duration_text(reference.window)
            return replace(report, why=f"the rows do not yet fill a window of {span}")
    if rows < _FEWEST * reference.rows:
        why = f"{rows:,} rows in a window that has {reference.rows:,} in training"
        return replace(report, why=why)
    columns = judge_columns(reference, stage, counts)
    findings = [finding for column in columns for finding in column.findings()]
    report = replace(report, columns=columns)
    report, strange = _with_alarms(report, reference, stage, int(counts[1]))
    findings += strange
    verdict = DRIFTED if findings else QUIET
    return replace(report, verdict=verdict, findings=tuple(findings))


def _with_alarms(
    report: DriftReport, reference: Reference, stage: MonitorStage, alarms: int
) -> tuple[DriftReport, list[Finding]]:
    """The report with its alarms, and the finding where they are far more or fewer than expected.

    Far is `alarm_rate` times, and also beyond three standard deviations of what chance and the
    estimate's own uncertainty allow: two alarms where 0.2 are expected mean little.
    """
    known, usual, dispersion = reference.alarm_rows, reference.alarms, reference.dispersion
    if not known or usual is None or dispersion is None:
        return report, []
    seen = usual + 0.5
    expected = seen / known * report.rows
    deviation = np.sqrt(dispersion * (expected + expected**2 / seen))
    rate = _rate_unit(reference.clock) / report.rows
    report = replace(
        report,
        alarms=alarms,
        alarms_expected=expected,
        alarm_rate=alarms * rate,
        alarm_rate_expected=expected * rate,
    )
    if stage.alarm_rate is None:
        return report, []
    most = max(stage.alarm_rate * expected, expected + _SIGMAS * deviation + 1)
    fewest = min(expected / stage.alarm_rate, expected - _SIGMAS * deviation - 1)
    if fewest <= alarms <= most:
        return report, []
    limit = most if alarms > most else fewest
    return report, [Finding("alarm_rate", None, alarms / expected, float(limit / expected))]


def _rate_unit(clock: Clock) -> float:
    """Rows that a rate is given for: those of an asset's day, or 1,000 cycles."""
    return _DAY_US / clock.interval if clock.kind == "datetime" else _THOUSAND / clock.interval


def age_days(bundle: Bundle, newest: int | None) -> float | None:
    """Days from the last row that the model learned from to a later one.

    Where time is an age, or the last row is not known, days since the model was made.

    Parameters
    ----------
    newest : tick of the newest scored row
    """
    until: int | None = bundle.provenance.get("learned_until")
    if bundle.clock.kind == "datetime" and until is not None and newest is not None:
        return max(0.0, (newest - until) / _DAY_US)
    created = bundle.provenance.get("created")
    if created is None:
        return None
    since = datetime.now(UTC) - datetime.fromisoformat(created)
    return max(0.0, since.total_seconds() / 86400)
