"""Splitting and purging, with the expected rows written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.config import SplitStage
from rareevent.errors import ConfigError, DataError
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.split import (
    EventPart,
    clock_edges,
    part_of_events,
    split_by_clock,
    split_rows,
)
from tests.frames import make_frame


def where(mask):
    return np.flatnonzero(mask).tolist()


def stage(**keys):
    return SplitStage(**{"validation": 0.2, "test": 0.3, "folds": 1, **keys})


def test_chronological_parts_and_purge_of_ten_rows():
    frame = make_frame({"a": range(10)})

    split = split_rows(frame, stage(), reach=2, receptive_field=3)

    assert split.part.tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2, 2]
    assert split.edges.tolist() == [5, 7, 10]
    # Row 3 reaches tick 5, where validation starts; row 2 reaches 4 and may stay.
    assert where(split.rows_before(1)) == [0, 1, 2]
    assert where(split.purged(1)) == [3, 4]
    # For the test part validation teaches too, and rows purged before it are whole again.
    assert where(split.rows_before(2)) == [0, 1, 2, 3, 4]
    assert where(split.purged(2)) == [5, 6]
    assert where(split.rows_of(2)) == [7, 8, 9]
    assert where(split.choosing_rows()) == []


def test_strict_purge_also_keeps_input_rows_apart():
    frame = make_frame({"a": range(10)})

    split = split_rows(frame, stage(purge="strict"), reach=0, receptive_field=3)

    # The window that ends at row 5 reads rows 2 to 5.
    assert where(split.rows_before(1)) == [0, 1]
    assert where(split.rows_before(2)) == [0, 1, 2, 3]


def test_strict_purge_counts_rows_of_the_same_asset_only():
    frame = make_frame({"a": [0, 2, 4, 6, 8], "b": [1, 3]})

    split = split_by_clock(frame, np.array([4, 7, 9]), reach=0, apart=1)

    assert split.part.tolist() == [0, 0, 1, 1, 2, 0, 0]
    assert where(split.rows_before(1)) == [0, 5, 6]


def test_clock_is_shared_across_assets():
    frame = make_frame({"a": range(0, 10), "b": range(5, 15)}, kind="datetime")

    split = split_rows(frame, stage(), reach=1, receptive_field=0)

    first = split.edges[0]
    assert (frame.time[split.part == 0] < first).all()
    assert (frame.time[split.part > 0] >= first).all()


def test_two_folds_expand():
    frame = make_frame({"a": range(10)})

    split = split_rows(frame, stage(validation=0.4, test=0.2, folds=2), 0, 0)

    assert split.part.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert where(split.rows_before(1)) == [0, 1, 2, 3]
    assert where(split.rows_before(2)) == [0, 1, 2, 3, 4, 5]
    assert where(split.rows_before(3)) == list(range(8))
    assert where(split.choosing_rows()) == [4, 5, 6, 7]


def test_backtest_fold_leaves_later_rows_and_a_sliding_start_out():
    frame = make_frame({"a": range(10)})

    split = split_by_clock(frame, np.array([4, 6, 8]), reach=0, apart=0, start=2)

    assert split.part.tolist() == [-1, -1, 0, 0, 1, 1, 2, 2, -1, -1]
    assert where(split.rows_before(2)) == [2, 3, 4, 5]


def test_clock_edges_are_quantiles_of_rows():
    frame = make_frame({"a": [0, 10, 11, 12], "b": [1, 2]})

    assert clock_edges(frame, (0.5, 1.0)).tolist() == [10, 13]


def test_ages_of_many_assets_refuse_the_clock():
    frame = make_frame({"a": range(9), "b": range(9)})

    with pytest.raises(ConfigError, match=r"age that starts anew.*by_asset"):
        split_rows(frame, stage(), 1, 0)


def test_by_asset_keeps_assets_whole_and_is_seeded():
    frame = make_frame({name: range(4) for name in "abcdefghij"})

    split = split_rows(frame, stage(strategy="by_asset"), 2, 0)
    again = split_rows(frame, stage(strategy="by_asset"), 2, 0)

    for asset in range(10):
        assert len(np.unique(split.part[frame.asset == asset])) == 1
    assert np.array_equal(split.part, again.part)
    assert [int((split.part == p).sum() / 4) for p in (0, 1, 2)] == [5, 2, 3]
    assert not split.purged(2).any()


def test_part_without_rows_is_refused():
    with pytest.raises(DataError, match="has no row"):
        split_rows(make_frame({"a": range(2)}), stage(validation=0.01, test=0.01), 0, 0)


def test_too_few_assets_are_refused():
    frame = make_frame({"a": range(4), "b": range(4)})

    with pytest.raises(DataError, match="too few"):
        split_rows(frame, stage(strategy="by_asset"), 0, 0)


def test_event_belongs_to_the_part_that_holds_its_whole_catch_window():
    frame = make_frame({"a": range(10)}, events=[("a", e) for e in (2, 5, 6, 7, 8, 9)])
    split = split_rows(frame, stage(), reach=2, receptive_field=0)  # edges 5 and 7

    part = part_of_events(frame, split, horizon=2, lead=0)

    # Windows [0,2) [3,5) [4,6) [5,7) [6,8) [7,9).
    assert part.tolist() == [0, 0, EventPart.BOUNDARY, 1, EventPart.BOUNDARY, 2]


def test_lead_closes_the_catch_window_early():
    frame = make_frame({"a": range(10)}, events=[("a", 6), ("a", 7)])
    split = split_rows(frame, stage(), reach=3, receptive_field=0)

    # Windows [3, 4] and [4, 5].
    assert part_of_events(frame, split, horizon=3, lead=2).tolist() == [0, EventPart.BOUNDARY]


def test_events_outside_the_observation_belong_to_no_part():
    frame = make_frame({"a": range(5, 15)}, events=[("a", 3), ("a", 5), ("a", 16), ("a", 17)])
    split = split_rows(frame, stage(), reach=2, receptive_field=0)

    unobserved = EventPart.UNOBSERVED
    assert part_of_events(frame, split, 2, 0).tolist() == [unobserved, 0, 2, unobserved]


@given(
    events=st.sets(st.integers(0, 59), max_size=12),
    horizon=st.integers(1, 9),
    lead=st.integers(0, 4),
    shift=st.integers(0, 10),
    folds=st.integers(1, 3),
)
def test_no_training_label_depends_on_anything_after_the_next_part_starts(
    events, horizon, lead, shift, folds
):
    horizon = max(horizon, lead)
    rows = list(range(60))

    def labels_with(known):
        free = [(i, i + 1) for i in rows if i not in known]
        frame = make_frame({"a": rows}, segments=free, events=[("a", e) for e in known])
        return frame, curve_shift(frame, horizon, lead)

    frame, labels = labels_with(events)
    split = split_rows(frame, stage(folds=folds), reach=horizon, receptive_field=0)
    for part in range(1, folds + 2):
        edge = int(split.edges[part - 1])
        poisoned = {e for e in events if e < edge} | {edge + shift}
        _, other = labels_with(poisoned)
        taught = split.rows_before(part)
        assert np.array_equal(labels.target[taught], other.target[taught])
