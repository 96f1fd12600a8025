"""Screening: which channels' course over the window tells of events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.windowing.screen import channel_scores, events_among, screen_channels
from rareevent.windowing.temporalize import Windows


def planted(events=60, quiet=40, channels=8, lookback=10, seed=0):
    """Segments of noise; channel 2 jumps six rows and channel 5 nine rows before each event.

    The last three rows of a segment are positive, and hold nothing but noise themselves.
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((events * quiet, channels)).astype(np.float32)
    ends = np.arange(len(rows))
    starts = ends // quiet * quiet
    event = starts[::quiet] + quiet
    rows[event - 6, 2] += 6
    rows[event - 9, 5] += 6
    target = (ends - starts >= quiet - 3).astype(np.int8)
    return Windows(rows, starts, ends, lookback), target


def test_channels_with_a_lagged_precursor_are_read_and_noise_is_not():
    windows, target = planted()

    assert np.flatnonzero(screen_channels(windows, target, 0.5, most=8)).tolist() == [2, 5]
    last_row_only = Windows(windows.rows, windows.ends, windows.ends, lookback=1)
    assert channel_scores(windows, target)[[2, 5]].min() > 0.7
    assert channel_scores(last_row_only, target)[[2, 5]].max() < 0.6


def test_noise_scores_a_half():
    windows, target = planted()

    others = channel_scores(windows, target)[[0, 1, 3, 4, 6, 7]]
    np.testing.assert_allclose(others, 0.5, atol=0.1)


def test_no_more_than_the_most_are_read_and_a_tie_goes_to_the_earlier_channel():
    windows, target = planted()
    twins = Windows(windows.rows[:, [2, 0, 2, 2]], windows.starts, windows.ends, windows.lookback)

    assert screen_channels(twins, target, 0.5, most=2).tolist() == [True, False, True, False]


def test_a_share_of_one_reads_the_best_channel_alone():
    windows, target = planted()

    assert screen_channels(windows, target, 1.0, most=8).sum() == 1


def test_a_long_course_is_judged_too():
    windows, target = planted(lookback=10, quiet=120)
    long = Windows(windows.rows, windows.starts, windows.ends, lookback=100)

    assert set(np.flatnonzero(screen_channels(long, target, 0.5, most=8))) <= {2, 5}


@pytest.mark.parametrize("positives", [0, 1, 3])
def test_too_few_positives_to_judge_by_read_everything(positives):
    windows, target = planted()
    few = np.zeros_like(target)
    few[np.flatnonzero(target)[:positives]] = 1

    assert screen_channels(windows, few, 0.5, most=2).all()


def test_channels_that_never_move_do_not_trouble_it():
    windows, target = planted()
    windows.rows[:, 0] = 0

    assert channel_scores(windows, target)[0] == 0.5


@settings(max_examples=30)
@given(order=st.permutations(range(60)))
def test_the_order_of_the_windows_does_not_matter(order):
    windows, target = planted(events=20, quiet=12, channels=6, lookback=6)
    blocks = np.concatenate([np.arange(4 * i, 4 * i + 4) for i in order])

    np.testing.assert_array_equal(
        channel_scores(windows.take(blocks), target[blocks]), channel_scores(windows, target)
    )


def test_windows_without_a_label_do_not_count():
    windows, target = planted()
    labelled = target.copy()
    labelled[::7] = -1
    kept = labelled >= 0

    np.testing.assert_array_equal(
        channel_scores(windows, labelled), channel_scores(windows.take(kept), labelled[kept])
    )


def test_events_are_the_unbroken_stretches_of_positives_within_a_segment():
    rows = np.zeros((12, 1), np.float32)
    starts = np.array([0, 0, 0, 0, 4, 4, 8, 8, 8])
    ends = np.array([0, 1, 2, 3, 4, 5, 8, 10, 11])
    windows = Windows(rows, starts, ends, lookback=3)
    target = np.array([0, 0, 1, 1, 1, 0, 1, -1, 1], np.int8)

    # Rows 2-3; row 4, of another segment; row 8; row 11.
    assert events_among(windows, target) == 4
    assert events_among(windows.take(np.arange(9)[::-1]), target[::-1]) == 4
    assert events_among(windows, target * 0) == 0


def test_a_single_positive_row_leaves_nothing_to_hold_out():
    windows, target = planted()
    alone = np.where(np.cumsum(target) == 1, target, 0).astype(np.int8)

    # As everywhere, a warning here is an error.
    assert alone.sum() == 1
    assert channel_scores(windows, alone).tolist() == [0.5] * 8
