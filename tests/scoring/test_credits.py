"""Credits of one window's elements: by hand, and that they add up."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from rareevent.blend.linear import Linear
from rareevent.blend.trees import Trees
from rareevent.lstm.activations import ACTIVATIONS
from rareevent.lstm.cell import forward_values
from rareevent.scoring.credits import (
    linear_credits,
    lstm_credits,
    tree_sensor_credits,
    tree_step_credits,
)
from rareevent.scoring.tree_credits import leaf_paths
from tests.blend.forests import random_forest, stump_and_tree
from tests.lstm.networks import draw_network, draw_variant

CHANNELS, LOOKBACK = 4, 6


def draw_window(seed=0, channels=CHANNELS, lookback=LOOKBACK):
    return np.random.default_rng(seed).normal(0, 1.5, (lookback, channels)).astype(np.float32)


def rise(network, window, quiet):
    both = np.stack([window, np.broadcast_to(quiet, window.shape)])
    high, low = forward_values(network, both)[:, 0].astype(float)
    return high - low


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_credits_of_a_network_add_up_to_its_logit_less_the_quiet_one(activation, both):
    network = draw_variant(CHANNELS, (5, 3), both=both, head_steps=LOOKBACK, activation=activation)
    quiet = np.array([0.3, 0, -1, 0.2], np.float32)

    for seed in range(3):
        window = draw_window(seed)
        credit = lstm_credits(network, window[None], quiet)[0]

        assert credit.shape == window.shape
        assert credit.sum() == pytest.approx(rise(network, window, quiet), rel=0.01, abs=1e-3)


def test_a_network_that_reads_one_channel_gives_it_all_the_credit():
    network = draw_network(CHANNELS, (4, 3), projection=3, skip=True)
    reads = np.array([0, 0, 1, 0], np.float32)[:, None]
    network = replace(
        network,
        projection=(network.projection[0] * reads, network.projection[1]),
        skip=network.skip * reads,
    )
    window, quiet = draw_window(), np.zeros(CHANNELS, np.float32)

    by_channel = lstm_credits(network, window[None], quiet)[0].sum(axis=0)

    assert by_channel[[0, 1, 3]].tolist() == [0, 0, 0]
    assert by_channel[2] == pytest.approx(rise(network, window, quiet), rel=0.01)
    assert abs(by_channel[2]) > 0.1


def test_a_network_that_forgets_at_once_credits_the_last_row_alone():
    network = draw_network(CHANNELS, (4,))
    (layer,) = network.layers
    kernel, bias = layer.kernel.copy(), layer.bias.copy()
    kernel[:, 4:8], bias[4:8] = 0, -50
    layer = replace(layer, kernel=kernel, bias=bias, recurrent=np.zeros_like(layer.recurrent))
    network = replace(network, layers=(layer,))

    by_step = lstm_credits(network, draw_window()[None], np.zeros(CHANNELS, np.float32))[0].sum(
        axis=1
    )

    np.testing.assert_allclose(by_step[:-1], 0, atol=1e-12)
    assert abs(by_step[-1]) > 0.1


def test_the_quiet_window_itself_earns_nothing():
    network, quiet = draw_network(CHANNELS, (4, 3)), draw_window()[0]

    assert not lstm_credits(network, np.tile(quiet, (1, LOOKBACK, 1)), quiet).any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_windows_that_are_credited_together_get_what_each_gets_alone(activation):
    network = draw_variant(CHANNELS, (5, 3), both=False, head_steps=1, activation=activation)
    windows, quiet = np.stack([draw_window(s) for s in range(5)]), np.zeros(CHANNELS, np.float32)

    together = lstm_credits(network, windows, quiet)

    for window, credit in zip(windows, together, strict=True):
        np.testing.assert_allclose(lstm_credits(network, window[None], quiet)[0], credit, atol=1e-6)


def test_a_linear_credit_is_weight_times_distance():
    model = Linear(np.array([2.0, -1.0, 0.0]), bias=7.0)
    row, quiet = np.array([3, 1, 9], np.float32), np.array([1, -1, 0], np.float32)

    assert linear_credits(model, row[None], quiet).tolist() == [[4, -2, 0]]


def test_trees_share_what_two_sensors_do_together():
    # At (5, 5) the trees give 120.25, at (0, 0) 99.5. Quieting x0 first costs 21, then x1 brings
    # back 0.25; x1 first costs 9.75, then x0 11. The means are 16 and 4.75.
    window, quiet = np.array([[5, 5]], np.float32), np.zeros(2, np.float32)

    apart, joint = (leaf_paths(stump_and_tree(), np.array(owner)) for owner in ([0, 1], [0, 0]))
    found = tree_sensor_credits(apart, window, quiet)
    together = tree_sensor_credits(joint, window, quiet)

    np.testing.assert_allclose(found, [16, 4.75])
    np.testing.assert_allclose(together, [20.75])


@pytest.mark.parametrize("seed", range(4))
def test_credits_of_trees_are_the_mean_over_all_orders_of_quieting_sensors(seed):
    rng = np.random.default_rng(seed)
    trees = random_forest(rng, trees=12, leaves=14, features=8)
    owner = np.array([0, 1, 0, 2, 3, 1, 2, 0])
    now, quiet = (rng.integers(-3, 4, 8).astype(np.float32) / 2 for _ in range(2))
    now[3], quiet[5] = np.nan, np.nan

    expected, orders = np.zeros(4), list(itertools.permutations(range(4)))
    for order in orders:
        values = now.copy()
        for one in order:
            before = trees.logits(values[None])[0]
            values[owner == one] = quiet[owner == one]
            expected[one] += (before - trees.logits(values[None])[0]) / len(orders)

    found = leaf_paths(trees, owner).credits(now, quiet)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.abs(found).max() > 0.1


def test_credits_of_trees_add_up_over_sensors_and_over_steps():
    rng = np.random.default_rng(0)
    trees = random_forest(rng, trees=30, leaves=10, features=4 * CHANNELS)
    window, quiet = draw_window(), np.zeros(CHANNELS, np.float32)

    by_sensor = tree_sensor_credits(leaf_paths(trees, np.array([0, 1, 0, 2])), window, quiet)
    by_step = tree_step_credits(trees, window, quiet)

    assert by_sensor.shape == (3,)
    assert by_step.shape == (LOOKBACK,)
    assert abs(by_step.sum()) > 0.1
    assert by_sensor.sum() == pytest.approx(by_step.sum())


@pytest.mark.parametrize(
    ("feature", "steps"),
    # The last row's value; the mean over three rows, which is above 1 while two are left at 2.
    [(0, [0, 0, 3]), (1, [1.5, 0, 1.5])],
)
def test_trees_credit_the_steps_that_they_read(feature, steps):
    trees = Trees(
        features=4,
        roots=np.array([0]),
        feature=np.array([feature, -1, -1], np.int32),
        threshold=np.array([1.0, 0, 0]),
        missing_left=np.zeros(3, bool),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        value=np.array([0.0, -1, 2]),
        start=0.0,
    )
    window = np.full((3, 1), 1.4, np.float32)

    found = tree_step_credits(trees, window, np.zeros(1, np.float32))

    assert found.tolist() == steps
