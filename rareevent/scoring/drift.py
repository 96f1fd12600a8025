"""How far each column of scored rows is from the training rows, and how far is too far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rareevent.bundle.reference import population_stability
from rareevent.config import MonitorStage
from rareevent.ingestion.frame import Int64
from rareevent.scoring.drift_counts import ColumnReference, Reference

# Below these marks nothing is drift, however quiet training was: an index of .25 is a large shift.
_PSI, _MISSING, _OUTSIDE = 0.25, 0.05, 0.05
# A learned limit that not even nine of ten readings in one place would reach can hardly be passed.
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Finding:
    """One figure beyond its limit.

    Attributes
    ----------
    kind : "psi", "missing", "outside", "alarm_rate" or "age"
    column : None for the last two
    value, limit : the figure and what it should not pass
    """

    kind: str
    column: str | None
    value: float
    limit: float

    def __str__(self) -> str:
        v, limit = self.value, self.limit
        if self.kind == "psi":
            return f"{self.column}: other values than in training (PSI {v:.2f}, limit {limit:.2f})"
        if self.kind == "missing":
            return f"{self.column}: missing in {v:.0%} of the rows (limit {limit:.0%})"
        if self.kind == "outside":
            return f"{self.column}: {v:.0%} of it outside the training range (limit {limit:.0%})"
        if self.kind == "alarm_rate":
            return f"{v:.2g} times as many alarms as expected (limit {limit:.2g})"
        return f"the model is {v:.0f} days old (limit {limit:.0f})"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "column": self.column,
            "value": self.value,
            "limit": self.limit,
            "words": str(self),
        }


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column's readings in a window are from the training rows', and the limits.

    Attributes
    ----------
    psi : population stability index
    missing : share of rows
    outside : share of readings outside the training range, or of a level never seen in training
    psi_limit, missing_limit, outside_limit : None where there is none, so that it is not judged:
        too few windows of training, or windows so different that hardly anything would be told
    """

    column: str
    psi: float
    missing: float
    outside: float
    psi_limit: float | None
    missing_limit: float
    outside_limit: float | None

    @property
    def figures(self) -> tuple[tuple[str, float, float | None], ...]:
        """Kind, figure and limit of each."""
        return (
            ("psi", self.psi, self.psi_limit),
            ("missing", self.missing, self.missing_limit),
            ("outside", self.outside, self.outside_limit),
        )

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Kinds of figures that have no limit."""
        return tuple(kind for kind, _, limit in self.figures if limit is None)

    @property
    def strain(self) -> float:
        """The figure that is furthest in relation to its limit; above 1 it is beyond it."""
        return max(v / max(limit, 1e-12) for _, v, limit in self.figures if limit is not None)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def findings(self) -> list[Finding]:
        """What is beyond its limit."""
        return [
            Finding(kind, self.column, value, limit)
            for kind, value, limit in self.figures
            if limit is not None and value > limit
        ]


def judge_columns(
    reference: Reference, stage: MonitorStage, counts: Int64
) -> tuple[ColumnDrift, ...]:
    """Each column of a window, the furthest from training first.

    Parameters
    ----------
    reference, stage : what is expected, and the limits
    counts : int64 [places], added over the window's slots
    """
    drifts, at = [], 2
    for column in reference.columns:
        *bins, missing, outside = counts[at : at + column.places].tolist()
        at += column.places
        known = sum(bins)
        # A column that has fallen silent has no distribution; `missing` tells of it.
        psi = population_stability(column.expected, np.array(bins)) if known else 0.0
        shares = psi, missing / max(int(counts[0]), 1), outside / max(known, 1)
        drifts.append(ColumnDrift(column.name, *shares, *_limits(reference, stage, column)))
    return tuple(sorted(drifts, key=lambda drift: (-drift.strain, drift.column)))


def _limits(
    reference: Reference, stage: MonitorStage, column: ColumnReference
) -> tuple[float | None, float, float | None]:
    """Limits of `psi`, `missing` and `outside`: the pipeline's, else the learned ones."""
    beyond, psi, outage, outside = reference.beyond, None, 0.0, None
    if beyond is not None:
        psi = max(_PSI, beyond * reference.furthest(column, "psi"))
        psi = None if psi > _nearly_all_moved(column) else psi
        outage = beyond * reference.longest_outage
        outside = max(_OUTSIDE, beyond * reference.furthest(column, "outside"))
        outside = None if outside > _NEARLY_ALL else outside
    # What is missing in half of the rows that training had is told, however often it was so.
    most = (1 - column.missing) / 2
    missing = column.missing + max(_MISSING, min(outage, most))
    return (
        psi if stage.psi == "auto" else stage.psi,
        missing if stage.missing == "auto" else stage.missing,
        outside if stage.outside == "auto" else stage.outside,
    )


def _nearly_all_moved(column: ColumnReference) -> float:
    """The index of a window with nine of ten readings in the lowest or the highest bin.

    Of the two the larger one. A category has no order: there it is the largest of its levels, but
    for the bin that rare ones share, for `outside` tells of what training never saw.
    """
    usual = column.expected * (1 - _NEARLY_ALL)
    moved = column.expected.sum() * _NEARLY_ALL * np.eye(len(usual))
    ends = [0, len(usual) - 1]
    places = ends if column.levels is None else list(range(max(len(column.levels), 1)))
    return max(population_stability(column.expected, usual + moved[place]) for place in places)
