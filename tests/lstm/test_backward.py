"""Gradients with respect to the inputs: by hand, against TensorFlow's, in parts."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.config import ModelStage
from rareevent.errors import ModelError
from rareevent.lstm.activations import ACTIVATIONS
from rareevent.lstm.backend import import_keras
from rareevent.lstm.backward import input_gradients, value_gradients
from rareevent.lstm.build import build_stacked_lstm, network_from_keras
from rareevent.lstm.cell import LSTMLayer, Network, forward_values
from rareevent.windowing.temporalize import Windows
from tests.lstm.networks import disturbed, draw_network, draw_variant, draw_windows
from tests.lstm.test_variants import COMBINED

ROOT = Path(__file__).parents[2]


def assert_gradients_equal_tensorflow(stage, lookback, channels=3, heads=2):
    tf, _ = import_keras()
    model = disturbed(build_stacked_lstm(lookback, channels, stage, heads, seed=1))
    network = network_from_keras(model)
    windows = draw_windows([12, 1, 2, 9], channels, lookback)
    values = tf.constant(windows.gather())
    last = heads - 1
    with tf.GradientTape() as tape:
        tape.watch(values)
        logit = tf.reduce_sum(model(values)[:, last])
    expected = tape.gradient(logit, values).numpy()
    np.testing.assert_allclose(input_gradients(network, windows, last), expected, atol=1e-4)


@pytest.mark.parametrize("variant", COMBINED, ids=lambda v: "-".join(map(str, v.values())))
def test_gradients_are_tensorflows_for_every_variant(variant):
    stage = ModelStage(units=(4, 3, 2), dropout=0.1, input_dropout=0.1, **variant)

    assert_gradients_equal_tensorflow(stage, lookback=5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_tensorflows_for_every_activation(activation):
    stage = ModelStage(units=(3, 2), projection=None, skip=False, activation=activation)

    assert_gradients_equal_tensorflow(stage, lookback=3, heads=1)


@pytest.mark.parametrize("variant", [COMBINED[3], COMBINED[5]], ids=["flatten", "both"])
def test_gradients_are_tensorflows_at_a_lookback_of_one(variant):
    assert_gradients_equal_tensorflow(ModelStage(units=(4, 3), **variant), lookback=1)


def test_one_unit_over_two_steps_equals_numbers_worked_out_by_hand():
    # No recurrent weights, all gates 1/2 but the candidate tanh(x): c_1 = tanh(x_1) / 2,
    # c_2 = c_1 / 2 + tanh(x_2) / 2, logit = tanh(c_2) / 2.  At x = ln 2, 0: tanh 0.6 and 0, so
    # c_2 = 0.15; d logit / d c_2 = (1 - tanh² 0.15) / 2 = (1 - 0.0221669) / 2 = 0.4889165
    #   d x_2: · 1/2 · (1 - 0)          = 0.2444583
    #   d x_1: · 1/2 · 1/2 · (1 - 0.36) = 0.0782266
    layer = LSTMLayer(
        np.array([[0, 0, 1, 0]], np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.float32)
    )
    network = Network(None, (layer,), None, np.ones((1, 1), np.float32), np.zeros(1, np.float32))
    values = np.array([[[np.log(2)], [0]]], np.float32)

    found = value_gradients(network, values)

    np.testing.assert_allclose(found[0, :, 0], [0.0782266, 0.2444583], atol=1e-6)


@settings(max_examples=40)
@given(
    lookback=st.integers(1, 6),
    flatten=st.booleans(),
    both=st.booleans(),
    activation=st.sampled_from(["tanh", "softplus", "mish", "sigmoid"]),
    seed=st.integers(0, 100),
)
def test_a_small_step_along_the_gradient_changes_the_logit_by_as_much_as_it_says(
    lookback, flatten, both, activation, seed
):
    steps = lookback if flatten else 1
    network = draw_variant(3, (4, 2), both=both, head_steps=steps, activation=activation)
    # The skip's share of the gradient would outweigh what the recurrence gets wrong.
    network = replace(network, skip=None)
    values = draw_windows([3], 3, lookback, seed=seed).gather()
    gradient = value_gradients(network, values)
    length = np.sqrt((gradient**2).sum(axis=(1, 2), keepdims=True))
    step = np.float32(0.01) * gradient / length

    rise = forward_values(network, values + step) - forward_values(network, values - step)

    np.testing.assert_allclose(rise[:, 0], 0.02 * length[:, 0, 0], rtol=0.03, atol=1e-5)


def test_each_repetition_of_a_padded_row_has_a_gradient_of_its_own():
    network = draw_network(2, (4, 3), projection=3, skip=True)
    rows = np.array([[9, 9], [1, 2], [3, 4]], np.float32)
    padded = Windows(rows, np.array([1]), np.array([2]), lookback=4)

    found = input_gradients(network, padded)

    assert found.shape == (1, 4, 2)
    np.testing.assert_array_equal(found, value_gradients(network, padded.gather()))
    assert not np.array_equal(found[0, 0], found[0, 1])


def test_blocks_of_windows_change_no_gradient(monkeypatch):
    network = draw_variant(3, (4, 2), both=True, head_steps=5, projection=2)
    windows = draw_windows([30, 4], 3, lookback=5).take(np.array([33, 2, 8, 8, 20, 0, 31]))
    whole = input_gradients(network, windows)

    monkeypatch.setattr("rareevent.lstm.backward._MOST_KEPT", 1)

    np.testing.assert_allclose(input_gradients(network, windows), whole, atol=1e-6)


def test_no_window_has_no_gradient():
    network = draw_network(3, (4, 2))

    assert value_gradients(network, np.zeros((0, 4, 3), np.float32)).shape == (0, 4, 3)


@pytest.mark.parametrize("head", [-1, 2])
def test_a_head_that_is_not_there_is_refused(head):
    network = draw_network(3, (4, 2), heads=2)

    with pytest.raises(ModelError, match=f"from 0 to 1; received {head}"):
        input_gradients(network, draw_windows([5], 3, 2), head)


def test_windows_of_other_channels_are_refused():
    with pytest.raises(ModelError, match="reads 3 channels; received rows with 5"):
        input_gradients(draw_network(3, (4, 2)), draw_windows([5], 5, 2))


def test_the_way_back_imports_neither_tensorflow_nor_keras():
    code = (
        "import sys, rareevent.lstm.backward;"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"
