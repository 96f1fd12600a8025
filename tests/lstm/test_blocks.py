"""Which rows a block projects, and where each step finds them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rareevent.lstm.blocks import blocks, lay_out
from rareevent.windowing.temporalize import Windows

ROWS = np.zeros((40, 1), np.float32)


def windows_at(starts, ends, lookback):
    return Windows(ROWS, np.array(starts), np.array(ends), lookback)


def read_by(block):
    """Row that each window reads at each step, [windows, lookback]."""
    steps = [block.source[block.columns(step)] for step in range(block.lookback)]
    return np.stack(steps, axis=1)[block.keep]


def test_neighbours_lie_in_one_run_and_share_their_rows():
    block = lay_out(windows_at([0] * 4, [3, 4, 5, 6], lookback=3))

    assert block.source.tolist() == [1, 2, 3, 4, 5, 6]
    assert block.slots == 4
    assert block.picks is None


def test_a_new_segment_starts_a_run_with_its_padding():
    block = lay_out(windows_at([0] * 4 + [4] * 4, [0, 1, 2, 3, 4, 5, 6, 7], lookback=3))

    assert block.source.tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4, 5, 6, 7]
    assert block.keep.tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert block.slots == 10


def test_windows_far_apart_project_each_row_they_need_once_and_no_other():
    block = lay_out(windows_at([0, 0, 0, 20], [5, 6, 30, 22], lookback=3).take([0, 1, 3, 2]))

    assert block.source.tolist() == [3, 4, 5, 6, 20, 21, 22, 28, 29, 30]
    assert read_by(block).tolist() == [[3, 4, 5], [4, 5, 6], [20, 21, 22], [28, 29, 30]]


def test_a_repeated_window_needs_no_further_row():
    block = lay_out(windows_at([0, 0, 0], [9, 9, 30], lookback=2))

    assert block.source.tolist() == [8, 9, 29, 30]
    assert read_by(block).tolist() == [[8, 9], [8, 9], [29, 30]]


@given(
    ends=st.lists(st.integers(0, 39), min_size=1, max_size=30).map(sorted),
    lookback=st.integers(1, 12),
    size=st.integers(1, 12),
    data=st.data(),
)
def test_every_window_reads_its_own_rows_whatever_the_layout(ends, lookback, size, data):
    starts = [data.draw(st.integers(0, end)) for end in ends]
    windows = windows_at(starts, ends, lookback)
    covered = []

    for part, block in blocks(windows, size):
        mine = windows.take(part)
        assert read_by(block).tolist() == mine.index().tolist()
        covered += range(len(windows))[part]

    assert covered == list(range(len(windows)))
