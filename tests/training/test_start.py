"""Where a fit starts: what the recurrence reads, and the linear part."""

import numpy as np
import pytest

from rareevent.config import ModelStage, TrainStage
from rareevent.lstm.cell import forward
from rareevent.training.fit import fit_lstm
from rareevent.training.start import find_start
from rareevent.windowing.temporalize import Windows
from tests.windowing.test_screen import planted

SMALL = ModelStage(units=(4, 3), projection=3)
TRAIN = TrainStage(batch_size=256)


def with_a_linear_channel(**sizes):
    """The planted windows, whose channel 0 is also high in the last row of positive windows."""
    windows, target = planted(**sizes)
    windows.rows[windows.ends[target == 1], 0] += 2
    return windows, target


def test_the_recurrence_reads_the_screened_channels_and_no_more_than_the_events_allow():
    windows, target = planted()

    start = find_start(windows, target[:, None], SMALL)
    bare = find_start(windows, target[:, None], SMALL.model_copy(update={"screen": None}))
    tight = SMALL.model_copy(update={"screen": 0.0, "events_per_channel": 20})

    assert start.events == 60
    assert np.flatnonzero(start.reads).tolist() == [2, 5]
    assert bare.reads.all()
    assert find_start(windows, target[:, None], tight).reads.sum() == 60 // 20


@pytest.mark.parametrize("projection", [3, None])
def test_weights_of_unread_channels_stay_zero_and_their_values_change_no_score(projection):
    windows, target = planted()
    model = SMALL.model_copy(update={"projection": projection, "skip": False})

    fitted = fit_lstm(windows, target[:, None], model, TRAIN, seed=0, epochs=2)

    kernel = fitted.network.layers[0].kernel
    if projection is not None:
        kernel = fitted.network.projection[0]
    assert np.flatnonzero(kernel.any(axis=1)).tolist() == [2, 5]
    noisy = windows.rows.copy()
    noisy[:, [0, 1, 3, 4, 6, 7]] += 9
    other = Windows(noisy, windows.starts, windows.ends, windows.lookback)
    np.testing.assert_array_equal(forward(fitted.network, windows), forward(fitted.network, other))


def test_the_linear_part_is_the_regression_and_training_leaves_it_alone():
    windows, target = with_a_linear_channel()
    targets = np.stack([target, 1 - target], axis=1)

    start = find_start(windows, targets, SMALL)
    fitted = fit_lstm(windows, targets, SMALL, TRAIN, seed=0, epochs=2)

    np.testing.assert_array_equal(fitted.network.skip, start.skip)
    assert np.abs(start.skip[:, 0]).argmax() == 0
    # The same question, asked the other way round.
    assert start.skip[0, 0] > 0 > start.skip[0, 1]


def test_a_head_of_one_class_gets_no_linear_part():
    windows, target = planted()
    targets = np.stack([target, np.ones_like(target)], axis=1)

    start = find_start(windows, targets, SMALL)

    assert not start.skip[:, 1].any()
    assert start.bias[1] == 0


def test_keras_and_the_cell_agree_on_a_fit_with_unread_channels():
    windows, target = with_a_linear_channel()

    fitted = fit_lstm(windows, target[:, None], SMALL, TRAIN, seed=0, epochs=2)

    some = windows.take(np.arange(300))
    np.testing.assert_allclose(
        forward(fitted.network, some),
        fitted.keras_model.predict_on_batch(some.gather()),
        atol=1e-5,
    )


def test_a_skip_that_starts_at_zero_is_learned_with_the_rest():
    windows, target = with_a_linear_channel()
    model = SMALL.model_copy(update={"skip_start": "zero"})

    start = find_start(windows, target[:, None], model)
    fitted = fit_lstm(windows, target[:, None], model, TRAIN, seed=0, epochs=2)

    assert start.skip is None
    assert fitted.network.skip.all()


@pytest.mark.parametrize("class_weight", ["balanced", "none", {1: 5.0}])
def test_the_bias_starts_at_the_odds_that_weights_and_sampling_leave(class_weight):
    windows, target = with_a_linear_channel(quiet=30)
    # A pace of nearly nothing shows the start.
    train = TRAIN.model_copy(
        update={"class_weight": class_weight, "learning_rate": 1e-12, "negatives_per_positive": 4.0}
    )

    fitted = fit_lstm(windows, target[:, None], SMALL, train, seed=0, epochs=1)

    true_odds = np.log(target.sum() / (target == 0).sum())
    balanced = find_start(windows, target[:, None], SMALL).bias[0]
    bias = fitted.network.head_bias[0]
    assert bias == pytest.approx(balanced + true_odds + fitted.prior_shift, abs=1e-4)


def test_a_start_found_before_gives_the_same_fit():
    windows, target = planted()
    targets = target[:, None]

    start = find_start(windows, targets, SMALL)
    given = fit_lstm(windows, targets, SMALL, TRAIN, seed=3, epochs=1, start=start)
    found = fit_lstm(windows, targets, SMALL, TRAIN, seed=3, epochs=1)

    for name, array in given.network.to_arrays().items():
        np.testing.assert_array_equal(array, found.network.to_arrays()[name])


def test_the_default_finds_a_sequence_that_two_of_eight_channels_share():
    def drawn(seed):
        """Both channels jump often; only 5 before 2, three rows apart, announces the event."""
        windows, target = planted(events=200, seed=seed)
        rng = np.random.default_rng(seed + 100)
        jumps = rng.random(windows.rows.shape) < 0.05
        windows.rows[jumps] += 6
        return windows, target

    windows, target = drawn(0)
    fitted = fit_lstm(windows, target[:, None], ModelStage(), TrainStage(), seed=0, epochs="auto")

    from sklearn.metrics import roc_auc_score

    unseen, truth = drawn(1)
    assert np.flatnonzero(fitted.reads).tolist() == [2, 5]
    assert roc_auc_score(truth, forward(fitted.network, unseen)[:, 0]) > 0.9
