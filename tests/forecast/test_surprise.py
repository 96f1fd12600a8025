"""Surprise on rows written out by hand: where it stands, and where it does not."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.forecast.surprise import has_change, row_starts, surprise, trailing_mean
from tests.forecast.persistence import draw_forecaster
from tests.frames import make_frame

NAN = np.nan


def of_changes(changes, segments, window=3, known=None):
    """Surprise of one sensor that is forecast to stay where it is, float32 [n, 4]."""
    target = np.array(changes, np.float32)[:, None]
    frame = make_frame({"a": range(len(target))}, segments=segments)
    start = row_starts(frame)
    if known is None:
        known = (np.arange(len(target)) > start)[:, None]
    forecaster = draw_forecaster(1, own=1, sensors=1, lookback=2)
    return surprise(forecaster, target, target, known, start, window)


def test_a_constant_series_has_no_surprise():
    assert not of_changes([0] * 8, [(0, 8)]).any()


def test_a_jump_surprises_at_its_row_and_not_before():
    found = of_changes([0, 0, 0, 2, 0, 0, 0, 0], [(0, 8)])

    lost = 2.5 * np.log1p(4 / 4)
    assert np.flatnonzero(found[:, 0]).tolist() == [3]
    assert found[3, 0] == pytest.approx(np.sqrt(2 * lost))
    # The trailing mean of three rows remembers it for two more.
    np.testing.assert_allclose(found[:, 1], np.array([0, 0, 0, 1, 1, 1, 0, 0]) * lost / 3)
    # With one sensor, all sensors are that sensor.
    np.testing.assert_allclose(found[:, 2], found[:, 0] ** 2 / 2)
    np.testing.assert_array_equal(found[:, 3], found[:, 1])


def test_a_row_is_forecast_from_the_row_before_it():
    """One that expects the last change again is surprised where changes begin and end."""
    target = np.array([0, 0, 1, 1, 1, 0], np.float32)[:, None]
    again = draw_forecaster(1, own=1, sensors=1, lookback=2)
    again = replace(again, own=np.array([[[1.0]], [[0.0]]], np.float32))
    known = np.arange(6)[:, None] > 0

    found = surprise(again, target, target, known, np.zeros(6, np.int64), window=2)

    assert np.sign(found[:, 0]).tolist() == [0, 0, 1, 0, 0, -1]


def test_a_fall_has_the_other_sign():
    up, down = (of_changes([0, 0, sign * 2, 0], [(0, 4)]) for sign in (1, -1))

    np.testing.assert_array_equal(up[:, 0], -down[:, 0])
    np.testing.assert_array_equal(up[:, 1:], down[:, 1:])


def test_a_segment_starts_without_a_memory():
    found = of_changes([0, 0, 3, 0, 0, 0, 0], [(0, 3), (4, 7)])

    assert np.flatnonzero(found[:, 1]).tolist() == [2]


def test_nothing_surprises_where_there_is_no_change():
    found = of_changes([0, 5, 5, 5], [(0, 4)], known=np.array([[0], [1], [0], [1]], bool))

    assert np.flatnonzero(found[:, 0]).tolist() == [1, 3]


def test_there_is_a_change_only_between_two_readings_of_one_segment():
    frame = make_frame(
        {"a": range(7)},
        segments=[(0, 4), (5, 7)],
        sensors={"p": [1, NAN, 3, 4, 9, 6, 7], "q": [NAN, NAN, 3, 4, 9, NAN, 7]},
    )

    known = has_change(frame, ("p", "q"), row_starts(frame))

    assert known[:, 0].tolist() == [False, False, True, True, False, False, True]
    assert known[:, 1].tolist() == [False, False, False, True, False, False, False]


def test_trailing_mean_counts_the_rows_there_are():
    values = np.array([0, 3, 1, 2, 6, 0, 4], np.float32)[:, None]
    position = np.array([0, 1, 2, 3, 4, 0, 1])

    found = trailing_mean(values, position, window=3)[:, 0]

    np.testing.assert_allclose(found, [0, 3, 2, 2, 3, 0, 4])
