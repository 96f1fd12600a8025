"""Training: it learns, it repeats itself, it stops when it must."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from rareevent.config import ModelStage, TrainStage
from rareevent.errors import TrainingError
from rareevent.lstm.cell import forward
from rareevent.training.fit import fit_lstm, only_needed_rows
from rareevent.windowing.temporalize import Windows
from tests.lstm.networks import draw_windows

SMALL = ModelStage(units=(4, 3), projection=3)
# Nothing is learned before the first step, so what is wrong comes up in training.
PLAIN = ModelStage(units=(4, 3), projection=3, skip_start="zero", screen=None)
TRAIN = TrainStage(batch_size=64)


def noise(windows=300, heads=2, lookback=4, channels=5):
    """Windows and labels that have nothing to do with each other."""
    given = draw_windows([50] * (windows // 50), channels, lookback)
    labels = np.random.default_rng(1).random((len(given), heads)) < 0.2
    return given, labels.astype(np.int8)


def pulses(windows, seed):
    """Two pulses in ten rows, one per channel, never in the last row: positive when 0 leads."""
    rng = np.random.default_rng(seed)
    place = np.stack([rng.choice(9, 2, replace=False) for _ in range(windows)])
    rows = np.zeros((windows, 10, 2), np.float32)
    for channel in (0, 1):
        rows[np.arange(windows), place[:, channel], channel] = 1
    rows += rng.normal(0, 0.1, rows.shape).astype(np.float32)
    starts = np.arange(windows) * 10
    target = (place[:, 0] < place[:, 1]).astype(np.int8)
    return Windows(rows.reshape(-1, 2), starts, starts + 9, lookback=10), target


def weights_of(fitted):
    return fitted.network.to_arrays()


def assert_same_weights(first, second):
    for name, array in weights_of(first).items():
        np.testing.assert_array_equal(array, weights_of(second)[name], err_msg=name)


def test_it_learns_what_only_a_recurrence_can_see():
    windows, target = pulses(1500, seed=0)
    train = TrainStage(batch_size=64, learning_rate=0.01)

    fitted = fit_lstm(windows, target[:, None], ModelStage(), train, seed=0, epochs=15)

    unseen, truth = pulses(500, seed=1)
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss
    assert roc_auc_score(truth, forward(fitted.network, unseen)[:, 0]) > 0.9
    last_row_only = Windows(unseen.rows, unseen.ends, unseen.ends, lookback=1)
    assert abs(roc_auc_score(truth, forward(fitted.network, last_row_only)[:, 0]) - 0.5) < 0.1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    windows, targets = noise()
    model = ModelStage(units=(4, 3), projection=3, dropout=0.3)

    first = fit_lstm(windows, targets, model, TRAIN, seed=1, epochs=2)
    other = fit_lstm(windows, targets, model, TRAIN, seed=2, epochs=2)
    again = fit_lstm(windows, targets, model, TRAIN, seed=1, epochs=2)

    assert_same_weights(first, again)
    assert [r.loss for r in first.history] == [r.loss for r in again.history]
    assert not np.array_equal(weights_of(first)["head.kernel"], weights_of(other)["head.kernel"])


def test_the_keras_model_holds_the_same_weights():
    windows, targets = noise()

    fitted = fit_lstm(windows, targets, SMALL, TRAIN, seed=1, epochs=1)

    np.testing.assert_allclose(
        fitted.keras_model.predict_on_batch(windows.gather()),
        forward(fitted.network, windows),
        atol=1e-5,
    )


def test_every_epoch_is_reported_with_the_monitors_pr_auc():
    windows, targets = noise()
    monitored, labels = windows.take(slice(0, 100)), targets[:100, 0].copy()
    labels[:10] = -1
    reports = []

    fitted = fit_lstm(
        windows,
        targets,
        SMALL,
        TRAIN,
        seed=1,
        epochs=3,
        monitor=(monitored, labels),
        on_epoch=reports.append,
    )

    assert tuple(reports) == fitted.history
    assert [(r.epoch, r.epochs) for r in reports] == [(1, 3), (2, 3), (3, 3)]
    assert all(r.loss > 0 and r.gradient_norm > 0 and r.seconds > 0 for r in reports)
    logits = forward(fitted.network, monitored)[10:, 0]
    expected = average_precision_score(labels[10:], logits)
    assert reports[-1].validation_pr_auc == pytest.approx(expected)


def test_nothing_is_learned_from_the_monitor():
    windows, targets = noise()
    upside_down = (windows, 1 - targets[:, 0])

    without = fit_lstm(windows, targets, SMALL, TRAIN, seed=1, epochs=2)
    beside = fit_lstm(windows, targets, SMALL, TRAIN, seed=1, epochs=2, monitor=upside_down)

    assert_same_weights(without, beside)
    assert without.history[0].validation_pr_auc is None


def test_a_monitor_with_one_class_has_no_pr_auc():
    windows, targets = noise()
    monitor = (windows, np.zeros(len(windows), np.int8))

    fitted = fit_lstm(windows, targets, SMALL, TRAIN, seed=1, epochs=1, monitor=monitor)

    assert fitted.history[0].validation_pr_auc is None


def test_rows_that_no_window_reads_change_nothing():
    windows, targets = noise()
    some = np.r_[20:45, 110:130, 260:290]
    poisoned = windows.rows.copy()
    read = np.unique(windows.take(some).index())
    poisoned[np.setdiff1d(np.arange(len(poisoned)), read)] = np.nan
    part = Windows(poisoned, windows.starts, windows.ends, windows.lookback).take(some)

    clean = fit_lstm(windows.take(some), targets[some], SMALL, TRAIN, seed=1, epochs=1)
    beside_nan = fit_lstm(part, targets[some], SMALL, TRAIN, seed=1, epochs=1)

    assert_same_weights(clean, beside_nan)


def test_leaving_rows_out_leaves_the_windows_as_they_were():
    windows = draw_windows([7, 1, 12, 30], channels=2, lookback=5).take(np.array([44, 3, 7, 19, 3]))

    lean = only_needed_rows(windows)

    np.testing.assert_array_equal(lean.gather(), windows.gather())
    assert len(lean.rows) == len(np.unique(windows.index()))


def test_the_prior_shift_is_what_weights_and_sampling_did_to_the_odds():
    windows, targets = noise()
    positive, negative = (int(np.sum(targets[:, 0] == label)) for label in (1, 0))
    shifts = {}
    for class_weight in ("balanced", "none"):
        for cap in (None, 1):
            train = TrainStage(class_weight=class_weight, negatives_per_positive=cap, epochs=1)
            fitted = fit_lstm(windows, targets, SMALL, train, seed=1, epochs=1)
            shifts[class_weight, cap] = fitted.prior_shift
            assert fitted.windows == (2 * positive if cap else len(windows))

    balanced = pytest.approx(np.log(negative / positive), abs=1e-6)
    assert shifts == {
        ("balanced", None): balanced,
        ("balanced", 1): balanced,
        ("none", 1): balanced,
        ("none", None): 0.0,
    }


def test_auto_takes_the_epochs_for_the_windows_left_after_sampling():
    windows, targets = noise()
    train = TrainStage(batch_size=8, negatives_per_positive=1)

    fitted = fit_lstm(windows, targets, SMALL, train, seed=1, epochs="auto")

    steps_per_epoch = -(-fitted.windows // 8)
    assert len(fitted.history) == max(3, round(125 / steps_per_epoch))


def test_focal_loss_a_deep_stack_and_relu_train_too():
    windows, targets = noise()
    model = ModelStage(units=(4, 3, 2), activation="relu", projection=None, skip=False)
    train = TrainStage(loss="focal", batch_size=64, learning_rate=0.01)

    fitted = fit_lstm(windows, targets, model, train, seed=1, epochs=8)

    assert fitted.history[-1].loss < fitted.history[0].loss


def test_a_network_rigged_to_explode_stops_with_epoch_loss_and_remedy():
    windows, targets = noise()
    rigged = Windows(windows.rows * 1e30, windows.starts, windows.ends, windows.lookback)
    train = TrainStage(learning_rate=1e30, batch_size=64)

    with pytest.raises(TrainingError, match=r"epoch 1 of 5: loss .*lower train\.learning_rate"):
        fit_lstm(rigged, targets, PLAIN, train, seed=1, epochs=5)


@pytest.mark.parametrize("model", [SMALL, PLAIN])
def test_inputs_that_are_not_numbers_are_named_as_the_cause(model):
    windows, targets = noise()
    rows = windows.rows.copy()
    rows[17, 2] = np.nan
    rigged = Windows(rows, windows.starts, windows.ends, windows.lookback)

    with pytest.raises(TrainingError, match="1 values of the channels are not finite"):
        fit_lstm(rigged, targets, model, TRAIN, seed=1, epochs=2)


def test_a_fit_after_a_diverged_one_is_not_harmed():
    windows, targets = noise()
    before = fit_lstm(windows, targets, PLAIN, TRAIN, seed=1, epochs=1)
    broken = Windows(windows.rows * np.nan, windows.starts, windows.ends, windows.lookback)
    with pytest.raises(TrainingError):
        fit_lstm(broken, targets, PLAIN, TRAIN, seed=1, epochs=1)

    after = fit_lstm(windows, targets, PLAIN, TRAIN, seed=1, epochs=1)

    assert_same_weights(before, after)


def test_without_both_classes_there_is_nothing_to_learn():
    windows, targets = noise()

    with pytest.raises(TrainingError, match="no positive window among the 300"):
        fit_lstm(windows, targets * 0, SMALL, TRAIN, seed=1, epochs=1)


def test_targets_of_another_length_are_refused():
    windows, targets = noise()

    with pytest.raises(TrainingError, match=r"received shape \(10, 2\) for 300 windows"):
        fit_lstm(windows, targets[:10], SMALL, TRAIN, seed=1, epochs=1)
