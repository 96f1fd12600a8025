import numpy as np

from rareevent.evaluation.catches import NO_LEAD_TIME, Judgement, Outcome, judge, outcomes
from tests.evaluation.worlds import make_world

CATCH, REPEAT, LATE, FALSE, BOUNDARY = (int(j) for j in Judgement)


def judgements(judged, scored):
    """Time of each alarm -> its judgement."""
    times = scored.time[judged.row].tolist()
    return dict(zip(times, judged.judgement.tolist(), strict=True))


def test_first_alarm_on_a_positive_row_catches_and_the_second_repeats():
    # Horizon 2, event at 5: rows 3 and 4 are positive.
    world = make_world({"a": range(8)}, [("a", 5)], horizon=2)
    scored = world.scored(alarms=[1, 3, 4])
    judged = judge(scored, world.everything_counts)
    assert judgements(judged, scored) == {1: FALSE, 3: CATCH, 4: REPEAT}
    assert judged.caught.tolist() == [True]
    assert judged.lead_time.tolist() == [2]


def test_an_alarm_on_a_too_late_row_is_late_and_neither_catch_nor_false():
    # Lead 2, horizon 3, event at 5: rows 2 and 3 are positive, row 4 is too late.
    world = make_world({"a": range(6)}, [("a", 5)], horizon=3, lead=2)
    scored = world.scored(alarms=[1, 4])
    judged = judge(scored, world.everything_counts)
    assert judgements(judged, scored) == {1: FALSE, 4: LATE}
    assert judged.caught.tolist() == [False]
    assert judged.late.tolist() == [True]
    assert judged.lead_time.tolist() == [NO_LEAD_TIME]


def test_an_alarm_is_judged_against_the_next_event_only():
    # Events at 4 and 6 are closer than the horizon of 3: row 5 belongs to the second alone.
    world = make_world({"a": range(8)}, [("a", 4), ("a", 6)], horizon=3)
    scored = world.scored(alarms=[3])
    judged = judge(scored, world.everything_counts)
    assert judged.caught.tolist() == [True, False]
    both = judge(world.scored(alarms=[1, 3, 5]), world.everything_counts)
    assert both.judgement.tolist() == [CATCH, REPEAT, CATCH]
    assert both.lead_time.tolist() == [3, 1]


def test_assets_do_not_catch_each_others_events():
    world = make_world({"a": range(4), "b": range(4)}, [("a", 3), ("b", 3)], horizon=2)
    scored = world.scored(alarms=[4 + 2])
    judged = judge(scored, world.everything_counts)
    assert judged.caught.tolist() == [False, True]
    assert judged.lead_time.tolist() == [NO_LEAD_TIME, 1]


def test_an_event_in_a_gap_is_caught_by_the_rows_before_the_gap():
    # Rows 0 1 2 3, then 9 10: the event at 5 lies between; row 3 is positive (5 - 3 <= 2).
    world = make_world({"a": [0, 1, 2, 3, 9, 10, 11]}, [("a", 5)], horizon=2)
    scored = world.scored(alarms=[3, 4])
    judged = judge(scored, world.everything_counts)
    assert judgements(judged, scored) == {3: CATCH, 9: FALSE}
    assert judged.lead_time.tolist() == [2]


def test_an_alarm_on_a_censored_row_is_false():
    world = make_world({"a": range(8)}, [("a", 2)], horizon=2)
    assert judge(world.scored(alarms=[7]), world.everything_counts).judgement.tolist() == [FALSE]


def test_alarms_on_event_and_recovery_rows_are_false():
    # A scorer without an event feed scores rows 3 (the event) and 4 as well.
    world = make_world({"a": range(8)}, [("a", 3), ("a", 6)], horizon=4, segments=[(0, 3), (5, 6)])
    everything = np.arange(8)
    scored = type(world.scored()).of_rows(
        world.frame,
        world.labels,
        everything,
        np.zeros(8, np.int64),
        np.ones(8),
        np.isin(everything, [3, 4, 5]),
    )
    judged = judge(scored, world.everything_counts)
    assert judgements(judged, scored) == {3: FALSE, 4: FALSE, 5: CATCH}


def test_alarms_for_an_event_of_another_part_are_neither_catch_nor_false():
    world = make_world({"a": range(8)}, [("a", 3), ("a", 6)], horizon=2)
    counted = np.array([False, True])
    scored = world.scored(alarms=[2, 5])
    judged = judge(scored, counted)
    assert judgements(judged, scored) == {2: BOUNDARY, 5: CATCH}
    assert outcomes(judged, counted, ~counted).tolist() == [Outcome.BOUNDARY, Outcome.CAUGHT]


def test_events_are_caught_missed_unforeseeable_or_of_another_part():
    # Asset b starts with its event: no row comes before it.
    world = make_world(
        {"a": range(9), "b": range(3)}, [("a", 2), ("a", 5), ("a", 8), ("b", 0)], horizon=2
    )
    counted = np.array([False, True, True, True])
    judged = judge(world.scored(alarms=[4]), counted)
    assert judged.foreseeable.tolist() == [True, True, True, False]
    assert outcomes(judged, counted, np.zeros(4, bool)).tolist() == [
        *(-1, Outcome.CAUGHT, Outcome.MISSED, Outcome.UNFORESEEABLE)
    ]


def test_delaying_every_alarm_past_its_event_turns_each_catch_into_a_miss():
    events = [("a", t) for t in (6, 14, 22)]
    world = make_world({"a": range(30)}, events, horizon=3)
    on_time = judge(world.scored(alarms=[4, 12, 20]), world.everything_counts)
    delayed = judge(world.scored(alarms=[7, 15, 23]), world.everything_counts)
    assert on_time.caught.tolist() == [True, True, True]
    assert delayed.caught.tolist() == [False, False, False]
    assert delayed.judgement.tolist() == [FALSE, FALSE, FALSE]


def test_no_alarm_and_no_row_judge_to_nothing():
    world = make_world({"a": range(4)}, [("a", 3)], horizon=2)
    assert judge(world.scored(), world.everything_counts).row.tolist() == []
    nothing = judge(world.scored().take(np.zeros(3, bool)), world.everything_counts)
    assert nothing.foreseeable.tolist() == [False]
