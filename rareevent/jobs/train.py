"""Training: from a pipeline to a tracked run, a judged model and a registered bundle."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import Bundle, new_provenance, save_bundle, training_profile
from rareevent.config import PipelineConfig, dump_pipeline
from rareevent.errors import LeakError
from rareevent.ingestion.frame import Bool
from rareevent.ingestion.sql import absolute_source
from rareevent.jobs.judge import judge_test
from rareevent.jobs.learn import LSTM, Learned, learn
from rareevent.jobs.outcome import (
    epoch_metrics,
    final_metrics,
    run_report,
    save_artifacts,
    split_summary,
)
from rareevent.jobs.prepare import Prepared, dropped_rows, fill_auto, prepare, require_events
from rareevent.jobs.progress import Progress, Quiet
from rareevent.tracking.git import git_commit
from rareevent.tracking.home import Home
from rareevent.tracking.models import LoggedBundle, aliases, log_bundle, set_alias
from rareevent.tracking.runs import training_run
from rareevent.tracking.tracked import TrackedRun
from rareevent.windowing.audit import Audit, audit_split, separating_sensors

_EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class TrainResult:
    """What a training run made; `to_json` is what `train --json` prints."""

    run_id: str
    experiment: str
    model_uri: str
    registered_model: str | None
    registered_version: int | None
    champion: bool
    seconds: float
    split: Mapping[str, Any]
    dropped: Mapping[str, int]
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, float | None]]
    verdict: str
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
    warnings = _warnings(prepared)
    for text in (*warnings, *prepared.reasons.values()):
        progress.log(text)
    with training_run(config.name, run_name(config), home=home, tags=_tags(config)) as run:
        _describe_inputs(run, prepared)
        learned = learn(prepared, progress)
        for step, metrics in epoch_metrics(learned):
            run.metrics(metrics, step=step)
        audit, notes = audit_learning(prepared, learned)
        run.tags({"leak_audit": "passed" if audit.passed else "failed"})
        if not leaky(config):
            audit.demand()
        bundle = make_bundle(prepared, learned, run.run_id)
        progress.log("judging on the test part")
        judged = judge_test(prepared, learned, bundle)
        notes = (*warnings, *notes, *_policy_notes(learned))
        metrics = final_metrics(prepared, learned, judged)
        run.metrics(metrics)
        run.tags({"verdict": judged.verdict.sentence})
        run.describe(judged.verdict.sentence)
        report = run_report(prepared, learned, judged, audit, notes, run.run_id, run_name(config))
        save_artifacts(run, prepared, learned, judged, report)
        logged = _log_model(run, prepared, learned, bundle)
        champion = _crown(run, logged, config)
        return TrainResult(
            run_id=run.run_id,
            experiment=config.name,
            model_uri=logged.uri,
            registered_model=logged.name,
            registered_version=logged.version,
            champion=champion,
            seconds=round(time.perf_counter() - started, 3),
            split=split_summary(prepared, learned),
            dropped=dropped_rows(prepared, learned.final.part.windowed),
            metrics=metrics,
            intervals=judged.test[LSTM].to_json()["intervals"],
            baselines={
                **{name: e.metrics for name, e in judged.test.items() if name != LSTM},
                "random": judged.random,
            },
            verdict=judged.verdict.sentence,
            alarm=learned.chosen[LSTM].fitted.to_json(),
            audit=audit.to_json(),
            reasons=prepared.reasons,
            notes=notes,
        )


def run_name(config: PipelineConfig) -> str:
    """What a person recognises a run by."""
    units = "-".join(str(u) for u in config.model.units)
    when = datetime.now().strftime("%d %b %H:%M")
    return f"{config.name}, LSTM {units}, horizon {config.label.horizon}, {when}"


def leaky(config: PipelineConfig) -> bool:
    """Whether the pipeline asks for the random split of published numbers."""
    return config.split.strategy == "random_leaky"


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


def make_bundle(prepared: Prepared, learned: Learned, run_id: str | None) -> Bundle:
    """Everything that scoring needs."""
    final, chosen = learned.final, learned.chosen[LSTM]
    return Bundle(
        config=prepared.config,
        clock=prepared.frame.clock,
        needs=final.part.encoder.needs,
        encoder=final.part.encoder,
        networks=tuple(member.network for member in final.members),
        calibration=replace(chosen.calibration, shift=final.prior_shift),
        policy=chosen.policy,
        profile=training_profile(prepared.frame, final.part.learned_from),
        provenance={
            **new_provenance(
                data_sha256=prepared.frame.data_sha256(),
                git_commit=git_commit(),
                run_id=run_id,
            ),
            **_learned_from(prepared, final.part.learned_from | prepared.split.choosing_rows()),
        },
    )


def _learned_from(prepared: Prepared, rows: Bool) -> dict[str, Any]:
    """What the model learned from, so that a later evaluation judges nothing of it."""
    frame = prepared.frame
    found: dict[str, Any] = {
        "learned_until": int(frame.time[rows].max()),
        "reach": int(prepared.split.reach),
    }
    if prepared.split.strategy == "by_asset":
        found["learned_assets"] = [frame.assets[a] for a in np.unique(frame.asset[rows])]
    return found


def _tags(config: PipelineConfig) -> dict[str, Any]:
    return {"leaky": "true" if leaky(config) else None, "pipeline": config.name}


def _describe_inputs(run: TrackedRun, prepared: Prepared) -> None:
    config, frame = prepared.config, prepared.frame
    run.params(config.dump())
    run.save("pipeline.yaml", dump_pipeline(absolute(config), prepared.reasons))
    profile = {"rows": len(frame), "assets": len(frame.assets), "events": len(frame.events)}
    run.dataset(config.name, config.ingest.source, frame.data_sha256(), "training", profile)


def absolute(config: PipelineConfig) -> PipelineConfig:
    """The pipeline with absolute paths, so that its file works from any folder."""
    ingest = config.ingest
    changes: dict[str, Any] = {"source": absolute_source(ingest.source)}
    if ingest.events is not None and ingest.events != "last_row":
        source = absolute_source(ingest.events.source)
        changes["events"] = ingest.events.model_copy(update={"source": source})
    return config.model_copy(update={"ingest": ingest.model_copy(update=changes)})


def _warnings(prepared: Prepared) -> tuple[str, ...]:
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


def _policy_notes(learned: Learned) -> tuple[str, ...]:
    chosen = learned.chosen[LSTM]
    found = (chosen.fitted.note, chosen.calibration.note)
    return tuple(_sentence(text) for text in found if text)


def _log_model(
    run: TrackedRun, prepared: Prepared, learned: Learned, bundle: Bundle
) -> LoggedBundle:
    register = prepared.config.register_.model
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        path = Path(folder) / "bundle"
        save_bundle(bundle, path, tuple(m.keras_model for m in learned.final.members))
        return log_bundle(
            run,
            path,
            raw_example(prepared),
            prepared.frame.clock,
            register_as=register,
            tags={"run_id": run.run_id, "data_sha256": prepared.frame.data_sha256()},
        )


def raw_example(prepared: Prepared) -> Any:
    """A few raw rows as a user would send them, pandas.DataFrame."""
    import pandas as pd

    frame, ingest = prepared.frame, prepared.config.ingest
    rows = slice(0, min(_EXAMPLE_ROWS, len(frame)))
    ticks = frame.time[rows]
    columns: dict[str, Any] = {}
    if ingest.asset is not None:
        columns[ingest.asset] = [frame.assets[a] for a in frame.asset[rows]]
    columns[ingest.time] = (
        [frame.clock.text(t) for t in ticks] if (frame.clock.kind == "datetime") else ticks
    )
    columns |= {name: values[rows] for name, values in frame.sensors.items()}
    for name, text in frame.texts.items():
        columns[name] = [text.levels[c] if c >= 0 else None for c in text.codes[rows]]
    return pd.DataFrame(columns)


def _crown(run: TrackedRun, logged: LoggedBundle, config: PipelineConfig) -> bool:
    """The first version of a model becomes its champion; later ones have to be promoted."""
    if logged.name is None or logged.version is None or leaky(config):
        return False
    if config.register_.champion == "never" or "champion" in aliases(run.client, logged.name):
        return False
    set_alias(run.client, logged.name, logged.version)
    return True
