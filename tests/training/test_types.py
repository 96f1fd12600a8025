"""Learning types of events: the loss by hand, where it starts, and that it learns."""

import numpy as np
import pytest

from rareevent.config import ModelStage, TrainStage
from rareevent.lstm.backend import import_keras
from rareevent.lstm.cell import forward
from rareevent.training.fit import fit_lstm
from rareevent.training.loss import weighted_loss
from rareevent.training.shrinkage import logistic_c
from rareevent.training.start import find_start
from tests.windowing.test_screen import planted

LN2, LN3 = np.log(2), np.log(3)
SMALL = ModelStage(units=(4, 3), projection=3, types=["a", "b"])
TRAIN = TrainStage(batch_size=256)


def tensors(targets, logits, weights):
    tf, _ = import_keras()
    arrays = np.int8(targets), np.float32(logits), np.float32(weights)
    return [tf.constant(array) for array in arrays]


def test_types_add_one_term_of_cross_entropy_between_them():
    # Head 0: three windows at logit 0, weights 1 and 4: (4 + 4 + 1) ln 2 / 3 = 3 ln 2.
    # Types: softmax of (0, ln 3) is (1/4, 3/4). The first window is of the second type, the second
    # of the first, the third of none: 4 · (-ln 3/4 - ln 1/4) / 3.
    targets = [[1, 0, 1], [1, 1, 0], [0, -1, -1]]
    logits = [[0, 0, LN3], [0, 0, LN3], [0, 7, -7]]
    arrays = tensors(targets, logits, [[1, 4], [0, 0], [0, 0]])

    found = float(weighted_loss(*arrays, types=2))

    of_types = 4 * (np.log(4 / 3) + np.log(4)) / 3
    assert found == pytest.approx((3 * LN2 + of_types) / 2, rel=1e-6)


def test_windows_without_a_type_pull_no_type_logit():
    tf, _ = import_keras()
    targets, logits, weights = tensors(
        [[1, 0, 1], [0, -1, -1], [1, -1, -1]], [[0, 1, 2]] * 3, [[1, 1], [0, 0], [0, 0]]
    )
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = weighted_loss(targets, logits, weights, types=2)

    pull = tape.gradient(loss, logits).numpy()

    assert pull[0, 1:].all()
    assert not pull[1:, 1:].any()
    assert pull[:, 0].all()


def with_two_types():
    """Planted windows whose last row's channel 0 tells of which type the coming event is."""
    windows, target = planted(events=80)
    event = windows.ends // 40
    kind = event % 2
    hits = target == 1
    windows.rows[windows.ends[hits], 0] += np.where(kind[hits] == 1, 1.5, -1.5)
    types = np.where(hits[:, None], np.stack([kind == 0, kind == 1], axis=1), -1)
    return windows, np.hstack([target[:, None], types]).astype(np.int8), kind


def test_the_linear_part_starts_as_a_softmax_regression_of_the_types():
    from scipy.special import softmax

    windows, targets, kind = with_two_types()

    start = find_start(windows, targets, SMALL)

    hits = targets[:, 0] == 1
    rows = windows.rows[windows.ends[hits]]
    chance = softmax(rows @ start.skip[:, 1:] + start.bias[1:], axis=1)
    assert start.skip.shape == (8, 3)
    assert (chance.argmax(axis=1) == kind[hits]).mean() > 0.9
    # The own horizon's regression is what it is without types.
    alone = find_start(windows, targets[:, :1], SMALL.model_copy(update={"types": "off"}))
    np.testing.assert_array_equal(alone.skip[:, 0], start.skip[:, 0])
    np.testing.assert_array_equal(alone.reads, start.reads)


def test_two_types_and_three_have_the_regression_that_scikit_learn_has():
    from scipy.special import softmax
    from sklearn.linear_model import LogisticRegression

    windows, targets, kind = with_two_types()
    hits = np.flatnonzero(targets[:, 0] == 1)
    rows = windows.rows[windows.ends[hits]]
    for names, found in ((["a", "b"], kind[hits]), (["a", "b", "c"], np.arange(len(hits)) % 3)):
        types = np.full((len(targets), len(names)), -1, np.int8)
        types[hits] = np.arange(len(names)) == found[:, None]
        model = SMALL.model_copy(update={"types": tuple(names)})

        start = find_start(windows, np.hstack([targets[:, :1], types]), model)

        # A type's events count once each, however many windows they have.
        c = logistic_c(windows.take(hits), np.ones(len(hits), np.int8))
        expected = LogisticRegression(C=c, max_iter=1_000).fit(rows, found).predict_proba(rows)
        chance = softmax(rows @ start.skip[:, 1:] + start.bias[1:], axis=1)
        np.testing.assert_allclose(chance, expected, atol=1e-4)


def test_a_type_without_a_window_starts_from_how_often_each_occurs():
    windows, targets, _ = with_two_types()
    targets[:, 1:][targets[:, 0] == 1] = 1, 0

    start = find_start(windows, targets, SMALL)

    assert not start.skip[:, 1:].any()
    hits = int((targets[:, 0] == 1).sum())
    np.testing.assert_allclose(start.bias[1:], np.log([hits + 0.5, 0.5]), rtol=1e-6)


def test_class_weights_and_sampling_move_the_own_horizons_bias_and_no_types():
    windows, targets, _ = with_two_types()
    # Three events of the first type for one of the second.
    early = (np.arange(len(targets)) < 1600) & (targets[:, 0] == 1)
    targets[early, 1:] = 1, 0
    # A pace of nearly nothing shows the start.
    changes = {"class_weight": "none", "learning_rate": 1e-12, "negatives_per_positive": 2.0}
    train = TRAIN.model_copy(update=changes)

    start = find_start(windows, targets, SMALL)
    fitted = fit_lstm(windows, targets, SMALL, train, seed=0, epochs=1, start=start)

    found = fitted.network.head_bias
    np.testing.assert_allclose(found[1:], start.bias[1:], atol=1e-5)
    assert found[0] == pytest.approx(start.bias[0] - np.log(2), abs=1e-4)


@pytest.mark.parametrize("skip_start", ["logistic", "zero"])
def test_a_fit_tells_types_apart_beside_its_own_horizon(skip_start):
    windows, targets, kind = with_two_types()
    model = SMALL.model_copy(update={"skip_start": skip_start})
    train = TRAIN.model_copy(update={"learning_rate": 0.01})

    fitted = fit_lstm(windows, targets, model, train, seed=0, epochs=12)

    logits = forward(fitted.network, windows)
    hits = targets[:, 0] == 1
    assert logits.shape[1] == 3
    assert (logits[hits, 1:].argmax(axis=1) == kind[hits]).mean() > 0.9
    assert np.median(logits[hits, 0]) > np.median(logits[~hits, 0])
