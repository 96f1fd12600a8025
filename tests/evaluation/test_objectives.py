import json

import numpy as np
import pytest

from rareevent.config import AlarmStage
from rareevent.errors import ConfigError, RareEventWarning, TrainingError
from rareevent.evaluation.catches import Judgement, judge
from rareevent.evaluation.objectives import fit_policy
from tests.evaluation.worlds import DAY, MINUTE, long_run, make_world, with_alarms


def ladder(kind="age"):
    """30 rows, events at 9, 19 and 29, horizon 3, and scores whose order is known.

    From the top: .9 on row 7 (catches the first), .8 on row 2 (false), .7 on row 17 (catches the
    second), .6 .5 .4 on rows 11, 13, 22 (false), .3 on row 27 (catches the third), others 0.
    """
    interval = MINUTE if kind == "datetime" else 1
    score = np.zeros(30)
    score[[7, 2, 17, 11, 13, 22, 27]] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    world = make_world(
        {"a": [t * interval for t in range(30)]},
        [("a", t * interval) for t in (9, 19, 29)],
        horizon=3 * interval,
        kind=kind,
        interval=interval,
    )
    return world, world.scored(probability=score)


def fit(world, scored, counted=None, horizon=0, **stage):
    if counted is None:
        counted = world.everything_counts
    return fit_policy(scored, counted, world.frame.clock, AlarmStage(**stage), horizon=horizon)


def found(fitted):
    curve, at = fitted.curve, fitted.chosen
    return int(curve.caught[at]), int(curve.false_alarms[at])


@pytest.mark.parametrize(
    ("budget", "caught", "false", "threshold"),
    [(0.0, 1, 0, 0.85), (0.34, 2, 1, 0.65), (0.9, 2, 2, 0.55), (1.4, 3, 4, 0.15)],
)
def test_a_budget_per_event_takes_the_lowest_threshold_that_keeps_it(
    budget, caught, false, threshold
):
    fitted = fit(*ladder(), false_alarms_per_event=budget)
    assert found(fitted) == (caught, false)
    assert fitted.policy.threshold == pytest.approx(threshold)
    assert (fitted.met, fitted.note) == (True, "")


def test_a_budget_is_spent_even_where_it_buys_nothing_on_these_rows():
    # One false alarm per event allows three; the two beyond the first catch nothing here.
    assert found(fit(*ladder(), false_alarms_per_event=1.0)) == (2, 3)


def test_a_budget_far_above_what_the_same_catches_take_says_so():
    # The same two events are caught with one false alarm; three are spent.
    note = fit(*ladder(), false_alarms_per_event=1.0).note
    assert "the same 2 of 3 events are caught at false_alarms_per_event = 0.33" in note
    assert fit(*ladder(), false_alarms_per_event=0.9).note == ""


def test_budgets_per_day_and_per_asset_day_use_scored_rows():
    # 27 scored minutes: one false alarm is 1440 / 27 a day.
    world, scored = ladder("datetime")
    day = DAY / MINUTE / 27
    for name in ("false_alarms_per_day", "false_alarms_per_asset_day"):
        assert found(fit(world, scored, **{name: 1.01 * day})) == (2, 1)
        assert found(fit(world, scored, **{name: 0.99 * day})) == (1, 0)


def test_where_the_budget_catches_nothing_it_is_spent_and_what_is_reachable_is_named():
    world, scored = ladder()
    score = np.zeros(len(scored))
    score[np.isin(scored.time, [2, 11, 13, 22])] = [0.9, 0.8, 0.7, 0.6]
    score[scored.time == 17] = 0.5
    # Catching the second event takes four false alarms, 4/3 per event; two are allowed.
    fitted = fit(world, scored.with_scores(score, scored.alarm), false_alarms_per_event=0.7)
    assert found(fitted) == (0, 2)
    assert fitted.policy.threshold == pytest.approx(0.75)
    assert "no event is caught within false_alarms_per_event = 0.7" in fitted.note
    assert "takes 1.33" in fitted.note


def test_cost_weighs_missed_events_against_false_alarms():
    # Costs of catching 1, 2, 3: 2m + 0, m + f, 4f.
    assert found(fit(*ladder(), objective="cost", cost_missed=10, cost_false=1)) == (3, 4)
    assert found(fit(*ladder(), objective="cost", cost_missed=2, cost_false=1)) == (2, 1)
    assert found(fit(*ladder(), objective="cost", cost_missed=1, cost_false=2)) == (1, 0)


def test_cost_says_when_the_cheapest_is_no_alarm_at_all():
    world, scored = ladder()
    score = np.where(scored.target == 1, 0.1, 0.9)
    fitted = fit(
        world,
        scored.with_scores(score, scored.alarm),
        objective="cost",
        cost_missed=1,
        cost_false=9,
    )
    assert found(fitted) == (0, 0)
    assert "no event" in fitted.note


def test_fbeta_is_the_best_of_alarm_precision_and_event_recall():
    fitted = fit(*ladder(), objective="fbeta", beta=1.0)
    precision, recall = fitted.curve.precision(), fitted.curve.event_recall()
    score = 2 * precision * recall / (precision + recall)
    assert score[fitted.chosen] == pytest.approx(np.nanmax(score))
    # F1 at (1, 0): .5; at (2, 1): 2/3; at (3, 4): .6.
    assert found(fitted) == (2, 1)
    assert found(fit(*ladder(), objective="fbeta", beta=4.0)) == (3, 4)


def test_a_precision_floor_catches_most_at_that_precision():
    assert found(fit(*ladder(), objective="precision", floor=0.6)) == (2, 1)
    assert found(fit(*ladder(), objective="precision", floor=0.4)) == (3, 4)
    assert found(fit(*ladder(), objective="precision", floor=0.7)) == (1, 0)


def test_a_precision_out_of_reach_is_said_and_the_nearest_taken():
    world, scored = ladder()
    score = scored.probability.copy()
    score[scored.time == 7] = 0
    fitted = fit(world, scored.with_scores(score, scored.alarm), objective="precision", floor=0.9)
    assert found(fitted) == (1, 1)
    assert not fitted.met
    assert "precision 0.9" in fitted.note
    assert "the highest, taken here, is 0.5" in fitted.note


def test_a_recall_floor_takes_the_fewest_false_alarms():
    assert found(fit(*ladder(), objective="recall", floor=0.6)) == (2, 1)
    assert found(fit(*ladder(), objective="recall", floor=0.9)) == (3, 4)


def test_a_recall_out_of_reach_is_said_and_the_nearest_taken():
    world = make_world({"a": range(12)}, [("a", 0), ("a", 6)], horizon=2)
    oracle = (world.labels.target == 1).astype(float)
    fitted = fit(world, world.scored(probability=oracle), objective="recall", floor=0.9)
    assert found(fitted) == (1, 0)
    assert not fitted.met
    assert "event recall 0.9" in fitted.note
    assert "1 of 2 events" in fitted.note


def test_an_oracle_gets_a_threshold_between_its_scores_for_every_objective():
    world, scored = ladder()
    oracle = scored.with_scores((scored.target == 1) * 0.6 + 0.2, scored.alarm)
    for objective in ("budget", "cost", "fbeta", "precision", "recall"):
        fitted = fit(world, oracle, objective=objective)
        assert found(fitted) == (3, 0)
        assert fitted.policy.threshold == pytest.approx(0.5)


def test_equally_good_thresholds_give_the_middle_of_their_plateau():
    world, scored = ladder()
    score = np.zeros(len(scored))
    score[np.isin(scored.time, [16, 17, 18])] = [0.9, 0.7, 0.5]
    fitted = fit(
        world, scored.with_scores(score, scored.alarm), objective="precision", floor=1, horizon=5
    )
    # Thresholds .8, .6 and .25 all catch the event without a false alarm.
    assert fitted.policy.threshold == pytest.approx(0.6)


def test_without_events_only_a_rate_can_be_fitted_and_it_says_so():
    world, scored = ladder("datetime")
    nothing = np.zeros(3, bool)
    for stage in (
        {"objective": "cost"},
        {"objective": "fbeta"},
        {"objective": "precision"},
        {"objective": "recall"},
        {"false_alarms_per_event": 3.0},
    ):
        with pytest.raises(TrainingError, match="false_alarms_per_day"):
            fit(world, scored, nothing, **stage)
    day = DAY / MINUTE / 27
    fitted = fit(world, scored, nothing, false_alarms_per_day=2.5 * day)
    # .9 and .7 ring on rows of events that do not count; .8 and .6 are false, .5 is one too many.
    assert found(fitted) == (0, 2)
    assert fitted.policy.threshold == pytest.approx(0.55)
    assert "no event to fit on" in fitted.note


def test_a_rate_per_day_is_refused_on_an_age_clock():
    with pytest.raises(ConfigError, match="false_alarms_per_event"):
        fit(*ladder(), false_alarms_per_day=2.0)


def test_without_rows_there_is_nothing_to_fit():
    world, scored = ladder()
    with pytest.raises(TrainingError, match=r"split\.validation"):
        fit(world, scored.take(np.zeros(len(scored), bool)))


def test_silence_is_the_horizon_unless_given_and_a_longer_one_warns():
    world, scored = ladder("datetime")
    assert fit(world, scored, horizon=3 * MINUTE).policy.silence == 3 * MINUTE
    assert fit(world, scored, horizon=3 * MINUTE, silence="1min").policy.silence == MINUTE
    assert fit(world, scored, horizon=3 * MINUTE, silence=2).policy.silence == 2 * MINUTE
    with pytest.warns(RareEventWarning, match="longer than the horizon"):
        fit(world, scored, horizon=3 * MINUTE, silence="4min")


def test_k_and_n_are_the_pipelines_and_the_fit_is_plain_data():
    fitted = fit(*ladder(), objective="recall", floor=0.1, k=2, n=3)
    assert (fitted.policy.k, fitted.policy.n) == (2, 3)
    plain = fitted.to_json()
    json.dumps(plain, allow_nan=False)
    assert plain["chosen"]["threshold"] == fitted.policy.threshold


def test_the_fitted_policy_does_on_its_rows_what_the_fit_says():
    scored, _, counted, clock = long_run(np.random.default_rng(4), 20_000, 120)
    for stage in (
        AlarmStage(false_alarms_per_event=3.0, k=2, n=3),
        AlarmStage(false_alarms_per_day=4.0),
        AlarmStage(objective="precision", floor=0.2),
    ):
        fitted = fit_policy(scored, counted, clock, stage, horizon=5 * clock.interval)
        judged = judge(with_alarms(scored, fitted.policy), counted)
        assert (judged.caught.sum(), judged.count(Judgement.FALSE)) == found(fitted)
        assert fitted.curve.caught[fitted.chosen] > 0
