"""The leak audit: checks of the declared split that fail a run and name what they found.

The audit recomputes everything from times, labels and row numbers. It shares no code with the
split that it checks, so that a mistake there cannot hide itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rareevent.errors import LeakError
from rareevent.ingestion.frame import Bool, Int64, SensorFrame
from rareevent.windowing.curve_shift import Labels

# Fewer rows on either side separate by luck.
_FEWEST_POSITIVES = 10
_SEPARATES = 0.999


@dataclass(frozen=True)
class Fit:
    """Something that was learned, from which rows, to be judged on which rows.

    Attributes
    ----------
    what : "scaling", "model", "alarm policy", …
    learned_from : bool [n], rows whose readings or labels it saw
    judged_on : bool [n], rows that judge it
    """

    what: str
    learned_from: Bool
    judged_on: Bool


@dataclass(frozen=True)
class Check:
    """One question of the audit and its answer."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Audit:
    """The audit's outcome.

    Attributes
    ----------
    mode : the declared split and purge
    checks : every question asked
    warnings : what does not fail the run but should be looked at
    """

    mode: str
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"passed": self.passed, **asdict(self)}

    def demand(self) -> None:
        """Raise unless every check passed.

        Raises
        ------
        LeakError
            Names each failed check and what it found.
        """
        failed = [f"{check.name}: {check.detail}" for check in self.checks if not check.passed]
        if failed:
            raise LeakError("the leak audit failed: " + "; ".join(failed))


def audit_split(
    frame: SensorFrame,
    labels: Labels,
    fits: Sequence[Fit],
    *,
    reach: int,
    mode: str,
    receptive_field: int | None = None,
) -> Audit:
    """Ask every question about everything that was learned.

    Parameters
    ----------
    frame, labels : the rows and their labels
    fits : everything that was learned
    reach : ticks, the longest horizon that a training label looks ahead
    mode : the declared split, for the record
    receptive_field : rows of input before a row; given only where the declared mode keeps input
        rows apart (`purge: strict`)
    """
    checks = []
    for fit in fits:
        checks.append(_nothing_judged_was_learned(frame, fit))
        checks.append(_no_label_reaches(frame, fit, reach))
        checks.append(_no_event_on_both_sides(frame, labels, fit))
        if receptive_field is not None:
            checks.append(_no_row_shared(frame, fit, receptive_field))
    return Audit(mode, tuple(checks))


def _first_judged(frame: SensorFrame, fit: Fit) -> Int64:
    """Time of the first judged row that a row of this asset must stay clear of, int64 [a].

    Where the judged rows belong to assets of which nothing was learned, no clock ties them.
    """
    never = np.iinfo(np.int64).max
    if frame.clock.kind == "age":
        waits = np.where(fit.judged_on, frame.time, never)
        return np.minimum.reduceat(waits, frame.asset_starts[:-1])
    judged_assets = np.unique(frame.asset[fit.judged_on])
    shared = np.isin(judged_assets, frame.asset[fit.learned_from]).any()
    first = frame.time[fit.judged_on].min() if shared else never
    return np.full(len(frame.assets), first, np.int64)


def _nothing_judged_was_learned(frame: SensorFrame, fit: Fit) -> Check:
    both = np.flatnonzero(fit.learned_from & fit.judged_on)
    late = np.flatnonzero(fit.learned_from & (frame.time >= _first_judged(frame, fit)[frame.asset]))
    found = np.union1d(both, late)
    return Check(
        f"{fit.what}: learned from earlier rows only",
        not len(found),
        f"{len(found)} rows at or after the judged part were learned from{_example(frame, found)}"
        if len(found)
        else f"{int(fit.learned_from.sum())} rows, none of them judged",
    )


def _no_label_reaches(frame: SensorFrame, fit: Fit, reach: int) -> Check:
    first = _first_judged(frame, fit)[frame.asset]
    found = np.flatnonzero(fit.learned_from & (frame.time >= first - reach))
    return Check(
        f"{fit.what}: no label reaches into the judged part",
        not len(found),
        f"{len(found)} rows have a horizon that ends in the judged part{_example(frame, found)}"
        if len(found)
        else "every row's longest horizon ends before it",
    )


def _no_event_on_both_sides(frame: SensorFrame, labels: Labels, fit: Fit) -> Check:
    positive = labels.target == 1
    learned = np.unique(labels.event[fit.learned_from & positive])
    both = np.intersect1d(learned, labels.event[fit.judged_on & positive])
    names = [_event_text(frame, int(event)) for event in both[:3]]
    return Check(
        f"{fit.what}: no event on both sides",
        not len(both),
        f"{len(both)} events have positive rows on both sides, such as {', '.join(names)}"
        if len(both)
        else f"{len(learned)} events learned from, none of them judged",
    )


def _no_row_shared(frame: SensorFrame, fit: Fit, receptive_field: int) -> Check:
    read = _read_rows(frame, fit.judged_on, receptive_field)
    found = np.flatnonzero(read & _read_rows(frame, fit.learned_from, receptive_field))
    return Check(
        f"{fit.what}: no input row shared",
        not len(found),
        f"{len(found)} rows are read by windows of both sides{_example(frame, found)}"
        if len(found)
        else "no window of the judged part reads a row that a training window read",
    )


def _read_rows(frame: SensorFrame, rows: Bool, receptive_field: int) -> Bool:
    """Rows that windows ending at `rows` read, bool [n]."""
    start = frame.segments.row_start()
    ends = np.flatnonzero(rows & (start >= 0))
    begins = np.maximum(start[ends], ends - receptive_field)
    depth = np.zeros(len(rows) + 1, np.int64)
    np.add.at(depth, begins, 1)
    np.add.at(depth, ends + 1, -1)
    return np.cumsum(depth[:-1]) > 0


def shared_row_share(frame: SensorFrame, fit: Fit, lookback: int) -> float:
    """Share of judged windows that hold at least one row of a training window."""
    read = np.append(0, np.cumsum(_read_rows(frame, fit.learned_from, lookback - 1)))
    start = frame.segments.row_start()
    ends = np.flatnonzero(fit.judged_on & (start >= 0))
    begins = np.maximum(start[ends], ends - lookback + 1)
    return float(np.mean(read[ends + 1] > read[begins])) if len(ends) else 0.0


def separating_sensors(frame: SensorFrame, labels: Labels, rows: Bool) -> list[str]:
    """Sensors whose reading alone tells positive from negative rows, by rank (ROC-AUC)."""
    chosen = np.flatnonzero(rows & (labels.target >= 0))
    positive = labels.target[chosen] == 1
    if min(positive.sum(), (~positive).sum()) < _FEWEST_POSITIVES:
        return []
    return [
        name
        for name, values in frame.sensors.items()
        if _separation(values[chosen], positive) >= _SEPARATES
    ]


def _separation(values: np.ndarray, positive: Bool) -> float:
    known = np.isfinite(values)
    values, positive = values[known], positive[known]
    if min(positive.sum(), (~positive).sum()) < _FEWEST_POSITIVES:
        return 0.5
    ordered = np.sort(values[~positive])
    low = np.searchsorted(ordered, values[positive], side="left")
    high = np.searchsorted(ordered, values[positive], side="right")
    auc = float((low + high).mean() / (2 * len(ordered)))
    return max(auc, 1 - auc)


def _example(frame: SensorFrame, rows: Int64) -> str:
    if not len(rows):
        return ""
    row = int(rows[-1])
    return f", such as {frame.assets[frame.asset[row]]} at {frame.clock.text(frame.time[row])}"


def _event_text(frame: SensorFrame, event: int) -> str:
    asset = frame.assets[frame.events.asset[event]]
    return f"{asset} at {frame.clock.text(frame.events.time[event])}"
