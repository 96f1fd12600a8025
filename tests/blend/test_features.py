"""Features of a window: as their definition says, and the same however rows are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.blend import features as module
from rareevent.blend.features import last_row, window_features
from rareevent.windowing.temporalize import Windows


def test_window_features_are_last_mean_deviation_and_slope():
    rows = np.array([[1.0], [3.0], [8.0]], np.float32)
    windows = Windows(rows, np.array([0, 0]), np.array([2, 1]), lookback=3)
    # The second window repeats its first row: 1 1 3.
    assert window_features(windows) == pytest.approx(
        np.array(
            [
                [8.0, 4.0, np.sqrt((9 + 1 + 16) / 3), 3.5],
                [3.0, 5 / 3, np.sqrt((4 / 9 * 2 + 16 / 9) / 3), 1.0],
            ]
        ),
        rel=1e-6,
    )


def test_at_lookback_1_the_last_row_is_all_there_is():
    windows = Windows(np.eye(3, dtype=np.float32), np.arange(3), np.arange(3), lookback=1)
    assert window_features(windows).tolist() == last_row(windows).tolist()


def by_definition(windows):
    """Every window materialised, in float64."""
    values = windows.gather().astype(np.float64)
    step = np.arange(windows.lookback) - (windows.lookback - 1) / 2
    slope = np.einsum("j,mjc->mc", step, values) / np.sum(step**2)
    return np.concatenate([values[:, -1], values.mean(1), values.std(1), slope], axis=1)


def segments_of(rng, rows, channels, lookback):
    """Windows at every row of segments of random lengths."""
    values = np.clip(rng.normal(size=(rows, channels)), -5, 5).astype(np.float32)
    values[:, 0] = 1.3
    begins = np.flatnonzero(rng.random(rows) < 0.1)
    begins = np.union1d(begins, [0])
    starts = begins[np.searchsorted(begins, np.arange(rows), side="right") - 1]
    return Windows(values, starts, np.arange(rows), lookback)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), lookback=st.integers(2, 40), channels=st.integers(1, 4))
def test_any_lookback_gives_what_the_definition_gives(seed, lookback, channels):
    windows = segments_of(np.random.default_rng(seed), 120, channels, lookback)
    found = window_features(windows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(windows), atol=3e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), lookback=st.integers(2, 33))
def test_a_window_is_the_same_to_the_bit_alone_among_others_and_in_any_order(seed, lookback):
    rng = np.random.default_rng(seed)
    windows = segments_of(rng, 100, 3, lookback)
    whole, some = window_features(windows), rng.permutation(100)[:17]
    np.testing.assert_array_equal(window_features(windows.take(some)), whole[some])
    for one in some[:3]:
        np.testing.assert_array_equal(window_features(windows.take([one]))[0], whole[one])


def test_blocks_do_not_show(monkeypatch):
    windows = segments_of(np.random.default_rng(1), 300, 2, 7)
    whole = window_features(windows)
    monkeypatch.setattr(module, "_ELEMENTS", 40)
    np.testing.assert_array_equal(window_features(windows), whole)


def test_a_sensor_that_stands_still_deviates_by_nothing():
    windows = segments_of(np.random.default_rng(2), 200, 2, 16)
    assert window_features(windows)[:, 4].max() == 0.0


def test_no_windows_have_no_features():
    windows = segments_of(np.random.default_rng(0), 10, 2, 4).take(slice(0, 0))
    assert window_features(windows).shape == (0, 8)
