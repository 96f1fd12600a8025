"""Gate statistics against figures worked out by hand from hand-built weights."""

import numpy as np
import pytest

from rareevent.lstm import gate_statistics as module
from rareevent.lstm.cell import LSTMLayer, Network, gates
from rareevent.lstm.gate_statistics import gate_statistics, unit_means
from rareevent.windowing.temporalize import Windows
from tests.lstm.networks import draw_network, draw_windows


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hand_built():
    """One layer of three units over one channel x.

    Unit 1 holds: input gate shut, forget gate open, whatever comes. Unit 2 takes tanh(x) in
    through a half-open input gate. Unit 3 hears nothing; its forget gate follows 10 x.
    """
    kernel, bias = np.zeros((1, 4, 3), np.float32), np.zeros((4, 3), np.float32)
    bias[0, 0], bias[1, 0] = -10, 10
    kernel[0, 2, 1] = 1
    kernel[0, 1, 2] = 10
    layer = LSTMLayer(kernel.reshape(1, 12), np.zeros((3, 12), np.float32), bias.reshape(12))
    head = np.ones((3, 1), np.float32)
    return Network(None, (layer,), None, head, np.zeros(1, np.float32))


def of_values(values):
    """Windows of the given values, one row a step."""
    values = np.array(values, np.float32)
    count, lookback = values.shape
    starts = np.arange(count) * lookback
    return Windows(values.reshape(-1, 1), starts, starts + lookback - 1, lookback)


def test_statistics_equal_hand_computed_values():
    # Three windows of one step: x is 1, -1 and 0.
    (layer,) = gate_statistics(hand_built(), of_values([[1], [-1], [0]]))

    assert layer.windows == 3
    np.testing.assert_allclose(layer.mean["input"], [sigmoid(-10), 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(layer.mean["forget"], [sigmoid(10), 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(layer.mean["output"], [0.5] * 3, atol=1e-6)
    # Unit 3's forget gate is open for x = 1, shut for x = -1, half open for x = 0.
    np.testing.assert_allclose(layer.open["forget"], [1, 0, 1 / 3])
    np.testing.assert_allclose(layer.shut["forget"], [0, 0, 1 / 3])
    np.testing.assert_allclose(layer.shut["input"], [1, 0, 0])
    np.testing.assert_allclose(layer.hard["forget"], [1, 0, 2 / 3])
    np.testing.assert_allclose(layer.holds, [1, 0, 0])
    assert layer.memory.tolist() == [True, False, False]
    # Unit 2 gives 0.5 tanh(0.5 tanh(x)): a, -a and 0, whose deviation is a sqrt(2 / 3).
    a = 0.5 * np.tanh(0.5 * np.tanh(1))
    np.testing.assert_allclose(layer.spread, [0, a * np.sqrt(2 / 3), 0], atol=1e-6)
    assert layer.never_changes.tolist() == [True, False, True]


def test_the_spread_is_that_of_the_step_where_windows_differ_most():
    # Both windows differ in the first of two steps only.
    (layer,) = gate_statistics(hand_built(), of_values([[2, 0], [-2, 0]]))

    state = 0.5 * np.tanh(2)
    first, second = 0.5 * np.tanh(state), 0.5 * np.tanh(0.5 * state)
    assert second < first
    assert layer.spread[1] == pytest.approx(first, abs=1e-6)


def test_a_units_mean_over_a_window_is_that_of_its_steps():
    (layer,) = unit_means(hand_built(), of_values([[2, 0], [0, 0]]))

    state = 0.5 * np.tanh(2)
    np.testing.assert_allclose(layer["state"][:, 1], [(state + state / 2) / 2, 0], atol=1e-6)
    np.testing.assert_allclose(layer["forget"][:, 2], [(1 + 0.5) / 2, 0.5], atol=1e-6)


def test_many_windows_in_parts_give_what_all_at_once_give(monkeypatch):
    network = draw_network(3, (5, 4), projection=2)
    windows = draw_windows([40, 7, 30], channels=3, lookback=6)
    whole, means = gate_statistics(network, windows), unit_means(network, windows)

    monkeypatch.setattr(module, "_ELEMENTS", 6 * 5 * 10)
    parts = gate_statistics(network, windows)

    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.spread, other.spread, rtol=1e-6)
        np.testing.assert_allclose(one.mean["output"], other.mean["output"], rtol=1e-6)
        np.testing.assert_array_equal(one.open["forget"], other.open["forget"])
    for one, layer in zip(unit_means(network, windows), gates(network, windows), strict=True):
        np.testing.assert_allclose(one["state"], layer.state.mean(axis=1), atol=1e-6)
    assert len(means[0]["state"]) == 77


def test_no_window_has_no_statistics():
    with pytest.raises(ValueError, match="at least one window"):
        gate_statistics(hand_built(), of_values(np.zeros((0, 2))))
