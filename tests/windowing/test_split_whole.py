"""A refit's parts: some rows choose, none is held back, none is purged at the end."""

import numpy as np
import pytest

from rareevent.config import SplitStage
from rareevent.errors import DataError
from rareevent.windowing.split import EventPart, part_of_events
from rareevent.windowing.split_whole import hold_nothing_back
from tests.frames import make_frame


def where(mask):
    return np.flatnonzero(mask).tolist()


def test_the_newest_rows_choose_and_every_row_teaches_the_last_fit():
    frame = make_frame({"a": range(12)}, events=[("a", 9), ("a", 13)])

    # Validation is a quarter of what comes before the test part, so a quarter of all rows here.
    split = hold_nothing_back(frame, SplitStage(folds=1), reach=2, apart=0)

    assert split.part.tolist() == [0] * 9 + [1] * 3
    assert where(split.rows_before(1)) == [0, 1, 2, 3, 4, 5, 6]
    assert where(split.rows_before(split.test)) == list(range(12))
    assert where(split.choosing_rows()) == [9, 10, 11]
    assert where(split.rows_of(split.test)) == []
    # Event 9's window of two ticks lies before the fold; event 13 is after the last row.
    parts = part_of_events(frame, split, horizon=2, lead=0).tolist()
    assert parts == [EventPart.TRAIN, EventPart.VALIDATION]


def test_folds_follow_each_other_up_to_the_end():
    frame = make_frame({"a": range(16)})

    split = hold_nothing_back(frame, SplitStage(folds=2), reach=0, apart=0)

    assert split.part.tolist() == [0] * 12 + [1, 1, 2, 2]
    assert where(split.rows_before(2)) == list(range(14))


def test_whole_assets_choose_where_the_split_is_by_asset():
    stage = SplitStage(strategy="by_asset", validation=0.25, test=0.5, folds=1, seed=0)
    frame = make_frame({name: range(3) for name in "abcd"})

    split = hold_nothing_back(frame, stage, reach=1, apart=0)

    assert sorted(np.bincount(split.part).tolist()) == [6, 6]
    assert where(split.rows_before(split.test)) == list(range(12))
    with pytest.raises(DataError, match="assets are too few"):
        hold_nothing_back(make_frame({"a": range(3)}), stage, reach=1, apart=0)
