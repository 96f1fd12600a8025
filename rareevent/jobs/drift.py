"""Looking back at the scoring jobs of a model: how far its rows drifted, and when to retrain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rareevent.bundle import load_bundle
from rareevent.scoring.drift_report import DRIFTED, NOT_JUDGED
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model
from rareevent.tracking.scoring_runs import JobRecord, read_jobs

# A single window beyond a limit may be a bad day; three of five are no longer.
_LOOKED_AT, _TOO_MANY = 5, 3


@dataclass(frozen=True)
class DriftHistory:
    """The scoring jobs of a model, and whether it should learn anew.

    Attributes
    ----------
    name : of the model
    jobs : JobRecord each, newest first
    retrain : whether to retrain now
    advice : the reason, in a sentence
    windows, drifted : windows that the advice rests on, and those of them beyond a limit
    """

    name: str
    jobs: tuple[JobRecord, ...]
    retrain: bool
    advice: str
    windows: int
    drifted: int

    def to_json(self) -> dict[str, Any]:
        """Plain data, JSON-able."""
        return {
            "model": self.name,
            "retrain": self.retrain,
            "advice": self.advice,
            "windows": self.windows,
            "windows_drifted": self.drifted,
            "jobs": [job.to_json() for job in self.jobs],
        }


def drift_history(model: str, *, home: Home | None = None, limit: int = 1000) -> DriftHistory:
    """The tracked scoring jobs of a model, and the advice that follows from them.

    Parameters
    ----------
    model : a registered name, "models:/NAME", with or without version or alias, "runs:/RUN_ID" or
        a bundle directory
    home : default `find_home()`
    limit : most jobs read, the newest ones

    Raises
    ------
    TrackingError
        When no job of the model is tracked.
    ModelError
        When "runs:/RUN_ID" or the directory holds no model.
    """
    name = _name_of(model, home)
    jobs = read_jobs(name, home, limit)
    windows = distinct_windows(jobs)
    retrain, advice, drifted = _advise(windows[:_LOOKED_AT])
    return DriftHistory(name, tuple(jobs), retrain, advice, len(windows[:_LOOKED_AT]), drifted)


def _name_of(model: str, home: Home | None) -> str:
    if model.startswith("models:/") and not model.startswith("models:/m-"):
        return model.removeprefix("models:/").split("@")[0].split("/")[0]
    if model.startswith(("models:/", "runs:/")) or os.path.isdir(model):
        found = resolve_model(model, home)
        return found.name or load_bundle(found.folder).config.name
    return model


def distinct_windows(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    """Jobs of the newest model version whose windows were judged and do not overlap.

    Jobs that run every ten minutes all judge nearly the same day; taken one after the other they
    would make much of one bad day. Where time is an age, every job has rows of its own.

    Parameters
    ----------
    jobs : newest first
    """
    found: list[JobRecord] = []
    for job in jobs:
        if job.verdict == NOT_JUDGED or job.model != jobs[0].model:
            continue
        overlaps = found and job.last is not None and (found[-1].first or "") < job.last
        if not overlaps:
            found.append(job)
    return found


def _advise(windows: Sequence[JobRecord]) -> tuple[bool, str, int]:
    """Whether to retrain, why, and how many windows were beyond a limit."""
    drifted = sum(job.verdict == DRIFTED for job in windows)
    if not windows:
        return False, "no job was judged yet; there is nothing to go by", 0
    if windows[0].too_old:
        return True, f"retrain: {windows[0].sentence.removeprefix('drift: ')}", drifted
    of = f"{drifted} of the last {len(windows)} windows are beyond the limits"
    if drifted >= _TOO_MANY:
        return (
            True,
            f"retrain: {of}, the newest: {windows[0].sentence.removeprefix('drift: ')}",
            drifted,
        )
    rule = f"retrain at {_TOO_MANY} of {_LOOKED_AT}, or when it is older than monitor.max_age"
    return False, f"no need to retrain: {of}; {rule}", drifted
