"""The HTML report of a backtest: all test periods as one, and each beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from rareevent.config import dump_pipeline
from rareevent.jobs.outcome import timeline_series
from rareevent.jobs.pool import Pooled
from rareevent.jobs.prepare import Prepared
from rareevent.report.content import RunReport
from rareevent.report.reading import MODEL_NAMES

Json = Mapping[str, Any]


def backtest_report(
    prepared: Prepared, pooled: Pooled, outcomes: Sequence[Json], run_id: str, name: str
) -> RunReport:
    """The content of the page.

    No policy is named: each fold raised its alarms at a threshold of its own, which stands in the
    table of folds.

    Parameters
    ----------
    outcomes : what each fold wrote, in the order of time
    """
    frame, config = prepared.frame, prepared.config
    model = next(iter(pooled.evaluations))
    return RunReport(
        name=name,
        run_id=run_id,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict=pooled.verdict.sentence,
        skill=pooled.skill.to_json(),
        model={**pooled.evaluations[model].to_json(), "policy": {}},
        model_name=MODEL_NAMES[model],
        clock=vars(frame.clock),
        baselines={
            **{n: e.to_json() for n, e in pooled.evaluations.items() if n != model},
            "random": {"metrics": dict(pooled.random)},
        },
        comparisons=[{"words": words} for words in pooled.verdict.details],
        quality=prepared.quality.to_json(),
        audit=_audit(outcomes),
        split={"test": _test_parts(outcomes)},
        folds=[_fold(outcome, model) for outcome in outcomes],
        confidence=config.evaluate.confidence,
        config_yaml=dump_pipeline(config),
        series=timeline_series(prepared, pooled.evaluations[model], pooled.scored[model]),
        notes=_notes(outcomes),
    )


def _test_parts(outcomes: Sequence[Json]) -> dict[str, Any]:
    """All test parts as one; ends are texts of ISO, which sort as times do, or ages."""
    parts = [outcome["split"]["test"] for outcome in outcomes]
    counts = {name: int(np.sum([p[name] for p in parts])) for name in ("rows", "windows", "events")}
    return {**counts, "from": min(p["from"] for p in parts), "to": max(p["to"] for p in parts)}


def _fold(outcome: Json, model: str) -> dict[str, Any]:
    """One fold as a row: its period, its threshold, and what came of it."""
    test, train = outcome["split"]["test"], outcome["split"]["train"]
    return {
        "fold": outcome["fold"],
        "from": test["from"],
        "to": test["to"],
        "learned_events": train["events"] + outcome["split"]["validation"]["events"],
        "threshold": outcome["policies"][model]["threshold"],
        "metrics": outcome["metrics"][model],
    }


def _audit(outcomes: Sequence[Json]) -> dict[str, Any]:
    """Every fold's checks under the fold's number."""
    checks = [
        {**check, "name": f"fold {outcome['fold']}: {check['name']}"}
        for outcome in outcomes
        for check in outcome["audit"]["checks"]
    ]
    warnings = dict.fromkeys(w for outcome in outcomes for w in outcome["audit"]["warnings"])
    return {
        "passed": all(check["passed"] for check in checks),
        "mode": outcomes[0]["audit"]["mode"],
        "checks": checks,
        "warnings": tuple(warnings),
    }


def _notes(outcomes: Sequence[Json]) -> tuple[str, ...]:
    """What more than one fold says is said once, with the folds that said it."""
    said: dict[str, list[int]] = {}
    for outcome in outcomes:
        for note in outcome["notes"]:
            said.setdefault(note, []).append(outcome["fold"])
    return tuple(
        note if len(folds) == len(outcomes) else f"fold {', '.join(map(str, folds))}: {note}"
        for note, folds in said.items()
    )
