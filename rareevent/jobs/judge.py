"""Judging what was learned on the test part, beside the baselines and alarms at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy
from rareevent.bundle import Bundle
from rareevent.evaluation.compare import Comparison, compare, compare_with_random
from rareevent.evaluation.evaluate import Evaluation, evaluate
from rareevent.evaluation.metrics import row_metrics
from rareevent.evaluation.random_alarms import random_alarms
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.verdict import Verdict, give_verdict
from rareevent.ingestion import without_feed
from rareevent.ingestion.frame import Bool, Int64
from rareevent.jobs.learn import LSTM, Learned, as_scored, events_of, with_alarms
from rareevent.jobs.prepare import Prepared
from rareevent.scoring.engine import score_frame
from rareevent.windowing.split import EventPart

TITLES = {"logistic": "logistic regression", "boosting": "gradient boosting"}
RANDOM = "alarms at random"


@dataclass(frozen=True)
class Judged:
    """How the model and the baselines did.

    Attributes
    ----------
    test, validation : model name -> Evaluation
    without_feed : the model on the test part as a scorer without event feed would have run it
    scored : model name -> the test rows with its probabilities and alarms
    random : expected figures of alarms at random, at the model's own rate
    comparisons : name of the other -> Comparison with the model
    verdict : the comparisons in words
    train : row metrics on the rows that taught, which flatter
    counted, boundary : bool [k], events of the test part, and those it holds only partly
    """

    test: Mapping[str, Evaluation]
    validation: Mapping[str, Evaluation]
    without_feed: Evaluation
    scored: Mapping[str, Scored]
    random: Mapping[str, Any]
    comparisons: Mapping[str, Comparison]
    verdict: Verdict
    train: Mapping[str, Any]
    counted: Bool
    boundary: Bool


def judge_test(prepared: Prepared, learned: Learned, bundle: Bundle) -> Judged:
    """Judge on the test part; the model by the output of the scorer itself."""
    test = prepared.split.rows_of(prepared.split.test)
    counted, boundary = events_of(prepared, EventPart.TEST, test)
    whole = scores_as_scored(prepared, bundle, feed=True)
    scored = {LSTM: whole.scored.take(test[whole.row])}
    for name in prepared.config.evaluate.baselines:
        scored[name] = _baseline_scored(prepared, learned, name, whole.row[test[whole.row]])
    blind = scores_as_scored(prepared, bundle, feed=False)
    comparisons = compare_all(prepared, scored, counted)
    return Judged(
        test={
            name: evaluate_part(prepared, rows, learned.chosen[name].policy, counted, boundary)
            for name, rows in scored.items()
        },
        validation=_validation(prepared, learned),
        without_feed=evaluate_part(
            prepared, blind.scored.take(test[blind.row]), bundle.policy, counted, boundary
        ),
        scored=scored,
        random=random_alarms(scored[LSTM], counted, prepared.frame.clock).metrics,
        comparisons=comparisons,
        verdict=give_verdict(comparisons),
        train=row_metrics(whole.scored.take(learned.final.part.learned_from[whole.row])),
        counted=counted,
        boundary=boundary,
    )


@dataclass(frozen=True)
class WholeFrame:
    """The scorer's output for every row it scored, and those rows."""

    row: Int64
    scored: Scored


def scores_as_scored(prepared: Prepared, bundle: Bundle, *, feed: bool) -> WholeFrame:
    """The scorer over all rows, with the events known to it or with none."""
    frame = prepared.frame if feed else without_feed(prepared.frame)
    out = score_frame(bundle, frame)
    scored = Scored.of_rows(
        prepared.frame, prepared.labels, out.row, out.segment, out.probability, out.alarm
    )
    return WholeFrame(out.row, scored)


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
    """The model against every baseline and against its own alarms at random, paired."""
    frame, config = prepared.frame, prepared.config
    sizes = {"lookback": config.window.lookback, "horizon": prepared.labels.horizon}
    ours = scored[LSTM]
    found = {
        TITLES[name]: compare(
            ours, theirs, frame.events, counted, frame.clock, config.evaluate, **sizes
        )
        for name, theirs in scored.items()
        if name != LSTM
    }
    found[RANDOM] = compare_with_random(
        ours, frame.events, counted, frame.clock, config.evaluate, **sizes
    )
    return found


def _baseline_scored(prepared: Prepared, learned: Learned, name: str, row: Int64) -> Scored:
    """A baseline on the rows that the model was judged on, by its own policy."""
    final, chosen = learned.final, learned.chosen[name]
    mine = final.part.windows.take(np.searchsorted(final.part.windows.ends, row))
    probability = chosen.calibration.apply(final.logits(name, mine))
    return with_alarms(as_scored(prepared, row, probability), chosen.policy)


def _validation(prepared: Prepared, learned: Learned) -> dict[str, Evaluation]:
    split = prepared.split
    rows = (split.part > 0) & (split.part < split.test)
    counted, boundary = events_of(prepared, EventPart.VALIDATION, rows)
    return {
        name: evaluate_part(prepared, chosen.scored, chosen.policy, counted, boundary)
        for name, chosen in learned.chosen.items()
    }
