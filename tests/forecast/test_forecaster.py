"""The forecaster in NumPy: what it predicts, what is surprising, what it is stored as."""

import numpy as np
import pytest

from rareevent.errors import ModelError
from rareevent.forecast.forecaster import (
    NARROWEST,
    WIDEST,
    Forecaster,
    deficit,
    negative_log_likelihood,
)
from rareevent.lstm.cell import forward
from rareevent.windowing.temporalize import Windows
from tests.forecast.persistence import draw_forecaster


def windows(rows, columns, lookback=3):
    drawn = np.random.default_rng(1).normal(size=(rows, columns)).astype(np.float32)
    return Windows(drawn, np.zeros(rows, np.int64), np.arange(rows), lookback)


def test_prediction_is_the_recurrence_plus_each_sensors_own_channels():
    forecaster, given = draw_forecaster(7, own=2, sensors=3, lookback=3, size=0.4), windows(9, 7)

    location, log_scale = forecaster.predict(given)

    out, last = forward(forecaster.network, given), given.rows
    for sensor in range(3):
        mine = last[:, sensor], last[:, 3 + sensor]
        own = forecaster.own[:, :, sensor]
        expected = out[:, sensor] + own[0, 0] * mine[0] + own[0, 1] * mine[1]
        np.testing.assert_allclose(location[:, sensor], expected, atol=1e-6)
        expected = out[:, 3 + sensor] + own[1, 0] * mine[0] + own[1, 1] * mine[1]
        np.testing.assert_allclose(log_scale[:, sensor], expected, atol=1e-6)


def test_scale_stays_where_rounding_errors_are_no_surprise():
    forecaster = draw_forecaster(4, own=1, sensors=2, lookback=2, size=60.0)

    _, log_scale = forecaster.predict(windows(50, 4))

    assert np.exp(log_scale.min()) == pytest.approx(NARROWEST)
    assert np.exp(log_scale.max()) == pytest.approx(WIDEST)


def test_deficit_is_half_the_square_near_the_forecast_and_grows_slowly_far_off():
    assert deficit(np.array([0.0, 0.01])).tolist() == pytest.approx([0.0, 0.5e-4 * 5 / 4], rel=1e-3)
    assert deficit(np.array([1e6])) < 70


def test_likelihood_prefers_the_scale_that_the_residuals_have():
    residual = np.random.default_rng(0).standard_t(4, 20_000)

    lost = [negative_log_likelihood(residual, 0.0, np.log(s)).mean() for s in (0.5, 1.0, 2.0)]

    assert lost[1] < min(lost[0], lost[2])


def test_forecaster_survives_its_plain_form():
    before, given = draw_forecaster(5, own=1, sensors=2, lookback=4, size=0.3), windows(20, 5, 4)

    after = Forecaster.from_arrays(before.to_arrays())

    assert after.lookback == 4
    for one, other in zip(before.predict(given), after.predict(given), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_do_not_fit_are_refused():
    arrays = draw_forecaster(5, own=1, sensors=2, lookback=4).to_arrays()

    with pytest.raises(ModelError, match=r"'own' must be finite, of shape \(2, k, 2\)"):
        Forecaster.from_arrays({**arrays, "own": np.zeros((2, 1, 3))})
