import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.alarms.calibration import (
    ISOTONIC_POSITIVE_ROWS,
    Calibration,
    fit_calibration,
    prior_shift,
    sigmoid,
)
from rareevent.errors import ModelError


def drawn(logit, seed=0):
    """Labels with exactly these log-odds."""
    chance = 1 / (1 + np.exp(-logit))
    return (np.random.default_rng(seed).random(len(logit)) < chance).astype(np.int8)


def test_sigmoid_is_exact_at_both_ends():
    assert sigmoid(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 0.5, 1.0]
    assert sigmoid(np.array([-40.0]))[0] == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_prior_shift_undoes_weights_and_subsampling():
    # A tenth of the negatives and a positive that counts five times: odds are 50 times too high.
    assert prior_shift(5.0, 1.0, 1.0, 0.1) == pytest.approx(np.log(50))
    odds = 0.02 / 0.98 * 50
    inflated = np.array([np.log(odds)])
    assert Calibration(shift=np.log(50)).apply(inflated)[0] == pytest.approx(0.02)


def test_platt_finds_slope_and_intercept_of_scores_that_are_off():
    true = np.random.default_rng(1).normal(-2, 1.5, 20_000)
    target = drawn(true)
    target[2_000:] = -1
    fitted = fit_calibration((true + 3) * 2, target)
    assert fitted.kind == "platt"
    probability = fitted.apply((true + 3) * 2)
    assert np.abs(probability - sigmoid(true)).max() < 0.06
    assert probability.mean() == pytest.approx(sigmoid(true).mean(), abs=0.01)


def test_platt_minimises_the_smoothed_cross_entropy():
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    z = rng.normal(size=80)
    target = (z + rng.normal(size=80) > 1).astype(np.int8)
    hits, misses = target.sum(), (1 - target).sum()
    smooth = np.where(target == 1, (hits + 1) / (hits + 2), 1 / (misses + 2))

    def loss(beta):
        logit = beta[0] * z + beta[1]
        return np.sum(np.logaddexp(0, logit) - smooth * logit)

    best = minimize(loss, [0.0, 0.0]).x
    fitted = fit_calibration(z, target)
    assert [fitted.slope, fitted.intercept] == pytest.approx(best.tolist(), abs=1e-4)


def test_platt_stays_finite_where_the_classes_are_separated():
    fitted = fit_calibration(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1], np.int8))
    # Smoothed targets are 1/4 and 3/4, so no probability runs off to 0 or 1.
    assert fitted.apply(np.array([-1.5, 1.5])).tolist() == pytest.approx([0.25, 0.75], abs=0.05)


def test_scores_that_fall_towards_events_give_the_base_rate_in_order_and_say_so():
    logit = np.linspace(-3, 3, 100)
    target = (logit < -2).astype(np.int8)
    fitted = fit_calibration(logit, target)
    probability = fitted.apply(logit)
    assert fitted.slope > 0
    assert "do not rise" in fitted.note
    assert np.all(np.diff(probability) > 0)
    assert probability == pytest.approx(np.full(100, target.mean()), abs=0.01)


def test_equal_scores_are_calibrated_to_the_base_rate():
    target = np.array([1, 0, 0, 0] * 25, np.int8)
    assert fit_calibration(np.full(100, 7.0), target).apply(np.array([7.0]))[0] == pytest.approx(
        0.25, abs=0.01
    )


@pytest.mark.parametrize(("target", "word"), [(0, "positive"), (1, "negative")])
def test_without_one_of_the_classes_only_the_prior_is_corrected(target, word):
    fitted = fit_calibration(np.zeros(9), np.full(9, target, np.int8), shift=1.0)
    assert fitted.kind == "identity"
    assert f"no {word} row" in fitted.note
    assert fitted.apply(np.array([1.0]))[0] == 0.5


def test_isotonic_needs_more_than_500_positive_rows():
    logit = np.linspace(-4, 2, 2_000)
    target = np.zeros(2_000, np.int8)
    target[-ISOTONIC_POSITIVE_ROWS:] = 1
    assert fit_calibration(logit, target).kind == "platt"
    target[-ISOTONIC_POSITIVE_ROWS - 1] = 1
    assert fit_calibration(logit, target).kind == "isotonic"


def test_isotonic_follows_a_shape_that_no_sigmoid_has():
    logit = np.random.default_rng(5).uniform(-5, 5, 40_000)
    chance = np.where(logit < 0, 0.05, 0.30)
    target = (np.random.default_rng(6).random(40_000) < chance).astype(np.int8)
    fitted = fit_calibration(logit, target)
    assert fitted.apply(np.array([-4.0, -2.0])) == pytest.approx([0.05, 0.05], abs=0.02)
    assert fitted.apply(np.array([2.0, 4.0])) == pytest.approx([0.30, 0.30], abs=0.03)


def test_isotonic_never_says_0_or_1():
    logit = np.linspace(-4, 4, 4_000)
    fitted = fit_calibration(logit, (logit > 0).astype(np.int8))
    assert fitted.kind == "isotonic"
    probability = fitted.apply(np.array([-100.0, -4.0, 4.0]))
    assert np.all((probability > 0) & (probability < 1))


@given(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=1, max_size=40),
    st.floats(-5, 5),
    st.integers(1, 60),
)
def test_a_higher_logit_never_gets_a_lower_probability(rows, shift, repeat):
    logit = np.repeat([row[0] for row in rows], repeat)
    target = np.repeat([row[1] for row in rows], repeat).astype(np.int8)
    fitted = fit_calibration(logit, target, shift=shift)
    probability = fitted.apply(np.linspace(-40, 40, 400))
    assert fitted.slope > 0
    assert np.all(np.isfinite(probability))
    assert np.all(np.diff(probability) >= -1e-12)


def test_parts_are_plain_and_give_the_same_calibration_back():
    rng = np.random.default_rng(2)
    logit = rng.normal(-1, 2, 8_000)
    fitted = fit_calibration(logit, drawn(logit), shift=0.25)
    plain, arrays = fitted.to_parts()
    assert {type(value) for value in plain.values()} <= {str, float}
    assert all(array.dtype == np.float64 for array in arrays.values())
    again = Calibration.from_parts(plain, arrays)
    assert again.apply(logit).tolist() == fitted.apply(logit).tolist()


def test_unknown_or_missing_parts_are_refused():
    plain, arrays = Calibration().to_parts()
    with pytest.raises(ModelError, match="'spline'"):
        Calibration.from_parts({**plain, "kind": "spline"}, arrays)
    with pytest.raises(ModelError, match="'slope'"):
        Calibration.from_parts({"kind": "platt", "shift": 0.0}, arrays)
