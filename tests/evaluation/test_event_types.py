"""Whether alarms name the right type, counted by hand."""

import numpy as np

from rareevent.evaluation.event_types import type_metrics
from tests.evaluation.worlds import make_world


def world_of_four_events():
    """One asset, rows 0..49, horizon 3; events at 10, 20, 30 and 40, which types 0, 1, 1, 0."""
    world = make_world(
        {"m": range(50)}, [("m", 10), ("m", 20), ("m", 30), ("m", 40)], horizon=3
    )  # fmt: skip
    return world, np.array([0, 1, 1, 0], np.int8)


def probabilities(scored, of_time):
    """Type 0 surely, but where a time is named: there type 1."""
    chances = np.tile(np.float32([0.9, 0.1]), (len(scored), 1))
    chances[np.isin(scored.time, of_time)] = 0.2, 0.8
    return chances


def test_the_first_alarm_that_catches_an_event_names_its_type():
    world, kind = world_of_four_events()
    # Events at 10, 20 and 30 are caught, the one at 40 is not; 8 and 9 warn of the same event.
    scored = world.scored(alarms=[8, 9, 18, 28, 34])
    chances = probabilities(scored, of_time=[9, 18])

    found = type_metrics(scored, world.everything_counts, kind, chances)

    # 10: type 0, right, whatever row 9 says; 20: type 1, right; 30: type 0, wrong.
    assert found["type_events"] == 3
    assert found["type_accuracy"] == 2 / 3
    assert found["type_most_frequent_share"] == 2 / 3


def test_events_of_no_named_type_are_left_out():
    world, _ = world_of_four_events()
    scored = world.scored(alarms=[8, 18])

    found = type_metrics(
        scored, world.everything_counts, np.int8([0, -1, -1, -1]), probabilities(scored, [])
    )

    assert found == {"type_events": 1, "type_accuracy": 1.0, "type_most_frequent_share": 1.0}


def test_without_a_caught_event_there_is_no_accuracy():
    world, kind = world_of_four_events()
    scored = world.scored(alarms=[1])

    found = type_metrics(scored, world.everything_counts, kind, probabilities(scored, []))

    assert found["type_events"] == 0
    assert found["type_accuracy"] is None
