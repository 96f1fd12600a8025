"""Which rows are "event within the horizon": every case written out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.windowing.curve_shift import Status, curve_shift, next_event
from tests.frames import make_frame

OK, LATE, CENSORED, NONE = (int(s) for s in Status)


def test_literal_example_of_the_design():
    frame = make_frame({"a": range(12)}, segments=[(0, 5), (6, 12)], events=[("a", 5)])

    labels = curve_shift(frame, horizon=2)

    assert labels.target.tolist() == [0, 0, 0, 1, 1, -1, 0, 0, 0, 0, -1, -1]
    assert labels.status.tolist() == [OK] * 5 + [NONE] + [OK] * 4 + [CENSORED] * 2


def test_lead_makes_the_last_row_before_the_event_too_late():
    frame = make_frame({"a": range(12)}, segments=[(0, 5), (6, 12)], events=[("a", 5)])

    labels = curve_shift(frame, horizon=3, lead=2)

    assert labels.target.tolist() == [0, 0, 1, 1, -1, -1, 0, 0, 0, -1, -1, -1]
    assert labels.status.tolist()[4] == LATE
    assert labels.status.tolist()[9:] == [CENSORED] * 3


def test_events_never_cross_assets():
    frame = make_frame(
        {"a": [0, 1, 2], "b": [0, 1, 2]},
        segments=[(0, 3), (4, 6)],
        events=[("b", 0)],
    )

    labels = curve_shift(frame, horizon=1)

    assert labels.target.tolist() == [0, 0, -1, -1, 0, -1]
    assert labels.event.tolist() == [-1] * 6


def test_only_the_next_event_counts_when_two_are_closer_than_the_horizon():
    frame = make_frame(
        {"a": range(8)}, segments=[(0, 3), (4, 5), (6, 8)], events=[("a", 3), ("a", 5)]
    )

    labels = curve_shift(frame, horizon=3, lead=2)

    assert labels.event.tolist() == [0, 0, 0, 1, 1, -1, -1, -1]
    assert labels.target.tolist() == [1, 1, -1, -1, -1, -1, -1, -1]
    assert labels.status.tolist() == [OK, OK, LATE, NONE, LATE, NONE, CENSORED, CENSORED]


def test_event_in_a_gap_is_seen_by_the_rows_before_it():
    frame = make_frame({"a": [0, 1, 2, 10, 11]}, segments=[(0, 3), (3, 5)], events=[("a", 4)])

    assert curve_shift(frame, horizon=2).target.tolist() == [0, 0, 1, -1, -1]


def test_event_after_the_last_row_saves_rows_from_being_censored():
    frame = make_frame({"a": [0, 1, 2]}, events=[("a", 4)])

    labels = curve_shift(frame, horizon=2)

    assert labels.target.tolist() == [0, 0, 1]
    assert labels.status.tolist() == [OK, OK, OK]


def test_time_and_not_rows_is_what_the_horizon_counts():
    frame = make_frame({"a": [0, 5, 9, 10]}, segments=[(0, 3)], events=[("a", 10)])

    assert curve_shift(frame, horizon=5).target.tolist() == [0, 1, 1, -1]


def test_next_event_is_strictly_after_the_row():
    frame = make_frame({"a": [0, 1, 2]}, segments=[(0, 1), (2, 3)], events=[("a", 1), ("a", 2)])

    event, wait = next_event(frame)

    assert event.tolist() == [0, 1, -1]
    assert wait.tolist()[:2] == [1, 1]


@pytest.mark.parametrize("horizon", [1, 3])
def test_frame_without_events_is_negative_until_it_is_censored(horizon):
    frame = make_frame({"a": range(5)})

    expected = [0] * (5 - horizon) + [-1] * horizon
    assert curve_shift(frame, horizon).target.tolist() == expected


@given(
    times=st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True).map(sorted),
    event_times=st.lists(st.integers(0, 70), max_size=6, unique=True),
    horizon=st.integers(1, 12),
    lead=st.integers(0, 5),
)
def test_labels_agree_with_the_definition_row_by_row(times, event_times, horizon, lead):
    horizon = max(horizon, lead)
    free = [(i, i + 1) for i, t in enumerate(times) if t not in event_times]
    frame = make_frame({"a": times}, segments=free, events=[("a", e) for e in event_times])

    labels = curve_shift(frame, horizon, lead)

    for row, t in enumerate(times):
        later = [e for e in event_times if e > t]
        wait = min(later) - t if later else None
        if t in event_times:
            expected = NONE
        elif wait is not None and wait < lead:
            expected = LATE
        elif wait is None and t + horizon > times[-1]:
            expected = CENSORED
        else:
            expected = OK
        assert labels.status[row] == expected
        positive = expected == OK and wait is not None and lead <= wait <= horizon
        assert labels.target[row] == (positive if expected == OK else -1)


def test_labels_do_not_depend_on_later_events():
    early = make_frame({"a": range(20)}, events=[("a", 6)], segments=[(0, 6), (7, 20)])
    late = make_frame({"a": range(20)}, events=[("a", 6), ("a", 19)], segments=[(0, 6), (7, 19)])

    first, second = curve_shift(early, 3), curve_shift(late, 3)

    assert np.array_equal(first.target[:16], second.target[:16])
