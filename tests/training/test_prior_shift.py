"""Whatever is done against imbalance, probabilities come back to the base rate."""

import numpy as np
import pytest

from rareevent.alarms.calibration import fit_calibration, sigmoid
from rareevent.config import ModelStage, TrainStage
from rareevent.lstm.cell import forward
from rareevent.training.fit import fit_lstm
from rareevent.windowing.temporalize import Windows

SMALL = ModelStage(units=(3, 2), projection=None, members=1)


def draw(rows, seed):
    """One-row windows of two channels; the first one's value sets the odds, about 1 in 25."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 2)).astype(np.float32)
    target = (rng.random(rows) < sigmoid(-3.6 + 1.0 * values[:, 0])).astype(np.int8)
    place = np.arange(rows)
    return Windows(values, place, place, lookback=1), target


def scored(**settings):
    """Log-odds of fresh rows, prior shift taken off, and their labels."""
    train = TrainStage(batch_size=128, negatives_per_positive=None, learning_rate=0.003)
    train = TrainStage.model_validate({**train.model_dump(), **settings})
    windows, target = draw(8_000, seed=0)
    fitted = fit_lstm(windows, target[:, None], SMALL, train, seed=0, epochs=4)
    fresh, truth = draw(40_000, seed=1)
    return forward(fitted.network, fresh)[:, 0] - fitted.prior_shift, truth


UNWEIGHTED = {"class_weight": "none"}


@pytest.mark.parametrize(
    "settings",
    [
        UNWEIGHTED,
        {"class_weight": "balanced"},
        {"class_weight": {1: 8.0}},
        {**UNWEIGHTED, "negatives_per_positive": 4},
        {"class_weight": "balanced", "negatives_per_positive": 4},
        {**UNWEIGHTED, "sampler": "random_under"},
        {**UNWEIGHTED, "sampler": "random_over"},
        {"class_weight": "balanced", "sampler": "random_under"},
        {**UNWEIGHTED, "batches": "balanced"},
        {"class_weight": "balanced", "batches": "balanced", "positive_share": 0.3},
    ],
    ids=str,
)
def test_mean_probability_is_the_base_rate_once_the_prior_shift_is_off(settings):
    logit, truth = scored(**settings)

    assert sigmoid(logit).mean() == pytest.approx(truth.mean(), rel=0.2)


def test_without_the_prior_shift_probabilities_are_several_times_too_high():
    windows, target = draw(8_000, seed=0)
    train = TrainStage(batch_size=128)
    fitted = fit_lstm(windows, target[:, None], SMALL, train, seed=0, epochs=4)

    assert sigmoid(forward(fitted.network, windows)[:, 0]).mean() > 5 * target.mean()


@pytest.mark.parametrize(
    "sampler", ["near_miss_1", "near_miss_2", "edited_nearest_neighbours", "instance_hardness"]
)
def test_platt_mends_what_a_sampler_that_goes_by_channels_leaves(sampler):
    logit, truth = scored(**UNWEIGHTED, sampler=sampler)
    half = len(truth) // 2
    calibration = fit_calibration(logit[:half], truth[:half])

    found = calibration.apply(logit[half:]).mean()
    assert found == pytest.approx(truth[half:].mean(), rel=0.1)
