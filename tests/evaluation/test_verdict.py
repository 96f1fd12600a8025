import json
from dataclasses import replace

import numpy as np
import pytest

from rareevent.config import EvaluateStage
from rareevent.errors import DataError
from rareevent.evaluation.compare import (
    Comparison,
    Difference,
    compare,
    compare_with_random,
)
from rareevent.evaluation.verdict import give_verdict
from tests.evaluation.worlds import MINUTE, long_run, make_world

STAGE = EvaluateStage(bootstrap=500)


def models(rows=20_000, events=200):
    """A run, its good scores with alarms, and the same rows with scores that know nothing."""
    scored, log, counted, clock = long_run(np.random.default_rng(0), rows, events, lift=3.0)
    noise = np.random.default_rng(1).random(len(scored))
    pair = []
    for score in (scored.probability, noise):
        top = score >= np.quantile(score, 0.98)
        pair.append(scored.with_scores(score, top))
    return *pair, log, counted, clock


def difference_of(ours, theirs, log, counted, clock, stage=STAGE):
    return compare(
        ours, theirs, log, counted, clock, stage, lookback=10, horizon=5 * clock.interval
    )


def test_a_good_score_is_better_than_noise_and_noise_is_worse():
    good, noise, *rest = models()
    found = difference_of(good, noise, *rest)
    assert {found.differences[m].word for m in ("roc_auc", "pr_auc", "event_recall")} == {"better"}
    assert found.differences["false_alarms_per_event"].word == "better"
    turned = difference_of(noise, good, *rest)
    assert {turned.differences[m].word for m in ("roc_auc", "pr_auc", "brier")} == {"worse"}
    assert turned.differences["roc_auc"].value == -found.differences["roc_auc"].value


def test_a_model_cannot_be_told_from_itself():
    good, _, *rest = models()
    found = difference_of(good, good, *rest)
    assert {d.word for d in found.differences.values()} == {"cannot be told apart"}
    assert found.differences["roc_auc"].interval == (0.0, 0.0)


def test_models_that_catch_the_very_same_events_may_still_differ_in_others():
    good, _, log, counted, clock = models()

    recall = difference_of(good, good, log, counted, clock).differences["event_recall"]

    # 200 events, none of them caught by one alone: Tango's interval of no difference.
    assert recall.interval == pytest.approx((-0.0188, 0.0188), abs=1e-4)
    assert recall.word == "cannot be told apart"


def test_a_comparison_counts_the_events_that_one_of_the_two_caught_alone():
    """Every alarm of the good scores is taken away but those of their first five catches."""
    good, noise, log, counted, clock = models(2_000, 30)
    caught = np.unique(good.event[good.alarm & (good.target == 1)])
    of_noise = np.unique(noise.event[noise.alarm & (noise.target == 1)])
    assert len(caught) > 5
    fewer = good.with_scores(good.probability, good.alarm & (good.event <= caught[4]))

    assert difference_of(fewer, good, log, counted, clock).caught_alone == (0, len(caught) - 5)
    assert difference_of(good, fewer, log, counted, clock).caught_alone == (len(caught) - 5, 0)
    alone = difference_of(good, noise, log, counted, clock).caught_alone
    assert alone == (len(set(caught) - set(of_noise)), len(set(of_noise) - set(caught)))


def test_two_noises_cannot_be_told_apart():
    _, noise, *rest = models()
    other = noise.with_scores(np.random.default_rng(9).random(len(noise)), noise.alarm)
    assert difference_of(noise, other, *rest).differences["pr_auc"].word == "cannot be told apart"


def test_paired_intervals_are_narrower_than_unpaired_ones_would_be():
    good, _, log, counted, clock = models()
    nearly = good.with_scores(good.probability**1.1 + 1e-3 * np.sin(good.time), good.alarm)
    found = difference_of(good, nearly, log, counted, clock).differences["roc_auc"]
    assert np.diff(found.interval)[0] < 0.01


def test_with_too_few_blocks_nothing_is_told_apart():
    good, noise, *rest = models(rows=6_000, events=60)
    found = difference_of(good, noise, *rest)
    assert found.blocks < 10
    assert {(d.word, d.interval) for d in found.differences.values()} == {
        ("cannot be told apart", None)
    }


@pytest.mark.parametrize(("events", "word"), [(5, "cannot be told apart"), (6, "better")])
def test_with_fewer_than_six_events_nothing_is_told_apart_even_if_all_are_caught(events, word):
    rows, gap = 12_000, 1_900
    interval = 2 * MINUTE
    world = make_world(
        {"a": [t * interval for t in range(rows)]},
        [("a", (i + 1) * gap * interval) for i in range(events)],
        horizon=5 * interval,
        kind="datetime",
        interval=interval,
    )
    oracle = world.scored(
        probability=world.labels.target == 1, alarms=np.flatnonzero(world.labels.target == 1)
    )
    blind = oracle.with_scores(np.full(len(oracle), 0.1), np.zeros(len(oracle), bool))
    found = difference_of(
        oracle, blind, world.frame.events, world.everything_counts, world.frame.clock
    )
    assert found.differences["roc_auc"].interval is not None
    assert found.differences["roc_auc"].word == word


def test_models_scored_on_different_rows_are_refused():
    good, noise, *rest = models(rows=6_000, events=60)
    with pytest.raises(DataError, match="same rows"):
        difference_of(good, noise.take(np.arange(len(noise) - 1)), *rest)


def test_a_good_model_beats_its_own_alarms_at_random_and_a_constant_alarm_does_not():
    good, _, log, counted, clock = models()
    where = {"lookback": 10, "horizon": 5 * clock.interval}
    found = compare_with_random(good, log, counted, clock, STAGE, **where)
    assert found.differences["event_recall"].word == "better"
    assert found.differences["roc_auc"].theirs == 0.5
    regular = np.arange(len(good)) % 6 == 0
    dull = replace(good, probability=np.full(len(good), 0.05), alarm=regular)
    same = compare_with_random(dull, log, counted, clock, STAGE, **where)
    assert same.differences["event_recall"].word == "cannot be told apart"


def difference(value, word, interval=(0.0, 0.0)):
    return Difference(0.5 + value, 0.5, value, interval, word)


def comparison(recall, precision, events=62):
    return Comparison(
        {
            "event_recall": recall,
            "pr_auc": precision,
            "false_alarms_per_event": Difference(2.9, 3.1, -0.2, None, "cannot be told apart"),
        },
        events,
        25,
        0.95,
    )


SAME = difference(0.01, "cannot be told apart", (-0.05, 0.07))
BETTER = difference(0.2, "better", (0.1, 0.3))
WORSE = difference(-0.2, "worse", (-0.3, -0.1))


@pytest.mark.parametrize(
    ("comparisons", "sentence"),
    [
        (
            {"boosting": comparison(SAME, SAME)},
            "With 62 events, the LSTM cannot be told apart from boosting.",
        ),
        (
            {"boosting": comparison(SAME, SAME), "logistic regression": comparison(SAME, SAME)},
            "With 62 events, the LSTM cannot be told apart from boosting and logistic regression.",
        ),
        (
            {"alarms at random": comparison(BETTER, BETTER), "boosting": comparison(WORSE, WORSE)},
            "With 62 events, the LSTM is better than alarms at random and is worse than boosting.",
        ),
        (
            {"boosting": comparison(SAME, BETTER)},
            "With 62 events, the LSTM is better than boosting in PR-AUC but cannot be told apart"
            " from it in event recall.",
        ),
        (
            {"boosting": comparison(BETTER, WORSE), "logistic": comparison(BETTER, WORSE)},
            "With 62 events, the LSTM is better than boosting and logistic in event recall but is"
            " worse than them in PR-AUC.",
        ),
        ({}, "The LSTM was compared with nothing."),
    ],
)
def test_the_verdict_is_one_sentence(comparisons, sentence):
    assert give_verdict(comparisons).sentence == sentence


def test_details_give_figures_interval_events_and_false_alarms():
    verdict = give_verdict({"boosting": comparison(SAME, BETTER)}, model="the blend")
    assert verdict.details == (
        "The blend against boosting: event recall cannot be told apart with 62 events (0.510 and"
        " 0.500, difference +0.010, 95% interval -0.050 to +0.070); PR-AUC is better (0.700 and"
        " 0.500, difference +0.200, 95% interval +0.100 to +0.300); at 2.90 and 3.10 false alarms"
        " per event.",
    )
    assert verdict.words == {
        "boosting": {"event_recall": "cannot be told apart", "pr_auc": "better"}
    }


def test_details_say_when_there_is_no_interval_or_no_figure():
    bare = difference(0.1, "cannot be told apart", None)
    none = Difference(None, None, None, None, "cannot be told apart")
    (text,) = give_verdict({"boosting": comparison(bare, none)}).details
    assert "no interval: 25 blocks" in text
    assert "undefined here" in text


def test_comparison_and_verdict_are_plain_data():
    good, noise, *rest = models(rows=6_000, events=60)
    found = difference_of(good, noise, *rest)
    json.dumps(found.to_json(), allow_nan=False)
    json.dumps(give_verdict({"noise": found}).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("comparisons", "outcome"),
    [
        ({}, "cannot_be_told_apart"),
        ({"a": comparison(SAME, SAME)}, "cannot_be_told_apart"),
        ({"a": comparison(SAME, BETTER)}, "better"),
        ({"a": comparison(BETTER, BETTER), "b": comparison(SAME, SAME)}, "cannot_be_told_apart"),
        ({"a": comparison(BETTER, BETTER), "b": comparison(SAME, WORSE)}, "worse"),
        ({"a": comparison(BETTER, WORSE)}, "cannot_be_told_apart"),
    ],
)
def test_the_verdict_is_one_word_too(comparisons, outcome):
    assert give_verdict(comparisons).outcome == outcome
    assert give_verdict(comparisons).to_json()["outcome"] == outcome
