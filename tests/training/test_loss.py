"""The loss, against numbers worked out by hand."""

import numpy as np
import pytest

from rareevent.lstm.backend import import_keras
from rareevent.training.loss import weighted_loss

LN3 = np.log(3)
ONES = np.ones((1, 2), np.float32)


def loss_of(targets, logits, class_weights, **settings):
    tf, _ = import_keras()
    arrays = np.array(targets, np.int8), np.array(logits, np.float32), np.float32(class_weights)
    return float(weighted_loss(*map(tf.constant, arrays), **settings))


def test_without_weights_it_is_the_mean_cross_entropy():
    # p = 0.75 for the positive, 0.25 for the negative: both cost -ln 0.75.
    assert loss_of([[1], [0]], [[LN3], [-LN3]], ONES) == pytest.approx(-np.log(0.75))


def test_each_class_of_each_head_has_its_own_weight():
    weights = [[2.0, 10.0], [1.0, 4.0]]
    # Logit 0 costs ln 2: (2 + 1 + 10 + 4) / 4 windows times heads.
    found = loss_of([[0, 0], [1, 1]], [[0, 0], [0, 0]], weights)

    assert found == pytest.approx(17 / 4 * np.log(2))


def test_a_head_without_a_label_adds_nothing():
    found = loss_of([[1, -1], [-1, 0]], [[0, 7], [-9, 0]], [[1, 1], [1, 1]])

    assert found == pytest.approx(2 / 4 * np.log(2))


def test_focal_loss_counts_what_is_already_right_less():
    # p of the right class: 0.75 and 0.25; (1 - p)² = 0.0625 and 0.5625.
    found = loss_of([[1], [0]], [[LN3], [LN3]], ONES, focal_gamma=2.0)

    assert found == pytest.approx((0.0625 * -np.log(0.75) + 0.5625 * -np.log(0.25)) / 2)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_has_a_finite_slope_at_certainty(gamma):
    tf, _ = import_keras()
    logits = tf.Variable([[200.0], [-200.0]])
    with tf.GradientTape() as tape:
        targets = tf.constant([[1], [0]], tf.int8)
        loss = weighted_loss(targets, logits, tf.constant(ONES), focal_gamma=gamma)

    assert np.isfinite(tape.gradient(loss, logits)).all()
