"""Judging what was learned on the test part, beside the baselines and alarms at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy
from rareevent.bundle import Bundle
from rareevent.config import PipelineConfig
from rareevent.evaluation.compare import Comparison, compare, compare_with_random
from rareevent.evaluation.evaluate import Evaluation, evaluate
from rareevent.evaluation.event_types import type_metrics
from rareevent.evaluation.metrics import row_metrics
from rareevent.evaluation.random_alarms import random_alarms
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.verdict import Verdict
from rareevent.ingestion import with_event_delay, without_feed
from rareevent.ingestion.frame import Bool, Int64, SensorFrame
from rareevent.jobs.choose import events_of, with_alarms
from rareevent.jobs.contenders import RANDOM, TITLES, say_verdict
from rareevent.jobs.learn import Learned
from rareevent.jobs.prepare import Prepared
from rareevent.scoring.engine import Scores, score_frame
from rareevent.windowing.event_types import type_of_events
from rareevent.windowing.split import EventPart
from rareevent.windowing.temporalize import temporalize


@dataclass(frozen=True)
class Judged:
    """How the registered model did, and every other one beside it.

    Attributes
    ----------
    model : name of the registered model, "lstm" or "blend"
    test, validation : model name -> Evaluation
    otherwise_told : the model on the test part, run without the event feed where it will have
        one, and with it where it will not
    scored : model name -> the test rows with its probabilities and alarms
    random : expected figures of alarms at random, at the model's own rate
    comparisons : name of the other -> Comparison with the model
    verdict : the comparisons in words
    train : row metrics on the rows that taught, which flatter
    counted, boundary : bool [k], events of the test part, and those it holds only partly
    types : on the test part, how well the model tells types of events apart; empty where it does
        not tell them apart
    """

    model: str
    test: Mapping[str, Evaluation]
    validation: Mapping[str, Evaluation]
    otherwise_told: Evaluation
    scored: Mapping[str, Scored]
    random: Mapping[str, Any]
    comparisons: Mapping[str, Comparison]
    verdict: Verdict
    train: Mapping[str, Any]
    counted: Bool
    boundary: Bool
    types: Mapping[str, Any]


def judge_test(prepared: Prepared, learned: Learned, bundle: Bundle) -> Judged:
    """Judge on the test part, by the output of the scorer that will run.

    `score.with_events` and `score.event_delay` say what that one will know of past events.
    """
    config, test = prepared.config, prepared.split.rows_of(prepared.split.test)
    counted, boundary = events_of(prepared, EventPart.TEST, test)
    live, other = frame_as_scored(prepared, config), frame_as_scored(prepared, config, other=True)
    out = score_frame(bundle, live)
    whole = _join(prepared, out)
    judged = _judged_rows(prepared)[out.row]
    scored = {learned.model: _of_model(prepared, whole.take(judged), bundle.policy)}
    scored |= _others_scored(prepared, learned, live, out.row[judged])
    unlike = score_frame(bundle, other)
    told = _join(prepared, unlike).take(_judged_rows(prepared)[unlike.row])
    comparisons = compare_all(prepared, scored, counted)
    return Judged(
        model=learned.model,
        test={
            name: evaluate_part(prepared, rows, learned.chosen[name].policy, counted, boundary)
            for name, rows in scored.items()
        },
        validation=judge_validation(prepared, learned),
        otherwise_told=evaluate_part(prepared, told, bundle.policy, counted, boundary),
        scored=scored,
        random=random_alarms(scored[learned.model], counted, prepared.frame.clock).metrics,
        comparisons=comparisons,
        verdict=say_verdict(comparisons, learned.model),
        train=row_metrics(whole.take(learned.final.part.learned_from[out.row])),
        counted=counted,
        boundary=boundary,
        types=_types(prepared, out, judged, scored[learned.model], counted),
    )


def _types(
    prepared: Prepared, out: Scores, judged: Bool, scored: Scored, counted: Bool
) -> dict[str, Any]:
    """How well types are told apart on the rows of the scorer's output that are judged."""
    if out.type_probability is None:
        return {}
    kind = type_of_events(prepared.frame.events, out.types)
    return type_metrics(scored, counted, kind, out.type_probability[judged])


def frame_as_scored(
    prepared: Prepared, config: PipelineConfig, *, other: bool = False
) -> SensorFrame:
    """The rows cut as the scoring job will cut them, or (`other`) as it would with or without feed.

    The leaky split ignores gaps and events everywhere.
    """
    frame = prepared.frame
    if config.split.strategy == "random_leaky":
        return frame
    if config.score.with_events == other:
        return without_feed(frame)
    delay = frame.clock.ticks(config.score.event_delay)
    return with_event_delay(frame, delay) if delay else frame


def _judged_rows(prepared: Prepared) -> Bool:
    """Rows of the test part, bool [n]; torn apart at random, only those that could be labelled."""
    test = prepared.split.rows_of(prepared.split.test)
    if prepared.split.strategy == "random_leaky":
        return test & prepared.in_segment
    return test


def _join(prepared: Prepared, out: Scores) -> Scored:
    """The scorer's output beside the truth."""
    return Scored.of_rows(
        prepared.frame, prepared.labels, out.row, out.segment, out.probability, out.alarm
    )


def _of_model(prepared: Prepared, scored: Scored, policy: AlarmPolicy) -> Scored:
    """The model's rows; torn apart at random, they raise their alarms among themselves."""
    if prepared.split.strategy == "random_leaky":
        return with_alarms(scored, policy)
    return scored


def evaluate_part(
    prepared: Prepared, scored: Scored, policy: AlarmPolicy, counted: Bool, boundary: Bool
) -> Evaluation:
    """Evaluate scored rows of one part."""
    return evaluate(
        scored,
        prepared.frame.events,
        counted,
        boundary,
        prepared.frame.assets,
        prepared.frame.clock,
        policy,
        lookback=prepared.config.window.lookback,
        horizon=prepared.labels.horizon,
        stage=prepared.config.evaluate,
    )


def compare_all(
    prepared: Prepared, scored: Mapping[str, Scored], counted: Bool
) -> dict[str, Comparison]:
    """The registered model against every other one and its own alarms at random, paired.

    Parameters
    ----------
    scored : model name -> the same rows; the first is the registered model
    """
    frame, config = prepared.frame, prepared.config
    sizes = {"lookback": config.window.lookback, "horizon": prepared.labels.horizon}
    (_, ours), *others = scored.items()
    found = {
        TITLES[name]: compare(
            ours, theirs, frame.events, counted, frame.clock, config.evaluate, **sizes
        )
        for name, theirs in others
    }
    found[RANDOM] = compare_with_random(
        ours, frame.events, counted, frame.clock, config.evaluate, **sizes
    )
    return found


def _others_scored(
    prepared: Prepared, learned: Learned, live: SensorFrame, row: Int64
) -> dict[str, Scored]:
    """The other models on the rows that the registered one was judged on, each by its policy."""
    windows, window = learned.final.part.windows, prepared.config.window
    if live is not prepared.frame:
        encoded = learned.final.part.encoder.encode(live)
        cut = window.lookback, window.pad, window.min_history
        windows, _ = temporalize(encoded, live.segments, *cut)
    mine = windows.take(np.searchsorted(windows.ends, row))
    segment = live.segments.of_row[row]
    scored, logits = {}, learned.logits(mine)
    for name, chosen in learned.chosen.items():
        if name == learned.model:
            continue
        probability = chosen.calibration.apply(logits[name])
        silent = np.zeros(len(row), bool)
        rows = Scored.of_rows(prepared.frame, prepared.labels, row, segment, probability, silent)
        scored[name] = with_alarms(rows, chosen.policy)
    return scored


def judge_validation(prepared: Prepared, learned: Learned) -> dict[str, Evaluation]:
    """How every model did on the validation rows, each scored by fits of earlier rows only.

    Alarms and calibration were chosen on these very rows, which flatters the figures.
    """
    split = prepared.split
    rows = (split.part > 0) & (split.part < split.test)
    counted, boundary = events_of(prepared, EventPart.VALIDATION, rows)
    return {
        name: evaluate_part(prepared, chosen.scored, chosen.policy, counted, boundary)
        for name, chosen in learned.chosen.items()
    }
