"""Folds put together: pooled figures over all test periods, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.evaluate import Evaluation
from rareevent.evaluation.random_alarms import random_alarms
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.skill import FitScores, Skill, find_skill
from rareevent.evaluation.verdict import Verdict, with_skill
from rareevent.jobs.contenders import model_names, say_verdict
from rareevent.jobs.fold import read_counted, read_scored
from rareevent.jobs.judge import compare_all, evaluate_part
from rareevent.jobs.prepare import Prepared


@dataclass(frozen=True)
class Pooled:
    """All folds together.

    Attributes
    ----------
    evaluations : model name -> Evaluation over the test rows of all folds; the first model is the
        registered one
    scored : model name -> those rows
    random : expected figures of alarms at random
    mean : model name -> metric -> mean over the folds that have it
    comparisons : other model -> plain comparison with the registered one
    skill : of the best model, each fold's test rows ranked by themselves
    verdict : in words
    """

    evaluations: Mapping[str, Evaluation]
    scored: Mapping[str, Scored]
    random: Mapping[str, Any]
    mean: Mapping[str, Mapping[str, float]]
    comparisons: Mapping[str, Any]
    skill: Skill
    verdict: Verdict


def pool_folds(
    prepared: Prepared, folders: Sequence[Path], outcomes: Sequence[Mapping[str, Any]]
) -> Pooled:
    """Pool the test rows of the folds, each with the alarms of its own policy.

    An event is counted once, in the fold whose test part holds its whole catch window.
    """
    models = model_names(prepared.config)
    parts = [read_scored(folder, models) for folder in folders]
    scored = {name: _join([part[name] for part in parts]) for name in models}
    flags = [read_counted(folder) for folder in folders]
    counted = np.any([c for c, _ in flags], axis=0)
    boundary = np.any([b for _, b in flags], axis=0) & ~counted
    policies = {n: AlarmPolicy.from_json(outcomes[-1]["policies"][n]) for n in models}
    comparisons = compare_all(prepared, scored, counted)
    fits = [FitScores.of(part) for part in parts]
    skill = find_skill(fits, prepared.frame.clock, seed=prepared.config.evaluate.seed)
    return Pooled(
        evaluations={
            name: _with_mean_share(
                evaluate_part(prepared, rows, policies[name], counted, boundary),
                [o["metrics"][name] for o in outcomes],
            )
            for name, rows in scored.items()
        },
        scored=scored,
        random=random_alarms(scored[models[0]], counted, prepared.frame.clock).metrics,
        mean={name: _mean([o["metrics"][name] for o in outcomes]) for name in models},
        comparisons={name: c.to_json() for name, c in comparisons.items()},
        skill=skill,
        verdict=with_skill(say_verdict(comparisons, models[0]), skill),
    )


def _join(parts: Sequence[Scored]) -> Scored:
    """Rows of consecutive folds, by asset and time; a fold's alarm state is its own."""
    last = max((int(p.segment.max()) for p in parts if len(p)), default=0) + 1
    apart = [replace(p, segment=p.segment + k * last) for k, p in enumerate(parts)]
    whole = Scored(*(np.concatenate([getattr(p, f.name) for p in apart]) for f in fields(Scored)))
    return whole.take(np.lexsort((whole.time, whole.asset)))


def _with_mean_share(evaluation: Evaluation, per_fold: Sequence[Mapping[str, Any]]) -> Evaluation:
    """The share of time above the threshold with each fold's own threshold."""
    rows = np.array([m["rows"] for m in per_fold], float)
    shares = np.array([m["time_above_threshold"] or 0.0 for m in per_fold])
    share = float((rows * shares).sum() / rows.sum()) if rows.sum() else None
    return replace(evaluation, metrics={**evaluation.metrics, "time_above_threshold": share})


def _mean(per_fold: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = list(per_fold[0])
    known = {n: [m[n] for m in per_fold if m.get(n) is not None] for n in names}
    return {n: float(np.mean(values)) for n, values in known.items() if values}
