import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.blocks import make_blocks
from rareevent.evaluation.bootstrap import point
from rareevent.evaluation.catches import judge
from rareevent.evaluation.metrics import alarm_metrics
from rareevent.evaluation.random_alarms import random_alarms, random_tally
from tests.evaluation.worlds import make_world


def expected(world, scored):
    return random_alarms(scored, world.everything_counts, world.frame.clock).metrics


def test_one_alarm_catches_by_the_share_of_positive_rows():
    # 20 scored rows, 4 of them positive.
    world = make_world({"a": range(21)}, [("a", 20)], horizon=4)
    found = expected(world, world.scored(alarms=[2]))
    assert found["event_recall"] == pytest.approx(4 / 20)
    assert found["false_alarms"] == pytest.approx(16 / 20)
    assert found["alarm_precision"] == pytest.approx(0.2)
    assert (found["roc_auc"], found["pr_auc"]) == (0.5, 0.2)


def test_two_alarms_side_by_side_catch_less_than_two_apart():
    world = make_world({"a": range(21)}, [("a", 20)], horizon=4)
    # Together they cover 5 of 20 places of the window, apart 8.
    assert expected(world, world.scored(alarms=[2, 3]))["caught"] == pytest.approx(5 / 20)
    assert expected(world, world.scored(alarms=[2, 12]))["caught"] == pytest.approx(8 / 20)


def test_an_alarm_that_is_always_on_is_no_better_than_its_random_twin():
    at = np.random.default_rng(0).choice(np.arange(50, 20_000, 10), 400, replace=False)
    at = np.sort(at + np.random.default_rng(1).integers(0, 7, 400))
    world = make_world({"a": range(20_000)}, [("a", int(t)) for t in at], horizon=2)
    scored = world.raised(AlarmPolicy(0.5, silence=2), np.ones(20_000))
    judged = judge(scored, world.everything_counts)
    counted = alarm_metrics(scored, judged, world.everything_counts, world.frame.clock, 0.5)
    random = expected(world, scored)
    # An alarm every third row, and windows of two rows: two thirds of the windows hold one.
    assert random["event_recall"] == pytest.approx(2 / 3, abs=0.02)
    assert counted["event_recall"] == pytest.approx(random["event_recall"], abs=0.05)
    assert random["alarms"] == counted["alarms"]


def test_no_alarm_and_unforeseeable_events_catch_nothing():
    world = make_world({"a": range(9), "b": range(3)}, [("a", 8), ("b", 0)], horizon=2)
    silent = expected(world, world.scored())
    assert (silent["caught"], silent["false_alarms"], silent["alarm_precision"]) == (0, 0, None)
    chance = random_alarms(
        world.scored(alarms=[1]), world.everything_counts, world.frame.clock
    ).chance
    assert chance[1] == 0.0
    assert chance[0] > 0.0


def test_late_rows_take_their_share_of_random_alarms():
    world = make_world({"a": range(11)}, [("a", 10)], horizon=4, lead=2)
    found = expected(world, world.scored(alarms=[0, 5]))
    assert found["late_alarms"] == pytest.approx(2 * 1 / 10)
    assert found["false_alarms"] == pytest.approx(2 * 6 / 10)


def test_the_counts_by_block_add_up_to_the_expected_figures():
    world = make_world({"a": range(61)}, [("a", 20), ("a", 60)], horizon=4)
    scored = world.scored(alarms=[3, 30, 44])
    random = random_alarms(scored, world.everything_counts, world.frame.clock)
    blocks = make_blocks(
        scored,
        world.frame.events,
        world.everything_counts,
        world.frame.clock,
        lookback=2,
        horizon=4,
    )
    found = point(random_tally(scored, random, world.everything_counts, blocks, world.frame.clock))
    for name in ("event_recall", "alarm_precision", "false_alarms_per_event", "pr_auc", "roc_auc"):
        assert found[name] == pytest.approx(random.metrics[name])
    rate = random.metrics["prevalence"]
    assert found["brier"] == pytest.approx(rate * (1 - rate))
