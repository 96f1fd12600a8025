"""Windows by index: padding, history, segments."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rareevent.windowing.temporalize import temporalize
from tests.frames import make_segments

ROWS = np.arange(7, dtype=np.float32)[:, None]
SEGMENTS = make_segments([(0, 3), (4, 7)], 7)


def test_window_near_a_start_repeats_the_first_row_of_its_segment():
    windows, short = temporalize(ROWS, SEGMENTS, lookback=3)

    assert windows.index().tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 2],
        [4, 4, 4],
        [4, 4, 5],
        [4, 5, 6],
    ]
    assert short == 0


def test_without_padding_only_full_windows_are_left_and_the_rest_is_counted():
    windows, short = temporalize(ROWS, SEGMENTS, lookback=3, pad="none")

    assert windows.index().tolist() == [[0, 1, 2], [4, 5, 6]]
    assert short == 4


def test_min_history_drops_the_first_rows_of_each_segment():
    windows, short = temporalize(ROWS, SEGMENTS, lookback=3, min_history=2)

    assert windows.ends.tolist() == [1, 2, 5, 6]
    assert short == 2


def test_lookback_one_is_the_row_itself():
    windows, short = temporalize(ROWS, SEGMENTS, lookback=1)

    assert windows.index().tolist() == [[0], [1], [2], [4], [5], [6]]
    assert windows.gather()[:, 0, 0].tolist() == [0, 1, 2, 4, 5, 6]
    assert short == 0


def test_rows_are_shared_and_not_copied():
    windows, _ = temporalize(ROWS, SEGMENTS, lookback=3)

    assert np.shares_memory(windows.rows, ROWS)
    assert np.shares_memory(windows.take(np.array([1, 3])).rows, ROWS)


def test_no_rows_make_no_windows():
    windows, short = temporalize(np.zeros((0, 2), np.float32), make_segments([], 0), lookback=4)

    assert len(windows) == 0
    assert windows.gather().shape == (0, 4, 2)
    assert short == 0


@given(
    cuts=st.sets(st.integers(1, 29), max_size=8),
    dropped=st.sets(st.integers(0, 29), max_size=8),
    lookback=st.integers(1, 9),
    pad=st.sampled_from(["first", "none"]),
    history=st.integers(1, 5),
)
def test_no_window_crosses_a_segment_and_every_row_is_accounted_for(
    cuts, dropped, lookback, pad, history
):
    bounds = [0, *sorted(cuts), 30]
    ranges = [(low, high) for low, high in itertools.pairwise(bounds) if low not in dropped]
    segments = make_segments(ranges, 30)
    rows = np.arange(30, dtype=np.float32)[:, None]

    windows, short = temporalize(rows, segments, lookback, pad, history)

    for index in windows.index():
        assert len({int(segments.of_row[row]) for row in index}) == 1
        assert segments.of_row[index[0]] >= 0
        assert (np.diff(index) >= 0).all()
    assert len(windows) + short == (segments.of_row >= 0).sum()
