import json
import time

import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.config import EvaluateStage
from rareevent.evaluation import evaluate as module
from rareevent.evaluation.evaluate import evaluate
from tests.evaluation.worlds import MINUTE, long_run, make_world, with_alarms


def small(kind="datetime", alarms=(1, 4, 13), counted=None, boundary=None):
    """Asset a, 20 rows, events at 5 and 15; asset b, 5 rows, an event before its first row."""
    tick = MINUTE if kind == "datetime" else 1
    world = make_world(
        {"a": [t * tick for t in range(20)], "b": [t * tick for t in range(5, 10)]},
        [("a", 5 * tick), ("a", 15 * tick), ("b", 2 * tick)],
        horizon=2 * tick,
        kind=kind,
        interval=tick,
    )
    counted = np.ones(3, bool) if counted is None else np.array(counted)
    boundary = np.zeros(3, bool) if boundary is None else np.array(boundary)
    return evaluate(
        world.scored(probability=np.linspace(0.1, 0.9, 25), alarms=alarms),
        world.frame.events,
        counted,
        boundary,
        world.frame.assets,
        world.frame.clock,
        AlarmPolicy(0.5),
        lookback=2,
        horizon=2 * tick,
        stage=EvaluateStage(bootstrap=50),
    )


def test_events_and_alarms_are_listed_with_what_became_of_them():
    found = small(alarms=(1, 4, 13, 14))
    assert found.events == [
        {
            "asset": "a",
            "time": "1970-01-01 00:05:00",
            "tick": 5 * MINUTE,
            "type": "event",
            "outcome": "caught",
            "lead_time": 1.0,
            "late": False,
            "silenced": False,
        },
        {
            "asset": "a",
            "time": "1970-01-01 00:15:00",
            "tick": 15 * MINUTE,
            "type": "event",
            "outcome": "caught",
            "lead_time": 2.0,
            "late": False,
            "silenced": False,
        },
        {
            "asset": "b",
            "time": "1970-01-01 00:02:00",
            "tick": 2 * MINUTE,
            "type": "event",
            "outcome": "unforeseeable",
            "lead_time": None,
            "late": False,
            "silenced": False,
        },
    ]
    assert [(a["tick"] // MINUTE, a["judgement"]) for a in found.alarms] == [
        *((1, "false"), (4, "catch"), (13, "catch"), (14, "repeat"))
    ]
    assert found.alarms[1]["asset"] == "a"
    assert found.alarms[1]["probability"] == pytest.approx(0.1 + 0.8 * 4 / 24)
    assert found.metrics["event_recall"] == pytest.approx(2 / 3)
    assert found.metrics["unforeseeable_events"] == 1


def test_boundary_events_are_listed_and_not_counted():
    found = small(counted=[False, True, False], boundary=[True, False, False])
    assert [(e["tick"] // MINUTE, e["outcome"]) for e in found.events] == [
        *((5, "boundary"), (15, "caught"))
    ]
    assert (found.metrics["events"], found.metrics["caught"]) == (1, 1)
    assert (found.metrics["boundary_alarms"], found.metrics["false_alarms"]) == (1, 1)


def test_on_an_age_clock_times_are_ages_and_lead_times_cycles():
    found = small(kind="age")
    assert [(e["time"], e["lead_time"]) for e in found.events] == [
        *(("5", 1.0), ("15", 2.0), ("2", None))
    ]
    assert found.metrics["false_alarms_per_day"] is None
    assert found.metrics["false_alarms_per_1000_cycles"] is not None


@pytest.mark.parametrize("kind", ["datetime", "age"])
def test_an_evaluation_is_strict_json(kind):
    for found in (small(kind), small(kind, alarms=(), counted=[False] * 3)):
        plain = found.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_an_evaluation_of_nothing_is_strict_json_too():
    world = make_world({"a": range(5)}, [], horizon=2)
    found = evaluate(
        world.scored().take(np.zeros(5, bool)),
        world.frame.events,
        np.zeros(0, bool),
        np.zeros(0, bool),
        world.frame.assets,
        world.frame.clock,
        AlarmPolicy(0.5),
        lookback=2,
        horizon=2,
        stage=EvaluateStage(),
    )
    json.dumps(found.to_json(), allow_nan=False)
    assert found.metrics["rows"] == 0
    assert set(found.intervals.values()) == {None}


def evaluated(seed=0, rows=20_000, events=150, threshold=0.1, **stage):
    scored, log, counted, clock = long_run(np.random.default_rng(seed), rows, events)
    policy = AlarmPolicy(threshold, silence=5 * clock.interval)
    return evaluate(
        with_alarms(scored, policy),
        log,
        counted,
        ~counted,
        ("machine",),
        clock,
        policy,
        lookback=10,
        horizon=5 * clock.interval,
        stage=EvaluateStage(**stage),
    )


def test_intervals_stand_beside_the_metrics_with_the_exact_one_for_recall():
    found = evaluated(bootstrap=300)
    for name, interval in found.intervals.items():
        value = found.metrics[name.removesuffix("_exact")]
        assert interval[0] <= value <= interval[1]
    assert "event_recall_exact" in found.intervals
    assert found.blocks["kind"] == "time"
    assert found.blocks["count"] == 27


def test_the_curve_passes_through_the_policy():
    found = evaluated()
    below = next(p for p in found.curve if p["threshold"] <= 0.1)
    above = [p for p in found.curve if p["threshold"] > 0.1][-1]
    assert above["alarms"] <= found.metrics["alarms"] <= below["alarms"]


def test_the_same_input_gives_the_same_evaluation():
    assert evaluated(bootstrap=100).to_json() == evaluated(bootstrap=100).to_json()


def test_a_flood_of_alarms_is_counted_in_full_and_listed_in_part(monkeypatch):
    monkeypatch.setattr(module, "MOST_LISTED_ALARMS", 7)
    found = evaluated(threshold=0.0, bootstrap=0)
    assert len(found.alarms) == 7
    assert found.to_json()["alarms_not_listed"] == found.metrics["alarms"] - 7
    assert found.metrics["time_above_threshold"] == 1.0


def test_twenty_thousand_rows_are_evaluated_in_seconds():
    began = time.process_time()
    evaluated()
    assert time.process_time() - began < 8


def test_an_event_that_an_alarm_before_its_catch_window_silenced_is_told_from_one_unseen():
    times = {"a": [t * MINUTE for t in range(20)]}
    world = make_world(times, [("a", 9 * MINUTE)], horizon=3 * MINUTE, interval=MINUTE)
    probability = np.zeros(20)
    policy = AlarmPolicy(0.5, silence=5 * MINUTE)

    def record(*high):
        probability[:], probability[list(high)] = 0.1, 0.9
        judged = evaluate(
            world.raised(policy, probability),
            world.frame.events,
            np.ones(1, bool),
            np.zeros(1, bool),
            world.frame.assets,
            world.frame.clock,
            policy,
            lookback=2,
            horizon=3 * MINUTE,
            stage=EvaluateStage(bootstrap=0),
        )
        return judged.events[0]["outcome"], judged.events[0]["silenced"]

    # Catch window: rows 6 to 8. An alarm at 5 silences rows 6 to 9, one at 2 ends before row 8.
    assert record(5, 7) == ("missed", True)
    assert record(5) == ("missed", False)
    assert record(2, 8) == ("caught", False)
