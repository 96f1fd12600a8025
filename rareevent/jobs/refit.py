"""Refit: a model's configuration, learned anew on all rows up to now.

What training does, but for the test part: forward out-of-fold scores of validation folds choose
blend, calibration and alarms, and then everything learns from every row. So no row is left that
could judge it, and what comes out is registered, never champion by itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from rareevent.bundle import Bundle, load_bundle
from rareevent.config import PipelineConfig, override_pipeline
from rareevent.errors import ConfigError, DataError
from rareevent.evaluation.skill import Skill, find_skill
from rareevent.jobs.inside import health_notes, health_tags
from rareevent.jobs.judge import judge_validation
from rareevent.jobs.learn import Learned, learn
from rareevent.jobs.outcome import epoch_metrics
from rareevent.jobs.prepare import (
    Prepared,
    fill_auto,
    prepare,
    receptive_field,
    repart,
    require_events,
)
from rareevent.jobs.progress import Progress, Quiet
from rareevent.jobs.register import log_model, make_bundle
from rareevent.jobs.skill import validation_folds
from rareevent.jobs.train import audit_learning, describe_inputs, first_warnings, policy_notes
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import ResolvedModel, resolve_model
from rareevent.tracking.runs import training_run
from rareevent.windowing.split_whole import hold_nothing_back

# Where the rows are, and which of them do not count. Anything else would be another configuration.
_MAY_CHANGE = ("ingest.source", "ingest.events", "ingest.events.source", "ingest.exclude")


@dataclass(frozen=True)
class RefitResult:
    """What a refit made; `to_json` is what `refit --json` prints.

    Attributes
    ----------
    refit_of : the model whose configuration it is
    learned : rows and events that taught, and their first and last time
    validation : figures on forward scores of the validation folds. Alarms were chosen on them,
        so they flatter; test figures there are none
    skill : of the models on those forward scores
    sentence : what it is, in words
    """

    run_id: str
    experiment: str
    model_uri: str
    registered_model: str | None
    registered_version: int | None
    refit_of: str
    learned: Mapping[str, Any]
    validation: Mapping[str, float | None]
    skill: Mapping[str, Any]
    alarm: Mapping[str, Any]
    audit: Mapping[str, Any]
    sentence: str
    notes: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "notes": list(self.notes)}


def refit(
    model: str,
    overrides: tuple[str, ...] = (),
    *,
    home: Home | None = None,
    progress: Progress | None = None,
) -> RefitResult:
    """Learn a model's configuration anew on all rows, and register what comes out.

    Parameters
    ----------
    model : URI or bundle directory; its resolved pipeline is what is learned, with what `auto`
        had become. Steps and rates that are `auto` go by the events there are now
    overrides : `ingest.source`, `ingest.events` and `ingest.exclude`, as `key.path=value`

    Raises
    ------
    ConfigError
        For another key, and for a model of the leaky random split.
    DataError
        When the data hold no row after those that the model learned from.
    LeakError, TrainingError, TrackingError
        The run is ended as failed and keeps the message.
    """
    progress, started = progress or Quiet(), time.perf_counter()
    found = resolve_model(model, home)
    old = load_bundle(found.folder)
    prepared = _prepared(_settings(old, found, overrides), old)
    notes = first_warnings(prepared)
    for text in notes:
        progress.log(text)
    name = f"{prepared.config.name}, refit of {_short(found)}, {datetime.now():%d %b %H:%M}"
    tags = {"kind": "refit", "refit_of": found.uri, "verdict": "not_judged"}
    with training_run(prepared.config.name, name, home=home, tags=tags) as run:
        describe_inputs(run, prepared)
        learned = learn(prepared, progress)
        for step, metrics in epoch_metrics(learned):
            run.metrics(metrics, step=step)
        audit, suspicions = audit_learning(prepared, learned)
        run.tags({"leak_audit": "passed" if audit.passed else "failed", **health_tags(learned)})
        audit.demand()
        span = _learned_rows(prepared, learned)
        figures = judge_validation(prepared, learned)[learned.model].metrics
        skill = _skill(prepared, learned)
        sentence = _sentence(found, span)
        run.metrics({**figures, "skill_p_value": skill.p_value}, prefix="validation")
        run.metrics({"train/events": span["events"], "train/rows": span["rows"]})
        run.tags({"verdict_sentence": sentence})
        run.describe(sentence)
        bundle = _with_provenance(make_bundle(prepared, learned, run.run_id), found, old, span)
        origin = {"refit_of": found.uri, "learned_from": span["from"], "learned_to": span["to"]}
        logged = log_model(run, prepared, learned, bundle, origin)
    return RefitResult(
        run_id=run.run_id,
        experiment=prepared.config.name,
        model_uri=logged.uri,
        registered_model=logged.name,
        registered_version=logged.version,
        refit_of=found.uri,
        learned=span,
        validation=figures,
        skill=skill.to_json(),
        alarm=learned.chosen[learned.model].fitted.to_json(),
        audit=audit.to_json(),
        sentence=sentence,
        notes=(*notes, *suspicions, *policy_notes(learned), *health_notes(learned)),
        seconds=round(time.perf_counter() - started, 3),
    )


def _settings(old: Bundle, found: ResolvedModel, overrides: tuple[str, ...]) -> PipelineConfig:
    """The model's pipeline over the data there are now; it learns from everything."""
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key not in _MAY_CHANGE:
            raise ConfigError(
                f"--set {key}: a refit keeps the configuration of {found.uri} and may change"
                f" only {', '.join(_MAY_CHANGE)}; `rareevent train` takes other settings"
            )
    config = override_pipeline(old.config, overrides, where=found.uri)
    if config.split.strategy == "random_leaky":
        raise ConfigError(
            f"{found.uri}: was split at random (random_leaky), which reproduces published numbers;"
            " train with split.strategy: chronological first"
        )
    register = config.register_
    if found.name is not None:
        register = register.model_copy(update={"model": found.name})
    train = config.train.model_copy(update={"refit": True})
    return config.model_copy(update={"register_": register, "train": train})


def _prepared(config: PipelineConfig, old: Bundle) -> Prepared:
    """The rows, parted so that none is held back."""
    whole = prepare(config)
    apart = receptive_field(config) if config.split.purge == "strict" else 0
    split = hold_nothing_back(whole.frame, config.split, whole.split.reach, apart)
    prepared = fill_auto(repart(whole, split))
    frame, until = prepared.frame, old.provenance.get("learned_until")
    if config.split.strategy == "chronological" and until is not None:
        newest = int(frame.time.max())
        if newest <= until:
            raise DataError(
                f"{config.ingest.source}: ends at {frame.clock.text(newest)}, and the model learned"
                f" from rows up to {frame.clock.text(until)}: there is nothing new to learn; give"
                " later data with --set ingest.source=PATH"
            )
    require_events(prepared)
    return prepared


def _learned_rows(prepared: Prepared, learned: Learned) -> dict[str, Any]:
    """How many rows and events taught the final model, and from when to when."""
    frame, rows = prepared.frame, learned.final.part.learned_from
    taught = prepared.labels.event[rows & (prepared.labels.target == 1)]
    return {
        "rows": int(rows.sum()),
        "events": len(np.unique(taught)),
        "from": frame.clock.text(int(frame.time[rows].min())),
        "to": frame.clock.text(int(frame.time[rows].max())),
        "data_sha256": frame.data_sha256(),
    }


def _skill(prepared: Prepared, learned: Learned) -> Skill:
    """Of the models on the validation folds, each ranked by itself, as training does it."""
    fits = validation_folds(prepared, learned)
    return find_skill(fits, prepared.frame.clock, seed=prepared.config.evaluate.seed)


def _with_provenance(
    bundle: Bundle, found: ResolvedModel, old: Bundle, span: Mapping[str, Any]
) -> Bundle:
    origin = {
        "refit_of": found.uri,
        "refit_of_digest": old.digest,
        "learned_rows": {name: span[name] for name in ("rows", "events", "from", "to")},
    }
    return replace(bundle, provenance={**bundle.provenance, **origin})


def _sentence(found: ResolvedModel, span: Mapping[str, Any]) -> str:
    return (
        f"A refit of {found.uri} on {span['rows']:,} rows with {span['events']:,} events,"
        f" {span['from']} to {span['to']}. No row was held back, so it has no test figures; rows"
        " that come later can judge it."
    )


def _short(found: ResolvedModel) -> str:
    return f"version {found.version}" if found.version is not None else "an unregistered model"
