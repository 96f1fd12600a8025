"""Evaluation of a trained model on labelled data that it has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.bundle import Bundle, load_bundle
from rareevent.config import PipelineConfig
from rareevent.errors import DataError
from rareevent.evaluation.compare import compare_with_random
from rareevent.evaluation.evaluate import Evaluation, evaluate
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.skill import FitScores, Skill, find_skill
from rareevent.evaluation.verdict import give_verdict, with_skill
from rareevent.ingestion import ingest, with_event_delay, without_feed
from rareevent.ingestion.frame import Bool, SensorFrame
from rareevent.jobs.contenders import RANDOM
from rareevent.scoring.engine import score_frame
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model
from rareevent.windowing.curve_shift import Labels, curve_shift


@dataclass(frozen=True)
class EvaluationResult:
    """How a model did on labelled data.

    Attributes
    ----------
    model : what it is known as
    since : first judged time
    rows_not_judged : rows that are too near to what the model learned from, or lie before it
    evaluation : Evaluation of the judged rows
    verdict, verdict_sentence : against chance: no_skill, better, worse or cannot_be_told_apart,
        and the same in words
    skill : of the judged rows
    """

    model: str
    since: str
    rows_not_judged: int
    evaluation: Evaluation
    verdict: str
    verdict_sentence: str
    skill: Skill

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        parts = {"evaluation": self.evaluation.to_json(), "skill": self.skill.to_json()}
        return {**vars(self), **parts}


def evaluate_model(
    model: str, config: PipelineConfig | None = None, *, home: Home | None = None
) -> EvaluationResult:
    """Judge a model on labelled data, by the output of the scorer.

    Rows up to the last one that taught the model, and rows whose features its labels may have
    looked at, are scored as history but not judged; a model that was split by asset judges only
    assets that taught it nothing.

    Parameters
    ----------
    model : URI or bundle directory
    config : pipeline whose `ingest` says where the labelled data are; default the model's own

    Raises
    ------
    DataError
        When no row is left to judge.
    """
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    used = config or bundle.config
    frame, _ = ingest(used.ingest)
    labels = curve_shift(frame, bundle.horizon, frame.clock.ticks(bundle.config.label.lead))
    fresh = rows_not_learned_from(bundle, frame)
    if not fresh.any():
        raise DataError(
            f"{used.ingest.source}: the model learned from rows up to the end of these data; give"
            " later data with --set ingest.source=PATH"
        )
    out = score_frame(bundle, as_scored(bundle, frame))
    whole = Scored.of_rows(frame, labels, out.row, out.segment, out.probability, out.alarm)
    scored = whole.take(fresh[out.row])
    counted, boundary = countable_events(bundle, frame, labels, fresh)
    sizes = {"lookback": bundle.config.window.lookback, "horizon": bundle.horizon}
    stage = used.evaluate
    evaluation = evaluate(
        scored,
        frame.events,
        counted,
        boundary,
        frame.assets,
        frame.clock,
        bundle.policy,
        stage=stage,
        **sizes,
    )
    chance = compare_with_random(scored, frame.events, counted, frame.clock, stage, **sizes)
    skill = find_skill([FitScores.of({"model": scored})], frame.clock, seed=stage.seed)
    verdict = with_skill(give_verdict({RANDOM: chance}, "the model"), skill)
    return EvaluationResult(
        model=found.uri,
        since=frame.clock.text(int(frame.time[fresh].min())),
        rows_not_judged=int((~fresh).sum()),
        evaluation=evaluation,
        verdict=verdict.outcome,
        verdict_sentence=verdict.sentence,
        skill=skill,
    )


def rows_not_learned_from(bundle: Bundle, frame: SensorFrame) -> Bool:
    """Rows that neither taught the model nor lie where its training labels looked, bool [n]."""
    assets = bundle.provenance.get("learned_assets")
    if assets is not None:
        taught = np.isin(np.array(frame.assets, object), np.array(assets, object))
        return ~taught[frame.asset]
    looked_until: int = bundle.provenance["learned_until"] + bundle.provenance["reach"]
    return frame.time > looked_until


def as_scored(bundle: Bundle, frame: SensorFrame) -> SensorFrame:
    """The rows cut as the scoring job cuts them, knowing what it will know of past events."""
    if not bundle.config.score.with_events:
        return without_feed(frame)
    return with_event_delay(frame, bundle.event_delay) if bundle.event_delay else frame


def countable_events(
    bundle: Bundle, frame: SensorFrame, labels: Labels, fresh: Bool
) -> tuple[Bool, Bool]:
    """Events whose whole catch window may be judged, and those of which only a part may.

    One that too little history came before counts all the same.
    """
    events = frame.events
    first, last = frame.time[frame.asset_starts[:-1]], frame.end_of_observation()
    opens = events.time - labels.horizon
    seen = (events.time >= first[events.asset]) & (opens <= last[events.asset])
    if "learned_assets" in bundle.provenance:
        counted = seen & fresh[frame.asset_starts[:-1]][events.asset]
    else:
        learned_until = bundle.provenance["learned_until"] + bundle.provenance["reach"]
        counted = seen & (opens > learned_until)
    here = np.zeros(len(events), bool)
    here[labels.event[fresh & (labels.target == 1)]] = True
    return counted, here & ~counted
