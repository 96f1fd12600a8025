"""What a training run leaves behind: metrics, plots, predictions and the report's content."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.config import dump_pipeline
from rareevent.evaluation.evaluate import Evaluation
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.skill import Skill
from rareevent.jobs.choose import events_of
from rareevent.jobs.contenders import TITLES
from rareevent.jobs.importance import importance_content
from rareevent.jobs.inside import epoch_health, inside_content, inside_metrics
from rareevent.jobs.judge import Judged
from rareevent.jobs.learn import Learned
from rareevent.jobs.predictions import (
    ALARMS,
    EVENTS,
    PREDICTIONS,
    alarm_table,
    event_table,
    prediction_table,
)
from rareevent.jobs.prepare import Prepared, dropped_rows
from rareevent.jobs.run_page import describe
from rareevent.report.content import RunReport, score_series
from rareevent.report.lanes import MOST_LANES, by_trouble
from rareevent.report.page import render
from rareevent.report.plots import draw_plots
from rareevent.report.reading import MODEL_NAMES, read
from rareevent.tracking.tracked import TrackedRun
from rareevent.windowing.audit import Audit
from rareevent.windowing.split import EventPart


def epoch_metrics(learned: Learned) -> Iterator[tuple[int, dict[str, float]]]:
    """(epoch, metrics) of the folds' fits and of the final one, averaged over members."""
    watched = [m.history for fold in learned.folds for m in fold.members]
    final = [m.history for m in learned.final.members]
    for step in range(max(len(h) for h in (*watched, *final))):
        now = [h[step] for h in watched if len(h) > step]
        last = [h[step] for h in final if len(h) > step]
        scores = [r.validation_pr_auc for r in now if r.validation_pr_auc is not None]
        yield (
            step + 1,
            {
                **_mean("epoch/train_loss", [r.loss for r in last]),
                **_mean("epoch/gradient_norm", [r.gradient_norm for r in last]),
                **_mean("epoch/validation_pr_auc", scores),
                **epoch_health(learned, step),
            },
        )


def _mean(name: str, values: list[float]) -> dict[str, float]:
    return {name: float(np.mean(values))} if values else {}


def final_metrics(
    prepared: Prepared, learned: Learned, judged: Judged, skill: Skill
) -> dict[str, float | None]:
    """Every final figure by its MLflow name, grouped by the part it was measured on."""
    parts = split_summary(prepared, learned)
    out: dict[str, float | None] = {f"train/{n}": v for n, v in judged.train.items()}
    out["train/events"] = parts["train"]["events"]
    out |= {f"validation/{n}": v for n, v in judged.validation[judged.model].metrics.items()}
    out |= {f"test/{n}": v for n, v in judged.test[judged.model].metrics.items()}
    out |= {f"test/{n}": v for n, v in judged.types.items()}
    told = judged.otherwise_told.metrics
    group = "test_without_feed" if prepared.config.score.with_events else "test_with_feed"
    kept = ("event_recall", "false_alarms", "false_alarms_per_event", "alarm_precision", "roc_auc")
    out |= {f"{group}/{n}": told.get(n) for n in kept}
    for name, evaluation in judged.test.items():
        if name != judged.model:
            out |= {f"test_{name}/{n}": v for n, v in evaluation.metrics.items()}
    out |= {f"test_random/{n}": v for n, v in judged.random.items()}
    out |= {f"blend/{n}": w for n, w in learned.weights.get(learned.model, {}).items()}
    out |= inside_metrics(prepared, learned)
    return out | {"test/skill_p_value": skill.p_value}


def member_figures(learned: Learned, judged: Judged) -> dict[str, dict[str, Any]]:
    """Of a registered blend: weight, figures, intervals and paired comparison of each member."""
    return {
        name: {
            "weight": weight,
            "metrics": judged.test[name].metrics,
            "intervals": judged.test[name].to_json()["intervals"],
            "comparison": judged.comparisons[TITLES[name]].to_json(),
        }
        for name, weight in learned.weights.get(learned.model, {}).items()
    }


def describe_outcome(
    run: TrackedRun, metrics: Mapping[str, float | None], judged: Judged, kind: str
) -> None:
    """Write figures and verdict on the run's page; `kind` is the clock's."""
    run.metrics(metrics)
    figures = {name: evaluation.metrics for name, evaluation in judged.test.items()}
    figures["random"] = dict(judged.random)
    verdict = judged.verdict
    describe(run, verdict.outcome, verdict.sentence, figures, judged.model, kind)


def split_summary(prepared: Prepared, learned: Learned) -> dict[str, Any]:
    """Rows, windows, events and span of each part; events on a boundary belong to none."""
    split, frame = prepared.split, prepared.frame
    ends = np.zeros(len(frame), bool)
    ends[learned.final.part.windows.ends] = True
    validation = (split.part > 0) & (split.part < split.test)
    masks = {"train": split.part == 0, "validation": validation, "test": split.part == split.test}
    summary: dict[str, Any] = {
        name: {
            "rows": int(rows.sum()),
            "windows": int((rows & ends).sum()),
            "positive_rows": int((rows & (prepared.labels.target == 1)).sum()),
            "events": int(events_of(prepared, EventPart[name.upper()], rows)[0].sum()),
            "from": frame.clock.text(frame.time[rows].min()),
            "to": frame.clock.text(frame.time[rows].max()),
        }
        for name, rows in masks.items()
    }
    summary["boundary_events"] = int((prepared.event_part == EventPart.BOUNDARY).sum())
    summary["unobserved_events"] = int((prepared.event_part == EventPart.UNOBSERVED).sum())
    return summary


def run_report(
    prepared: Prepared,
    learned: Learned,
    judged: Judged,
    skill: Skill,
    audit: Audit,
    notes: tuple[str, ...],
    run_id: str,
    name: str,
) -> RunReport:
    """The content of the HTML report."""
    frame, config = prepared.frame, prepared.config
    parts = split_summary(prepared, learned)
    return RunReport(
        name=name,
        run_id=run_id,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict=judged.verdict.sentence,
        skill=skill.to_json(),
        model=judged.test[judged.model].to_json(),
        model_name=MODEL_NAMES[judged.model],
        clock=vars(frame.clock),
        leaky=config.split.strategy == "random_leaky",
        validation=judged.validation[judged.model].to_json(),
        without_feed=judged.otherwise_told.to_json() if config.score.with_events else None,
        baselines={
            **{n: e.to_json() for n, e in judged.test.items() if n != judged.model},
            "random": {"metrics": dict(judged.random)},
        },
        comparisons=[{"words": words} for words in judged.verdict.details],
        history=[[vars(r) for r in m.history] for m in learned.folds[-1].members],
        quality=prepared.quality.to_json(),
        audit=audit.to_json(),
        split={n: p for n, p in parts.items() if isinstance(p, Mapping)},
        dropped=dropped_rows(prepared, learned.final.part.windowed),
        confidence=config.evaluate.confidence,
        channels="; ".join(
            w for k, w in prepared.reasons.items() if k in ("channels.use", "model.types")
        ),
        config_yaml=dump_pipeline(config, prepared.reasons),
        series=timeline_series(prepared, judged.test[judged.model], judged.scored[judged.model]),
        inside=inside_content(prepared, learned),
        importance=importance_content(prepared, learned),
        notes=notes,
    )


def timeline_series(
    prepared: Prepared, evaluation: Evaluation, scored: Scored
) -> list[dict[str, Any]]:
    """Scores over time of the assets that the report's timeline shows."""
    worst_first = by_trouble(read(evaluation.to_json()))
    return score_series(
        prepared.frame.assets,
        scored.asset,
        scored.time,
        scored.probability,
        interval=prepared.frame.clock.interval,
        shown=worst_first[:MOST_LANES],
    )


def save_artifacts(
    run: TrackedRun, prepared: Prepared, learned: Learned, judged: Judged, report: RunReport
) -> None:
    """Report, plots and predictions, as artifacts of the run."""
    save_report(run, report)
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        write_predictions(Path(folder), prepared, judged, fold=0)
        for name in (PREDICTIONS, EVENTS, ALARMS):
            run.save_file(Path(folder) / name, "predictions")


def save_report(run: TrackedRun, report: RunReport) -> None:
    """The page, what it is drawn from, and its plots as pictures."""
    run.save("report.html", render(report))
    run.save("report.json", json.dumps(report.to_json(), allow_nan=False))
    if report.importance is not None:
        run.save("importance.json", json.dumps(report.importance, allow_nan=False, indent=1))
    for name, png in draw_plots(report).items():
        run.save(f"plots/{name}.png", png)


def write_predictions(folder: Path, prepared: Prepared, judged: Judged, *, fold: int) -> None:
    """The test rows as every model scored them, the events and all alarms, as Parquet files."""
    import pyarrow.parquet as pq

    frame = prepared.frame
    rows = prediction_table(
        judged.scored[judged.model],
        {n: s for n, s in judged.scored.items() if n != judged.model},
        frame.assets,
        frame.clock,
        fold=fold,
        lookback=prepared.config.window.lookback,
        horizon=prepared.labels.horizon,
    )
    events = event_table(
        judged.test[judged.model], frame.events, frame.assets, frame.clock, fold=fold
    )
    alarms = alarm_table(judged.scored, frame.assets, frame.clock, fold=fold)
    pq.write_table(alarms, folder / ALARMS)
    pq.write_table(rows, folder / PREDICTIONS)
    pq.write_table(events, folder / EVENTS)
