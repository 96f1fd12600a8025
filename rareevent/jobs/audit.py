"""The leak audit of a pipeline's split, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rareevent.config import PipelineConfig
from rareevent.jobs.prepare import Prepared, prepare
from rareevent.windowing.audit import Audit, Fit, audit_split, separating_sensors, shared_row_share


@dataclass(frozen=True)
class AuditResult:
    """What the split lets each part know of the later ones.

    Attributes
    ----------
    audit : checks of every fold and of the test part
    shared_windows : share of test windows that hold a row of a training window
    suspects : sensors that alone separate the classes
    """

    audit: Audit
    shared_windows: float
    suspects: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.audit.to_json(),
            "shared_windows": self.shared_windows,
            "suspects": list(self.suspects),
        }


def audit(config: PipelineConfig) -> AuditResult:
    """Ask of every part's split whether anything leaks into it; fails nothing by itself."""
    prepared = prepare(config)
    split = prepared.split
    fits = [_fit(prepared, part) for part in range(1, split.test + 1)]
    strict = config.split.purge == "strict"
    found = audit_split(
        prepared.frame,
        prepared.labels,
        fits,
        reach=split.reach,
        mode=f"{config.split.strategy}, purge {config.split.purge}",
        receptive_field=prepared.receptive_field if strict else None,
    )
    suspects = separating_sensors(prepared.frame, prepared.labels, split.rows_before(split.test))
    shared = shared_row_share(prepared.frame, fits[-1], config.window.lookback)
    return AuditResult(found, shared, tuple(suspects))


def _fit(prepared: Prepared, part: int) -> Fit:
    split = prepared.split
    name = "test part" if part == split.test else f"validation fold {part}"
    learned = split.rows_before(part) & prepared.in_segment
    return Fit(name, learned, split.rows_of(part) & prepared.in_segment)
