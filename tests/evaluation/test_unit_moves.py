"""Matched windows by literal rows, and intervals that keep their word for all units at once."""

import numpy as np

from rareevent.evaluation.unit_moves import match_windows, unit_moves
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.temporalize import temporalize
from tests.frames import make_frame


def matched(frame, horizon=2, lookback=2, lead=0):
    labels = curve_shift(frame, horizon, lead)
    rows = np.zeros((len(frame), 1), np.float32)
    windows, _ = temporalize(rows, frame.segments, lookback)
    found = match_windows(frame, labels, windows, labels.target[windows.ends])
    return windows.ends[found.before].tolist(), windows.ends[found.beside].tolist(), found


def one_asset(rows, event, segments):
    return make_frame({"a": range(rows)}, segments=segments, events=[("a", event)])


def test_the_nearest_quiet_windows_of_the_asset_are_taken_each_once():
    # Horizon 2, event at 10: rows 8 and 9 are positive. Quiet are rows up to 5 (more than two
    # horizons before it) and from 12 on (a horizon after it); 12 and 13 are the nearest.
    frame = one_asset(20, 10, [(0, 10), (11, 20)])

    before, beside, found = matched(frame)

    assert (before, beside) == ([8, 9], [12, 13])
    assert found.event.tolist() == [0, 0]
    assert (found.events, found.unmatched) == (1, 0)


def test_windows_that_repeat_a_segments_first_row_are_on_neither_side():
    # Row 11 starts the second segment, and the first begins at row 9: its window is padded.
    frame = one_asset(20, 10, [(0, 5), (9, 10), (11, 20)])

    before, _, _ = matched(frame)

    assert before == []


def test_rows_near_any_event_match_none():
    # Events at 10 and 16: after the first, rows 12 and later lie within two horizons of the second.
    frame = make_frame(
        {"a": range(17)}, segments=[(0, 10), (11, 16)], events=[("a", 10), ("a", 16)]
    )

    before, beside, _ = matched(frame)

    assert (before, beside) == ([8, 9, 14, 15], [4, 5, 4, 5])


def test_another_assets_windows_match_nothing():
    frame = make_frame(
        {"a": range(6), "b": range(30)},
        segments=[(0, 5), (6, 36)],
        events=[("a", 5)],
    )

    _, _, found = matched(frame)

    assert len(found.event) == 0
    assert found.unmatched == 1


def test_the_difference_is_the_mean_over_events_not_over_windows():
    before = np.array([[1.0], [1.0], [1.0], [5.0]])
    event = np.array([0, 0, 0, 1])

    moves = unit_moves(before, np.zeros((4, 1)), event)

    assert moves.difference.tolist() == [3.0]
    assert moves.low is None
    assert not moves.moved.any()


def test_a_unit_that_moves_is_found_among_many_that_do_not_and_an_idle_one_is_let_be():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 1, (60, 40))
    before[:, 7] += 1.5
    before[:, 8] = 0

    moves = unit_moves(before, np.zeros((60, 40)), np.arange(60) // 2)

    assert moves.events == 30
    assert np.flatnonzero(moves.moved).tolist() == [7]
    assert moves.low[7] < 1.5 < moves.high[7]
    assert (moves.low[8], moves.high[8]) == (0, 0)


def test_where_nothing_moves_no_unit_is_named_in_about_95_percent_of_repeats():
    rng = np.random.default_rng(1)
    false = 0
    for repeat in range(150):
        common = rng.normal(0, 1, (25, 1))
        paired = 0.7 * common + rng.normal(0, 1, (25, 30))
        moves = unit_moves(paired, np.zeros((25, 30)), np.arange(25), seed=repeat)
        false += bool(moves.moved.any())

    print(f"some unit named in {false} of 150 repeats")
    assert false <= 15
