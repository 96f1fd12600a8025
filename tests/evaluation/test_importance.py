"""Importance by exchanging courses between events and matched stretches."""

import itertools
import json

import numpy as np
import pytest

from rareevent.evaluation.importance import Fold, find_importance
from rareevent.evaluation.stretches import find_stretches
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.temporalize import temporalize
from tests.frames import make_frame

HORIZON, LOOKBACK, ROWS = 3, 2, 240


def scene(events=(30, 70, 110, 150, 190, 230), assets=("a",), seed=0):
    """Three channels: one announces every event, one is its twin, one is noise."""
    rng = np.random.default_rng(seed)
    times = range(ROWS)
    edges = [-1, *events, ROWS]
    ranges = [
        (place * ROWS + low + 1, place * ROWS + high)
        for place in range(len(assets))
        for low, high in itertools.pairwise(edges)
        if high > low + 1
    ]
    frame = make_frame(
        dict.fromkeys(assets, times),
        segments=ranges,
        events=[(name, row) for name in assets for row in events],
        sensors={"s": np.zeros(ROWS * len(assets))},
    )
    labels = curve_shift(frame, HORIZON)
    told = (labels.target == 1) * 2.0 + rng.normal(0, 0.1, len(frame))
    twin = told + rng.normal(0, 0.1, len(frame))
    rows = np.stack([told, twin, rng.normal(size=len(frame))], axis=1).astype(np.float32)
    windows, _ = temporalize(rows, frame.segments, LOOKBACK)
    return frame, labels, windows.take(labels.target[windows.ends] >= 0)


def each_event(asset, time):
    """Every event a block of its own."""
    return np.arange(len(time))


def stretches_of(frame, labels, windows, **asked):
    return find_stretches(
        frame, labels, windows, **{"most_events": 99, "most_windows": 99, "matches": 2, **asked}
    )


def importance(weights, names=("told", "twin", "noise"), owner=(0, 1, 2), **more):
    frame, labels, windows = scene(**more)

    def score(mixed):
        return 1 / (1 + np.exp(2 - mixed.gather()[:, -1] @ np.array(weights)))

    fold = Fold(windows, stretches_of(frame, labels, windows), np.array(owner), score)
    return find_importance([fold], names, 0.4, each_event)


def test_sets_hold_an_events_windows_and_quiet_ones_of_its_asset_from_all_over_its_time():
    frame, labels, windows = scene(events=(30, 70))

    found = stretches_of(frame, labels, windows)
    few = stretches_of(frame, labels, windows.take(windows.ends < 39), matches=10)

    ends = windows.ends[found.window]
    # Quiet: more than 6 ticks before the next event, at least 3 after the last.
    assert windows.ends[few.window].tolist() == [27, 28, 29, *range(24), *range(33, 39)]
    for number, before in ((0, [27, 28, 29]), (1, [67, 68, 69])):
        mine = ends[found.event == number].reshape(3, 3)
        assert mine[0].tolist() == before
        assert (np.diff(mine, axis=1) == 1).all()
        for low, _, high in mine[1:].tolist():
            assert not {*range(24, 33), *range(64, 73)} & {low, high}
        # One in each half of the time.
        assert mine[1, 0] < 120 < mine[2, 0]
    assert set(ends[found.event == 0]) != set(ends[found.event == 1])
    assert found.positive.tolist() == [True] * 3 + [False] * 6 + [True] * 3 + [False] * 6
    assert (found.events, found.turns, found.unmatched) == (2, 2, 0)


def test_other_assets_lend_no_stretch_and_an_event_without_one_is_counted():
    frame, labels, windows = scene(events=(5, 70), assets=("a", "b"))
    early = windows.take((windows.ends < 8) | (windows.ends >= ROWS))

    found = stretches_of(frame, labels, early)

    assert found.unmatched == 1
    assert (windows.ends[0] < ROWS, found.events) == (True, 2)
    assert (frame.asset[early.ends[found.window]] == 1).all()


def test_every_stretch_gets_the_course_of_every_other_one_once():
    frame, labels, windows = scene()
    found = stretches_of(frame, labels, windows, matches=3)

    seen = np.stack([found.donors(turn) for turn in range(found.turns + 1)])

    assert (seen[0] == found.window).all()
    for number in range(found.events):
        mine = found.event == number
        own = found.window[mine]
        for column in seen[:, mine].T:
            assert len(set(column)) == 4
            assert set(column) <= set(own)
        # The order of time is kept inside a course.
        assert (np.diff(seen[:, mine].reshape(4, 4, 3), axis=2) == 1).all()


def test_a_smaller_set_is_never_left_as_it_is():
    frame, labels, windows = scene(events=(20,), assets=("a", "b"))
    # Of b there is less to choose from.
    found = stretches_of(frame, labels, windows.take(windows.ends < ROWS + 30), matches=9)

    assert [found.count[found.event == one][0] for one in range(2)] == [10, 7]
    for turn in range(1, found.turns + 1):
        assert (found.donors(turn) != found.window).all()


def test_long_stretches_and_many_events_are_thinned_evenly():
    frame, labels, windows = scene()

    found = stretches_of(frame, labels, windows, most_windows=2, most_events=3)

    times = frame.time[windows.ends[found.window[found.positive]]]
    assert times.tolist() == [27, 29, 107, 109, 227, 229]


def test_a_model_that_reads_one_channel_loses_all_without_it_and_nothing_without_others():
    found = importance([4.0, 0.0, 0.0])

    told, twin, noise = found.pr_auc
    assert found.base["pr_auc"] == 1
    assert found.base["prevalence"] == pytest.approx(1 / 3)
    assert told.value > 0.5
    assert (twin.value, noise.value) == (0, 0)
    assert found.event_recall[0].value == 1
    assert found.events == 6
    assert told.low is None


def test_channels_of_one_owner_are_exchanged_together():
    apart = importance([2.0, 2.0, 0.0])
    together = importance([2.0, 2.0, 0.0], names=("both", "noise"), owner=(0, 0, 1))

    # Each stands in for the other, which is what the report warns of.
    assert together.pr_auc[0].value > max(drop.value for drop in apart.pr_auc) + 0.1


def test_intervals_hold_the_drop_and_exclude_nothing_that_is_noise():
    events = tuple(range(14, ROWS, 16))
    found = importance([3.0, 0.0, 0.4], events=events)

    told, _, noise = found.pr_auc
    assert found.events == len(events) >= 10
    assert 1 / 3 < found.base["low"] <= found.base["pr_auc"] <= found.base["high"]
    assert 0 < told.low < told.value < told.high
    assert noise.low <= 0 <= noise.high
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["sensors"][0]["name"] == "told"


def test_the_same_data_give_the_same_figures():
    events = tuple(range(14, ROWS, 16))
    assert importance([3.0, 0, 0.4], events=events) == importance([3.0, 0, 0.4], events=events)


def test_folds_are_asked_each_of_its_own_fit():
    frame, labels, windows = scene()
    half = windows.ends < ROWS // 2
    parts = [windows.take(half), windows.take(~half)]
    asked = []

    def score_of(number):
        def score(mixed):
            asked.append(number)
            return mixed.gather()[:, -1, number]

        return score

    folds = [
        Fold(part, stretches_of(frame, labels, part), np.arange(3), score_of(number))
        for number, part in enumerate(parts)
    ]
    found = find_importance(folds, ("told", "twin", "noise"), 1.0, each_event)

    assert set(asked) == {0, 1}
    assert min(drop.value for drop in found.pr_auc[:2]) > 0.1
    assert found.pr_auc[2].value == 0


def test_without_a_matched_event_there_is_nothing_to_tell():
    frame, labels, windows = scene(events=(3,))
    none = windows.take(windows.ends < 3)
    fold = Fold(none, stretches_of(frame, labels, none), np.arange(3), lambda w: np.zeros(len(w)))

    assert fold.stretches.unmatched == 1
    assert find_importance([fold], ("a", "b", "c"), 0.5, each_event) is None


def test_events_that_come_together_are_resampled_together():
    events = tuple(range(14, ROWS, 16))
    frame, labels, windows = scene(events=events)
    fold = Fold(
        windows,
        stretches_of(frame, labels, windows),
        np.arange(3),
        lambda mixed: 1 / (1 + np.exp(2 - mixed.gather()[:, -1] @ np.array([3.0, 0.0, 0.4]))),
    )
    assert fold.stretches.time.tolist() == list(events)
    assert fold.stretches.asset.tolist() == [0] * len(events)

    alone = find_importance([fold], ("told", "twin", "noise"), 0.4, each_event)
    few = find_importance(
        [fold], ("told", "twin", "noise"), 0.4, lambda asset, time: np.arange(len(time)) // 2
    )

    assert (alone.blocks, few.blocks) == (len(events), -(-len(events) // 2))
    assert alone.pr_auc[0].value == few.pr_auc[0].value
    # Below ten blocks nothing is said, however many events there are.
    assert (alone.pr_auc[0].low is None, few.pr_auc[0].low is None) == (False, True)
