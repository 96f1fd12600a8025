import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.catches import judge
from rareevent.evaluation.metrics import (
    alarm_metrics,
    per_asset_table,
    pr_points,
    reliability,
    row_metrics,
    threshold_metrics,
)
from tests.evaluation.worlds import DAY, MINUTE, make_world


def figures(world, scored, threshold=0.5):
    judged = judge(scored, world.everything_counts)
    return alarm_metrics(scored, judged, world.everything_counts, world.frame.clock, threshold)


def test_row_metrics_of_six_rows_counted_by_hand():
    # Event at 5, horizon 2: targets 0 0 0 1 1; row 6 and 7 are censored.
    world = make_world({"a": range(8)}, [("a", 5)], horizon=2)
    scored = world.scored(probability=[0.1, 0.6, 0.2, 0.4, 0.8, 0.0, 0.9, 0.9])
    found = row_metrics(scored)
    assert (found["rows"], found["labelled_rows"], found["positive_rows"]) == (7, 5, 2)
    assert found["prevalence"] == pytest.approx(2 / 5)
    # Of six pairs the positive is ahead in five: .4 loses to .6.
    assert found["roc_auc"] == pytest.approx(5 / 6)
    # Recall 1/2 at precision 1, then 2/2 at precision 2/3.
    assert found["pr_auc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    brier = (0.01 + 0.36 + 0.04 + 0.36 + 0.04) / 5
    assert found["brier"] == pytest.approx(brier)
    assert found["brier_skill"] == pytest.approx(1 - brier / (0.4 * 0.6))


def test_figures_at_the_threshold_of_six_rows_counted_by_hand():
    # Event at 5, horizon 2: targets 0 0 0 1 1; row 6 and 7 are censored.
    world = make_world({"a": range(8)}, [("a", 5)], horizon=2)
    scored = world.scored(probability=[0.1, 0.6, 0.2, 0.4, 0.8, 0.0, 0.9, 0.9])
    found = threshold_metrics(scored, 0.6)
    # One of two positives and one of three negatives reach .6.
    assert found["sensitivity"] == pytest.approx(1 / 2)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["geometric_mean"] == pytest.approx((1 / 2 * 2 / 3) ** 0.5)
    assert found["index_balanced_accuracy"] == pytest.approx((1 + 0.1 * (1 / 2 - 2 / 3)) / 3)
    none = threshold_metrics(scored.take(scored.target < 0), 0.5)
    assert none == {
        "sensitivity": None,
        "specificity": None,
        "geometric_mean": None,
        "index_balanced_accuracy": None,
    }


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 2.0])
def test_figures_at_the_threshold_are_imbalanced_learns(threshold):
    from imblearn import metrics

    rng = np.random.default_rng(0)
    rows = list(range(0, 4_000, 2))
    world = make_world({"a": rows}, [("a", t) for t in range(81, 4_000, 80)], horizon=12)
    scored = world.scored(probability=rng.random(len(rows)) ** 2)
    known = scored.target >= 0
    pair = scored.target[known] == 1, scored.probability[known] >= threshold
    how = {"pos_label": True, "average": "binary"}
    balanced = metrics.make_index_balanced_accuracy(alpha=0.1, squared=True)
    assert threshold_metrics(scored, threshold) == pytest.approx(
        {
            "sensitivity": metrics.sensitivity_score(*pair, **how),
            "specificity": metrics.specificity_score(*pair, **how),
            "geometric_mean": metrics.geometric_mean_score(*pair, **how),
            "index_balanced_accuracy": balanced(metrics.geometric_mean_score)(*pair, **how),
        }
    )


def test_alarm_metrics_of_two_assets_counted_by_hand():
    # 1-minute rows. a: event at 9, horizon 3, lead 2: rows 6 and 7 positive, row 8 too late.
    # b: events at 3 (rows 0 and 1 positive) and 7 (rows 4, 5).
    minutes = [t * MINUTE for t in range(10)]
    world = make_world(
        {"a": minutes, "b": minutes},
        [("a", 9 * MINUTE), ("b", 3 * MINUTE), ("b", 7 * MINUTE)],
        horizon=3 * MINUTE,
        lead=2 * MINUTE,
        kind="datetime",
        interval=MINUTE,
    )
    scored = world.scored(probability=[0.6] * 4 + [0.1] * 16, alarms=[2, 6, 7, 8, 14, 15, 19])
    assert figures(world, scored) == {
        "events": 3,
        "caught": 2,
        "event_recall": pytest.approx(2 / 3),
        "unforeseeable_events": 0,
        "alarms": 7,
        "false_alarms": 2,
        "late_alarms": 1,
        "repeated_alarms": 2,
        "boundary_alarms": 0,
        "alarm_precision": 0.5,
        "false_alarms_per_event": pytest.approx(2 / 3),
        # 9 + 8 rows of a minute are 17 asset-minutes; two assets make that 8.5 fleet-minutes.
        "false_alarms_per_day": pytest.approx(2 / 8.5 * 1440),
        "false_alarms_per_asset_day": pytest.approx(2 / 17 * 1440),
        "lead_time_median_min": 3.0,
        "lead_time_p10_min": 3.0,
        "time_above_threshold": pytest.approx(4 / 17),
    }


def test_lead_times_are_the_first_alarms_of_caught_events():
    minutes = [t * MINUTE for t in range(40)]
    world = make_world(
        {"a": minutes},
        [("a", t * MINUTE) for t in (9, 19, 29, 39)],
        horizon=8 * MINUTE,
        kind="datetime",
        interval=MINUTE,
    )
    found = figures(world, world.scored(alarms=[1, 5, 14, 28]))
    assert found["caught"] == 3
    assert found["lead_time_median_min"] == 5.0
    # Lead times 8, 5, 1: the 10th percentile lies a fifth of the way from 1 to 5.
    assert found["lead_time_p10_min"] == pytest.approx(1.8)


def test_on_an_age_clock_rates_are_per_1000_cycles_and_the_others_null():
    world = make_world({"a": range(10)}, [("a", 9)], horizon=3)
    found = figures(world, world.scored(alarms=[1, 2, 7]))
    assert found["false_alarms_per_day"] is None
    assert found["false_alarms_per_asset_day"] is None
    assert found["lead_time_median_min"] is None
    assert found["lead_time_p10_min"] is None
    assert found["false_alarms_per_1000_cycles"] == pytest.approx(2 / 9 * 1000)
    assert found["lead_time_median_cycles"] == 2.0
    assert found["lead_time_p10_cycles"] == 2.0


def test_an_alarm_that_is_always_on_is_counted_as_what_it_is():
    # 24 rows, events at 11 and 23, horizon 2: of 22 scored rows 4 are positive.
    world = make_world({"a": range(24)}, [("a", 11), ("a", 23)], horizon=2)
    scored = world.raised(AlarmPolicy(0.5), np.ones(24))
    found = figures(world, scored)
    assert (found["alarms"], found["caught"], found["repeated_alarms"]) == (22, 2, 2)
    assert found["false_alarms"] == 18
    assert found["alarm_precision"] == pytest.approx(2 / 20)
    assert found["time_above_threshold"] == 1.0


def test_an_oracle_catches_every_event_without_a_false_alarm():
    world = make_world({"a": range(40), "b": range(40)}, [("a", 20), ("b", 39)], horizon=4)
    oracle = (world.labels.target == 1).astype(float)
    scored = world.raised(AlarmPolicy(0.5), oracle)
    found = {**row_metrics(scored), **figures(world, scored)}
    assert (found["event_recall"], found["false_alarms"], found["alarm_precision"]) == (1, 0, 1)
    assert (found["roc_auc"], found["pr_auc"], found["brier_skill"]) == (1, 1, 1)


def test_a_constant_score_has_no_skill():
    world = make_world({"a": range(50)}, [("a", 49)], horizon=7)
    found = row_metrics(world.scored(probability=np.full(50, 7 / 49)))
    assert found["roc_auc"] == 0.5
    assert found["pr_auc"] == pytest.approx(found["prevalence"])
    assert found["brier_skill"] == pytest.approx(0.0)


def test_random_scores_have_the_expected_areas():
    world = make_world({"a": range(40_000)}, [("a", 39_999)], horizon=4_000)
    score = np.random.default_rng(0).random(40_000)
    found = row_metrics(world.scored(probability=score))
    # The standard error of the area is about .0048 here.
    assert found["roc_auc"] == pytest.approx(0.5, abs=0.015)
    assert found["pr_auc"] == pytest.approx(found["prevalence"], rel=0.06)


def test_what_does_not_exist_is_none():
    world = make_world({"a": range(5)}, [], horizon=2)
    scored = world.scored()
    assert row_metrics(scored)["roc_auc"] is None
    assert row_metrics(scored)["brier_skill"] is None
    found = figures(world, scored)
    assert found["event_recall"] is None
    assert found["alarm_precision"] is None
    assert found["false_alarms_per_event"] is None
    assert found["lead_time_median_cycles"] is None
    empty = scored.take(np.zeros(5, bool))
    assert row_metrics(empty)["prevalence"] is None
    assert figures(world, empty)["false_alarms_per_1000_cycles"] is None
    assert (reliability(empty), pr_points(empty)) == ([], [])


def test_reliability_bins_hold_all_labelled_rows_and_share_equal_scores():
    world = make_world({"a": range(21)}, [("a", 20)], horizon=5)
    score = [0.1] * 15 + [0.6, 0.6, 0.7, 0.8, 0.9] + [0.0]
    bins = reliability(world.scored(probability=score))
    assert sum(b["rows"] for b in bins) == 20
    assert sum(b["positives"] for b in bins) == 5
    assert bins[0] == {
        "rows": 15,
        "positives": 0,
        "low": 0.1,
        "high": 0.1,
        "mean_probability": pytest.approx(0.1),
        "observed": 0.0,
    }
    assert [b["observed"] for b in bins[1:]] == [1.0] * (len(bins) - 1)


def test_pr_points_start_high_end_at_full_recall_and_stay_few():
    world = make_world({"a": range(5_001)}, [("a", 5_000)], horizon=500)
    score = np.random.default_rng(1).random(5_001)
    points = pr_points(world.scored(probability=score))
    assert len(points) <= 200
    assert points[-1]["recall"] == 1.0
    thresholds = [p["threshold"] for p in points]
    assert thresholds == sorted(thresholds, reverse=True)
    middle = points[len(points) // 2]
    above = world.scored(probability=score).probability >= middle["threshold"]
    target = world.scored().target
    assert middle["recall"] == pytest.approx((target[above] == 1).sum() / 500)
    assert middle["precision"] == pytest.approx((target[above] == 1).mean())


def test_the_table_by_asset_adds_up_to_the_pool():
    times = [t * MINUTE for t in range(10)]
    world = make_world(
        {"a": times, "b": times, "c": times},
        [("a", 9 * MINUTE), ("b", 9 * MINUTE)],
        horizon=3 * MINUTE,
        kind="datetime",
        interval=MINUTE,
    )
    scored = world.scored(alarms=[0, 8, 12, 21]).take(np.arange(18))
    judged = judge(scored, world.everything_counts)
    table = per_asset_table(
        scored,
        judged,
        world.everything_counts,
        world.frame.events.asset,
        world.frame.assets,
        world.frame.clock,
    )
    assert [line["asset"] for line in table] == ["a", "b"]
    assert table[0] == {
        "asset": "a",
        "rows": 9,
        "events": 1,
        "caught": 1,
        "alarms": 2,
        "false_alarms": 1,
        "event_recall": 1.0,
        "false_alarms_per_day": pytest.approx(1 / 9 * DAY / MINUTE),
        "false_alarms_per_asset_day": pytest.approx(1 / 9 * DAY / MINUTE),
    }
    assert [line["false_alarms"] for line in table] == [1, 1]
