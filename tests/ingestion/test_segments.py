"""Segments and fates, with the expected arrays written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.ingestion.exclusions import mark_excluded
from rareevent.ingestion.frame import Fate
from rareevent.ingestion.segments import cut_segments
from tests.ingestion.tables import events

IN, EVENT, RUN, RECOVERY, EXCLUDED = Fate


def cut(time, asset=None, happened=(), **keys):
    time = np.asarray(time, np.int64)
    codes = np.zeros(len(time), np.int32) if asset is None else np.asarray(asset, np.int32)
    return cut_segments(codes, time, events(*happened), **{"max_gap": 1, **keys})


def mask(rows, *true):
    out = np.zeros(rows, bool)
    out[list(true)] = True
    return out


def test_event_row_has_no_segment_and_ends_the_one_before():
    found = cut(range(8), happened=[(0, 5)])
    assert found.of_row.tolist() == [0, 0, 0, 0, 0, -1, 1, 1]
    assert found.fate.tolist() == [IN, IN, IN, IN, IN, EVENT, IN, IN]
    assert (found.start.tolist(), found.stop.tolist()) == ([0, 6], [5, 8])
    assert found.row_start().tolist() == [0, 0, 0, 0, 0, -1, 6, 6]


def test_two_assets_never_share_a_segment_even_where_their_times_go_on():
    found = cut([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert found.of_row.tolist() == [0, 0, 0, 1, 1, 1]
    assert (found.start.tolist(), found.stop.tolist()) == ([0, 3], [3, 6])


def test_a_step_longer_than_max_gap_starts_a_segment_and_one_as_long_does_not():
    assert cut([0, 2, 5, 7], max_gap=2).of_row.tolist() == [0, 0, 1, 1]


def test_event_between_two_rows_ends_the_segment_before_it():
    found = cut([0, 10, 20, 30], happened=[(0, 15)], max_gap=10)
    assert found.of_row.tolist() == [0, 0, 1, 1]
    assert found.fate.tolist() == [IN, IN, IN, IN]


def test_event_in_a_gap_changes_nothing_beyond_the_gap():
    with_event = cut([0, 1, 8, 9], happened=[(0, 5)])
    without = cut([0, 1, 8, 9])
    assert with_event.of_row.tolist() == without.of_row.tolist() == [0, 0, 1, 1]


def test_event_on_an_assets_first_row_touches_only_that_asset():
    found = cut([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], [(1, 0)])
    assert found.of_row.tolist() == [0, 0, 0, -1, 1, 1]
    assert found.fate.tolist() == [IN, IN, IN, EVENT, IN, IN]
    assert (found.start.tolist(), found.stop.tolist()) == ([0, 4], [3, 6])


def test_event_on_an_assets_last_row_touches_only_that_asset():
    found = cut([0, 1, 2, 0, 1], [0, 0, 0, 1, 1], [(0, 2)])
    assert found.of_row.tolist() == [0, 0, -1, 1, 1]


def test_events_before_the_first_and_after_the_last_row_cut_nothing():
    found = cut([5, 6, 7, 5, 6], [0, 0, 0, 1, 1], [(0, 2), (0, 9), (1, 1), (1, 8)])
    assert found.of_row.tolist() == [0, 0, 0, 1, 1]


def test_two_events_on_following_rows_leave_no_empty_segment():
    found = cut(range(6), happened=[(0, 2), (0, 3)])
    assert found.of_row.tolist() == [0, 0, -1, -1, 1, 1]
    assert len(found) == 2


def test_rows_within_recovery_have_no_segment_and_its_last_tick_counts():
    found = cut(range(8), happened=[(0, 2)], recovery=3)
    assert found.of_row.tolist() == [0, 0, -1, -1, -1, -1, 1, 1]
    assert found.fate.tolist() == [IN, IN, EVENT, RECOVERY, RECOVERY, RECOVERY, IN, IN]


def test_recovery_ends_with_its_asset():
    found = cut([0, 1, 0, 1], [0, 0, 1, 1], [(0, 1)], recovery=5)
    assert found.fate.tolist() == [IN, EVENT, IN, IN]


def test_recovery_after_an_event_before_the_first_row_reaches_into_the_rows():
    assert cut([5, 6, 7, 8], happened=[(0, 4)], recovery=2).of_row.tolist() == [-1, -1, 0, 0]


def test_event_within_recovery_is_an_event():
    found = cut(range(7), happened=[(0, 1), (0, 3)], recovery=2)
    assert found.fate.tolist() == [IN, EVENT, RECOVERY, EVENT, RECOVERY, RECOVERY, IN]


def test_excluded_rows_have_no_segment_whatever_else_they_are():
    found = cut(range(7), happened=[(0, 1)], recovery=3, excluded=mask(7, 3, 4))
    assert found.fate.tolist() == [IN, EVENT, RECOVERY, EXCLUDED, EXCLUDED, IN, IN]
    assert found.of_row.tolist() == [0, -1, -1, -1, -1, 1, 1]


def test_rows_of_a_run_after_its_first_have_no_segment():
    found = cut(range(6), happened=[(0, 2)], run=mask(6, 3, 4))
    assert found.fate.tolist() == [IN, IN, EVENT, RUN, RUN, IN]
    assert found.of_row.tolist() == [0, 0, -1, -1, -1, 1]


def test_with_event_delay_the_event_row_still_belongs_to_the_segment_it_ends():
    found = cut(range(8), happened=[(0, 3)], event_delay=2)
    assert found.of_row.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert set(found.fate.tolist()) == {IN}


def test_event_delay_between_two_rows_cuts_before_the_first_row_that_knows():
    assert cut(
        [0, 10, 20, 30, 40], happened=[(0, 10)], event_delay=15, max_gap=10
    ).of_row.tolist() == [
        0,
        0,
        0,
        1,
        1,
    ]


def test_event_delay_past_the_assets_end_cuts_nothing():
    found = cut([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], [(0, 2)], event_delay=5)
    assert found.of_row.tolist() == [0, 0, 0, 1, 1, 1]


def test_with_event_delay_recovery_begins_when_the_event_is_known():
    found = cut(range(8), happened=[(0, 1)], recovery=4, event_delay=3)
    assert found.fate.tolist() == [IN, IN, IN, IN, RECOVERY, RECOVERY, IN, IN]
    assert found.of_row.tolist() == [0, 0, 0, 0, -1, -1, 1, 1]


def test_with_event_delay_rows_of_a_run_are_told_once_the_event_is_known():
    found = cut(range(7), happened=[(0, 1)], run=mask(7, 2, 3, 4), event_delay=2)
    assert found.fate.tolist() == [IN, IN, IN, RUN, RUN, IN, IN]


def test_no_rows_make_no_segment():
    found = cut([])
    assert (len(found), len(found.of_row), len(found.fate)) == (0, 0, 0)


def test_exclusions_hold_both_ends_and_only_their_asset():
    asset, time = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 2, 3, 1, 2, 3])
    assert mark_excluded(asset, time, [(None, 2, 3)]).tolist() == [False, True, True] * 2
    assert mark_excluded(asset, time, [(1, 1, 2), (0, 3, 3)]).tolist() == [
        *(False, False, True),
        *(True, True, False),
    ]


@st.composite
def histories(draw):
    assets = draw(st.integers(1, 3))
    times, codes, happened = [], [], []
    for code in range(assets):
        mine = sorted(draw(st.sets(st.integers(0, 25), min_size=1, max_size=12)))
        times += mine
        codes += [code] * len(mine)
        happened += [(code, t) for t in draw(st.sets(st.integers(-3, 28), max_size=4))]
    return np.array(times), np.array(codes, np.int32), happened


@given(
    histories(),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 5),
)
def test_segments_are_what_the_definition_says_row_by_row(history, max_gap, recovery, delay):
    time, asset, happened = history
    found = cut(time, asset, happened, max_gap=max_gap, recovery=recovery, event_delay=delay)
    number, expected = -1, []
    for row, (a, t) in enumerate(zip(asset, time, strict=True)):
        mine = [e for code, e in happened if code == a]
        at_event = not delay and t in mine
        recovering = any(e < t <= e + recovery and e + delay <= t for e in mine)
        if at_event or recovering:
            expected.append(-1)
            continue
        new = (
            row == 0
            or asset[row - 1] != a
            or expected[row - 1] < 0
            or t - time[row - 1] > max_gap
            or any(time[row - 1] < e + delay <= t for e in mine)
        )
        number += new
        expected.append(number)
    assert found.of_row.tolist() == expected
    for segment in range(len(found)):
        rows = np.flatnonzero(found.of_row == segment)
        assert (found.start[segment], found.stop[segment]) == (rows[0], rows[-1] + 1)


@pytest.mark.parametrize("fate", list(Fate))
def test_every_fate_but_one_is_outside_of_segments(fate):
    found = cut(range(9), happened=[(0, 2)], recovery=2, run=mask(9, 3), excluded=mask(9, 6))
    of_fate = found.fate == fate
    assert of_fate.any()
    assert ((found.of_row[of_fate] >= 0) == (fate == Fate.IN_SEGMENT)).all()
