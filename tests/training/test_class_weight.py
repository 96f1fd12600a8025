"""Class weights per head."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from rareevent.errors import ConfigError
from rareevent.training.class_weight import class_weights


def test_balanced_is_scikit_learns_balanced_for_every_head():
    targets = (np.random.default_rng(0).random((500, 3)) < [0.02, 0.1, 0.5]).astype(np.int8)
    targets[::7, 1] = -1

    weights = class_weights(targets, "balanced")

    for head in range(3):
        labels = targets[:, head][targets[:, head] >= 0]
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
        np.testing.assert_allclose(weights[head], expected, rtol=1e-6)


def test_none_counts_every_window_once():
    targets = np.array([[0], [1], [0]], np.int8)

    assert class_weights(targets, "none").tolist() == [[1.0, 1.0]]


def test_a_mapping_is_taken_as_it_is_and_silence_means_one():
    targets = np.array([[0], [1], [0]], np.int8)

    assert class_weights(targets, {1: 20.0}).tolist() == [[1.0, 20.0]]
    assert class_weights(targets, {0: 0.5, 1: 2.0}).tolist() == [[0.5, 2.0]]


def test_windows_that_training_shows_more_often_count_as_often_in_balanced():
    targets = np.array([[0], [0], [0], [1]], np.int8)

    weights = class_weights(targets, "balanced", seen=np.array([1.0, 1.0, 1.0, 3.0]))

    assert weights.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("rule", ["balanced", "none", {1: 5.0}])
def test_a_head_with_one_class_gets_no_weight(rule):
    targets = np.array([[0, 0, -1], [1, 0, 1]], np.int8)

    weights = class_weights(targets, rule)

    assert (weights[0] > 0).all()
    assert weights[1:].tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("rule", [{2: 1.0}, {1: 0.0}, {0: -1.0}])
def test_a_mapping_of_other_classes_or_without_weight_is_refused(rule):
    with pytest.raises(ConfigError, match=r"train\.class_weight must map the classes 0 and 1"):
        class_weights(np.array([[0], [1]], np.int8), rule)
