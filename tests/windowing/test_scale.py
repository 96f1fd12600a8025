"""Scaling: the fast way is NumPy's own interpolation; slopes stay within bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.windowing.scale import Scaler, fit_scaler

SHAPES = {
    "normal": lambda z: z,
    "skewed": lambda z: np.exp(z),
    "heavy tails": lambda z: z**7,
    "few levels": lambda z: np.round(z),
    "mostly one level": lambda z: np.where(z > 1.5, z, 0.0),
    "one level": lambda z: np.zeros_like(z),
    "two levels a hair apart": lambda z: np.where(z > 0, 1.0, np.nextafter(1.0, 2)),
    "denormal": lambda z: z * 1e-310,
    "huge": lambda z: z * 1e99,
}


def values(shape, rows=3000, seed=0):
    return SHAPES[shape](np.random.default_rng(seed).normal(size=rows))


@pytest.mark.parametrize("kind", ["quantile", "standard"])
@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_those_of_numpys_interpolation(shape, kind):
    learned = values(shape)
    scaler = fit_scaler(learned[:, None], kind, 5.0, np.array([False]))
    knots, scores = scaler.knots[0], scaler.scores[0]
    beyond = [knots[0] - 1, knots[-1] + 1, -1e300, 1e300]
    given = np.concatenate([values(shape, 500, 1), knots, np.nextafter(knots, 9e99), beyond])

    found = scaler.apply(given[None])[0]

    np.testing.assert_allclose(found, np.interp(given, knots, scores), atol=1e-6)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40, unique=True),
    st.lists(st.floats(-2e6, 2e6), min_size=1, max_size=40),
)
def test_any_rising_map_is_followed(knots, given):
    knots = np.sort(knots)
    scores = np.linspace(-3, 3, len(knots))

    found = Scaler("quantile", (knots,), (scores,)).apply(np.array([given]))[0]

    np.testing.assert_allclose(found, np.interp(given, knots, scores), atol=1e-6)


def test_a_slope_is_cut_to_the_steepest_and_the_middle_stays():
    learned = np.concatenate([np.linspace(-1e-3, 1e-3, 900), np.linspace(1, 9, 100)])

    free = fit_scaler(learned[:, None], "quantile", 5.0, np.array([False]))
    held = fit_scaler(learned[:, None], "quantile", 5.0, np.array([False]), steepest=4.0)

    def slopes(scaler):
        return np.diff(scaler.scores[0]) / np.diff(scaler.knots[0])

    assert slopes(free).max() > 100
    assert slopes(held).max() <= 4 + 1e-9
    assert slopes(held).min() >= 0
    middle = np.argmin(np.abs(free.scores[0]))
    assert held.scores[0][middle] == free.scores[0][middle]
