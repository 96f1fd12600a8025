import json
import time

import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.tradeoff import (
    MOST_CANDIDATES,
    candidate_thresholds,
    recall_at,
    tradeoff_curve,
)
from tests.evaluation.worlds import long_run, make_world


def test_candidates_lie_between_neighbouring_scores_from_none_to_all():
    found = candidate_thresholds(np.array([0.2, 0.6, 0.6, 0.4]))
    assert found == pytest.approx([0.8, 0.5, 0.3, 0.1])


@pytest.mark.parametrize(
    "score",
    [
        [1.0, 1.0, 0.0, 0.0],
        [0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0)],
        [1.0],
        [0.0],
        [5e-324, 0.0],
    ],
)
def test_every_number_of_rows_above_is_reached_however_close_the_scores_are(score):
    score = np.array(score)
    above = [(score >= t).sum() for t in candidate_thresholds(score)]
    assert above == [0, *np.cumsum(np.unique(score, return_counts=True)[1][::-1])]


def test_without_rows_there_is_still_a_threshold():
    assert len(candidate_thresholds(np.zeros(0))) == 1


def test_candidates_stay_few_and_are_fine_where_alarms_are_rare():
    score = np.random.default_rng(0).random(100_000)
    found = candidate_thresholds(score)
    above = np.array([(score >= t).sum() for t in found])
    assert len(found) <= MOST_CANDIDATES
    assert (above[0], above[-1]) == (0, 100_000)
    assert above[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert np.all(np.diff(above) > 0)
    rare = above[(above >= 20) & (above <= 10_000)]
    assert np.max(rare[1:] / rare[:-1]) < 1.12


def test_curve_of_a_small_stream_counted_by_hand():
    # Event at 5, horizon 2: rows 3 and 4 are positive. Silence 1.
    world = make_world({"a": range(8)}, [("a", 5)], horizon=2)
    scored = world.scored(probability=[0.1, 0.8, 0.1, 0.6, 0.2, 0, 0.4, 0.4])
    curve = tradeoff_curve(
        scored,
        world.everything_counts,
        world.frame.clock,
        AlarmPolicy(0.5, silence=1),
        np.array([0.9, 0.7, 0.5, 0.3]),
    )
    assert curve.alarms.tolist() == [0, 1, 2, 3]
    assert curve.caught.tolist() == [0, 0, 1, 1]
    assert curve.false_alarms.tolist() == [0, 1, 1, 2]
    assert curve.above.tolist() == [0, 1, 2, 4]
    records = curve.to_json()
    assert records[0]["alarm_precision"] is None
    assert records[2] == {
        "threshold": 0.5,
        "alarms": 2,
        "caught": 1,
        "false_alarms": 1,
        "event_recall": 1.0,
        "alarm_precision": 0.5,
        "time_above_threshold": pytest.approx(2 / 7),
        "false_alarms_per_event": 1.0,
        "false_alarms_per_1000_cycles": pytest.approx(1000 / 7),
    }
    json.dumps(records, allow_nan=False)
    assert recall_at(curve, "false_alarms_per_event", 1.0) == 1.0
    assert recall_at(curve, "false_alarms_per_event", 0.0) == 0.0


def test_without_events_recall_is_null_and_there_is_no_rate_per_event():
    world = make_world({"a": range(8)}, [], horizon=2)
    curve = tradeoff_curve(
        world.scored(), world.everything_counts, world.frame.clock, AlarmPolicy(0.5)
    )
    assert {record["event_recall"] for record in curve.to_json()} == {None}
    assert "false_alarms_per_event" not in curve.to_json()[0]
    assert recall_at(curve, "false_alarms_per_1000_cycles", 5.0) is None


def test_a_million_rows_take_seconds():
    scored, _, counted, clock = long_run(np.random.default_rng(0), 1_000_000, 3_000)
    began = time.process_time()
    curve = tradeoff_curve(scored, counted, clock, AlarmPolicy(0.5, 2, 3, 10 * clock.interval))
    # Three times what it takes, for machines that are busy.
    assert time.process_time() - began < 20
    assert curve.caught.max() > 1_000
