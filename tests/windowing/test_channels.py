"""Channels are causal, per segment, and the same wherever the input is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rareevent.windowing.channels import change, fill_forward, trailing_deviation

NAN = np.nan


def by_definition(values, position, window):
    """Standard deviation of each row's own last rows, one row at a time."""
    out = []
    for row, back in enumerate(position):
        first = row - min(back, window - 1)
        out.append(np.std(values[first : row + 1]))
    return out


def test_fill_forward_never_crosses_a_segment_and_never_looks_ahead():
    values = np.array([NAN, 2.0, NAN, NAN, NAN, 5.0, NAN])
    row_start = np.array([0, 0, 0, 0, 4, 4, 4])

    assert fill_forward(values, row_start, 7.0).tolist() == [7, 2, 2, 2, 7, 5, 5]


def test_fill_forward_does_not_touch_its_input():
    values = np.array([NAN, 1.0])
    fill_forward(values, np.array([0, 0]), 0.0)
    assert np.isnan(values[0])


def test_change_stops_at_the_segments_first_row():
    block = np.array([[5.0, 6.0, 8.0, 1.0, 4.0]])
    position = np.array([0, 1, 2, 0, 1])

    assert change(block, position, 1).tolist() == [[0, 1, 2, 0, 3]]
    assert change(block, position, 2).tolist() == [[0, 1, 3, 0, 3]]


def test_deviation_of_rows_written_out():
    block = np.array([[1.0, 3.0, 5.0, 5.0, 2.0, 4.0]])
    position = np.array([0, 1, 2, 3, 0, 1])

    got = trailing_deviation(block, position, (2, 3))

    assert got[2][0].tolist() == [0, 1, 1, 0, 0, 1]
    assert got[3][0] == pytest.approx([0, 1, np.sqrt(8 / 3), np.sqrt(8 / 9), 0, 1])


def test_deviation_survives_a_large_level():
    wiggle = np.array([0.0, 1.0] * 40)
    position = np.arange(80)

    small = trailing_deviation(wiggle[None], position, (20,))[20]
    large = trailing_deviation(wiggle[None] + 1e9, position, (20,))[20]

    assert np.allclose(small, large, atol=1e-6)


@given(
    values=hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)),
    cuts=st.sets(st.integers(1, 59), max_size=5),
    window=st.integers(2, 33),
)
def test_deviation_agrees_with_its_definition(values, cuts, window):
    starts = np.zeros(len(values), int)
    for cut in sorted(c for c in cuts if c < len(values)):
        starts[cut:] = cut
    position = np.arange(len(values)) - starts

    got = trailing_deviation(values[None], position, (window,))[window][0]

    assert got == pytest.approx(by_definition(values, position, window), rel=1e-9, abs=1e-6)


@given(
    values=hnp.arrays(np.float64, 80, elements=st.floats(-1e3, 1e3)),
    cut=st.integers(1, 79),
    windows=st.sets(st.integers(2, 24), min_size=1, max_size=3).map(tuple),
)
def test_deviation_is_the_same_to_the_bit_wherever_the_block_begins(values, cut, windows):
    position = np.arange(80)
    left = max(0, cut - max(windows) + 1)

    whole = trailing_deviation(values[None], position, windows)
    tail = trailing_deviation(values[None, left:], position[left:], windows)

    for window in windows:
        assert np.array_equal(whole[window][:, cut:], tail[window][:, cut - left :])
