"""Training: from a pipeline to a tracked run, a judged model and a registered bundle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rareevent.bundle import Bundle
from rareevent.config import PipelineConfig, dump_pipeline
from rareevent.errors import LeakError
from rareevent.evaluation.skill import Skill
from rareevent.evaluation.verdict import with_skill
from rareevent.ingestion.sql import absolute_source
from rareevent.jobs.contenders import say_weights
from rareevent.jobs.inside import health_notes, health_tags
from rareevent.jobs.judge import Judged, judge_test
from rareevent.jobs.learn import Learned, learn
from rareevent.jobs.outcome import (
    describe_outcome,
    epoch_metrics,
    final_metrics,
    member_figures,
    run_report,
    save_artifacts,
    split_summary,
)
from rareevent.jobs.prepare import Prepared, dropped_rows, fill_auto, prepare, require_events
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.proven import kept_figures
from rareevent.jobs.register import crown, log_model, make_bundle, why_uncrowned
from rareevent.jobs.run_page import leaky, log_data, run_name
from rareevent.jobs.skill import skill_of
from rareevent.tracking.home import Home
from rareevent.tracking.models import LoggedBundle
from rareevent.tracking.runs import training_run
from rareevent.tracking.tracked import TrackedRun
from rareevent.windowing.audit import Audit, audit_split, separating_sensors


@dataclass(frozen=True)
class TrainResult:
    """What a training run made; `to_json` is what `train --json` prints.

    Attributes
    ----------
    model : what was registered, "lstm" or "blend"
    baselines : every other model's figures on the test part
    members : of a blend, by name: weight, metrics, intervals, and the blend's comparison with it
    verdict : no_skill, better, worse or cannot_be_told_apart; `verdict_sentence` says it in words
    skill : `Skill.to_json()`
    """

    run_id: str
    experiment: str
    model_uri: str
    registered_model: str | None
    registered_version: int | None
    champion: bool
    model: str
    seconds: float
    split: Mapping[str, Any]
    dropped: Mapping[str, int]
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, float | None]]
    members: Mapping[str, Mapping[str, Any]]
    verdict: str
    verdict_sentence: str
    skill: Mapping[str, Any]
    alarm: Mapping[str, Any]
    audit: Mapping[str, Any]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "notes": list(self.notes)}


def train(
    config: PipelineConfig, *, home: Home | None = None, progress: Progress | None = None
) -> TrainResult:
    """Train a pipeline, judge it on its test part, track everything and register the bundle.

    Parameters
    ----------
    config : the pipeline
    home : where runs are tracked, default `find_home()`
    progress : what is told while it works

    Raises
    ------
    DataError, ConfigError
        Before any run is started, when the data or a setting is wrong.
    LeakError, TrainingError, TrackingError
        The run is ended as failed and keeps the message.
    """
    progress = progress or Quiet()
    started = time.perf_counter()
    prepared = prepare(config)
    require_events(prepared)
    prepared = fill_auto(prepared)
    warnings = first_warnings(prepared)
    for text in (*warnings, *prepared.reasons.values()):
        progress.log(text)
    name = run_name(config)
    with training_run(config.name, name, home=home, tags=_tags(config)) as run:
        describe_inputs(run, prepared)
        learned = learn(prepared, progress)
        for step, of_epoch in epoch_metrics(learned):
            run.metrics(of_epoch, step=step)
        audit, suspicions = audit_learning(prepared, learned)
        run.tags({"leak_audit": "passed" if audit.passed else "failed", **health_tags(learned)})
        if not leaky(config):
            audit.demand()
        bundle = make_bundle(prepared, learned, run.run_id)
        progress.log("judging on the test part")
        judged, skill = _judge(prepared, learned, bundle)
        uncrowned = why_uncrowned(config, judged.verdict)
        for text in uncrowned:
            progress.log(text)
        notes = (
            *warnings,
            *suspicions,
            *policy_notes(learned),
            *health_notes(learned),
            *uncrowned,
        )
        title = f"{config.name}, {name}"
        report = run_report(prepared, learned, judged, skill, audit, notes, run.run_id, title)
        metrics = final_metrics(prepared, learned, judged, skill)
        describe_outcome(run, metrics, judged, prepared.frame.clock.kind)
        save_artifacts(run, prepared, learned, judged, report)
        logged = log_model(run, prepared, learned, bundle)
        figures = kept_figures(judged.test[judged.model].metrics)
        champion = crown(run, logged, config, judged.verdict, figures)
    seconds = round(time.perf_counter() - started, 3)
    made = _Made(run.run_id, logged, champion, seconds)
    return _result(prepared, learned, judged, skill, audit, metrics, notes, made)


def _judge(prepared: Prepared, learned: Learned, bundle: Bundle) -> tuple[Judged, Skill]:
    """How the models did on the test part, and whether any of them has skill at all."""
    judged = judge_test(prepared, learned, bundle)
    skill = skill_of(prepared, learned, judged)
    return replace(judged, verdict=with_skill(judged.verdict, skill)), skill


@dataclass(frozen=True)
class _Made:
    """Where a run's outcome lies, and how long it took."""

    run_id: str
    logged: LoggedBundle
    champion: bool
    seconds: float


def _result(
    prepared: Prepared,
    learned: Learned,
    judged: Judged,
    skill: Skill,
    audit: Audit,
    metrics: Mapping[str, float | None],
    notes: tuple[str, ...],
    made: _Made,
) -> TrainResult:
    return TrainResult(
        run_id=made.run_id,
        experiment=prepared.config.name,
        model_uri=made.logged.uri,
        registered_model=made.logged.name,
        registered_version=made.logged.version,
        champion=made.champion,
        model=judged.model,
        seconds=made.seconds,
        split=split_summary(prepared, learned),
        dropped=dropped_rows(prepared, learned.final.part.windowed),
        metrics=metrics,
        intervals=judged.test[judged.model].to_json()["intervals"],
        baselines={
            **{name: e.metrics for name, e in judged.test.items() if name != judged.model},
            "random": judged.random,
        },
        members=member_figures(learned, judged),
        verdict=judged.verdict.outcome,
        verdict_sentence=judged.verdict.sentence,
        skill=skill.to_json(),
        alarm=learned.chosen[learned.model].fitted.to_json(),
        audit=audit.to_json(),
        reasons=prepared.reasons,
        notes=notes,
    )


def audit_learning(prepared: Prepared, learned: Learned) -> tuple[Audit, tuple[str, ...]]:
    """The leak audit of everything that was learned, and what to look at besides.

    Raises
    ------
    LeakError
        Under `audit: strict`, when a sensor alone separates the classes.
    """
    config = prepared.config
    strict = config.split.purge == "strict"
    audit = audit_split(
        prepared.frame,
        prepared.labels,
        learned.fits,
        reach=prepared.split.reach,
        mode=f"{config.split.strategy}, purge {config.split.purge}",
        receptive_field=prepared.receptive_field if strict else None,
    )
    rows = prepared.split.rows_before(prepared.split.test)
    suspects = separating_sensors(prepared.frame, prepared.labels, rows)
    if not suspects:
        return audit, ()
    text = f"alone separates positive from negative rows: {', '.join(suspects)}; is it the label?"
    if config.audit == "strict":
        raise LeakError(f"a sensor {text}")
    return audit, (f"A sensor {text}",)


def _tags(config: PipelineConfig) -> dict[str, Any]:
    marks = {"pipeline": config.name, "kind": "training"}
    return {**marks, "kind": "leaky training", "leaky": "true"} if leaky(config) else marks


def describe_inputs(run: TrackedRun, prepared: Prepared) -> None:
    """Write on a run what it learns from and by which settings."""
    config = prepared.config
    run.params(config.dump())
    run.save("pipeline.yaml", dump_pipeline(absolute(config), prepared.reasons))
    log_data(run, prepared, "training")


def absolute(config: PipelineConfig) -> PipelineConfig:
    """The pipeline with absolute paths, so that its file works from any folder."""
    ingest = config.ingest
    changes: dict[str, Any] = {"source": absolute_source(ingest.source)}
    if ingest.events is not None and ingest.events != "last_row":
        source = absolute_source(ingest.events.source)
        changes["events"] = ingest.events.model_copy(update={"source": source})
    return config.model_copy(update={"ingest": ingest.model_copy(update=changes)})


def first_warnings(prepared: Prepared) -> tuple[str, ...]:
    """What a reader of any figure must know before it."""
    split = (
        (
            "The split is random: windows of the test part share rows with training windows, so"
            " every figure is flattered by leakage and says nothing about new data.",
        )
        if leaky(prepared.config)
        else ()
    )
    return (*split, *(_sentence(note) for note in prepared.quality.notes))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def policy_notes(learned: Learned) -> tuple[str, ...]:
    """What to know about the alarm policy, the calibration and the blend."""
    chosen = learned.chosen[learned.model]
    weights = learned.weights.get(learned.model, {})
    found = (chosen.fitted.note, chosen.calibration.note, say_weights(weights))
    return tuple(_sentence(text) for text in found if text)
