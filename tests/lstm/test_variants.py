"""Every variant of the model: the NumPy cell has Keras' logits, training works, files load."""

import itertools
import logging
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.config import ModelStage, TrainStage
from rareevent.config.learning import Activation, Initializer
from rareevent.errors import ModelError
from rareevent.lstm.activations import ACTIVATIONS
from rareevent.lstm.backend import import_keras
from rareevent.lstm.both_ways import BothWays
from rareevent.lstm.build import build_stacked_lstm, network_from_keras, set_start, training_loop
from rareevent.lstm.cell import LSTMLayer, Network, forward, forward_values, gates
from rareevent.training.fit import fit_lstm
from rareevent.training.start import find_start
from rareevent.windowing.temporalize import Windows
from tests.lstm.networks import disturbed, draw_variant, draw_windows
from tests.windowing.test_screen import planted

SMALL = {"units": (3, 2), "projection": None, "skip": False}
COMBINED = [
    {"bidirectional": both, "head": head, "projection": projection, "skip": skip}
    for both, head, (projection, skip) in itertools.product(
        (False, True), ("last", "flatten"), ((None, False), (2, True))
    )
]
DROPPED = {"dropout": 0.2, "input_dropout": 0.3, "recurrent_dropout": 0.4, "l1": 1e-3, "l2": 1e-2}


def assert_cell_equals_keras(stage, lookback, windows, heads=2):
    """Held together on windows side by side, and on a few of them far apart."""
    channels = windows.rows.shape[1]
    model = disturbed(build_stacked_lstm(lookback, channels, stage, heads, seed=1))
    network = network_from_keras(model)
    for some in (windows, windows.take(np.arange(0, len(windows), 7))):
        # Called, not predicted with: tracing would take most of the time of these tests.
        expected = model(some.gather()).numpy()
        np.testing.assert_allclose(forward(network, some), expected, atol=1e-5)
        np.testing.assert_allclose(forward_values(network, some.gather()), expected, atol=1e-5)
    back = Network.from_arrays(network.to_arrays(), stage.activation)
    np.testing.assert_array_equal(forward(back, windows), forward(network, windows))


@pytest.mark.parametrize(
    ("variant", "lookback"),
    [(variant, 5) for variant in COMBINED] + [(variant, 1) for variant in COMBINED[1::2]],
    ids=str,
)
def test_directions_heads_projection_and_skip_in_any_combination(variant, lookback):
    stage = ModelStage(units=(4, 3, 2), **variant, **DROPPED)

    assert_cell_equals_keras(stage, lookback, draw_windows([12, 1, 2, 20], 3, lookback))


@pytest.mark.parametrize("activation", ["relu6", "leaky_relu", "silu", "mish", "softplus"])
def test_activations_that_grow_without_bound(activation):
    stage = ModelStage(**{**SMALL, "activation": activation, "bidirectional": True})

    assert_cell_equals_keras(stage, 4, draw_windows([15, 2], 3, 4))


@pytest.mark.parametrize("activation", ["hard_tanh", "sigmoid"])
def test_activations_within_bounds(activation):
    stage = ModelStage(**{**SMALL, "activation": activation, "head": "flatten"})

    assert_cell_equals_keras(stage, 4, draw_windows([15, 2], 3, 4))


@pytest.mark.parametrize("variant", COMBINED[::3], ids=lambda v: "-".join(map(str, v.values())))
@pytest.mark.parametrize("loop", ["fused", "unrolled"])
def test_every_loop_has_keras_logits_and_gradients_for_every_variant(variant, loop):
    tf, _ = import_keras()
    stage = ModelStage(units=(4, 3), l2=0.1, **variant)
    windows = tf.constant(draw_windows([25], channels=3, lookback=5).gather())
    gradients, logits = [], []
    for model in (
        disturbed(build_stacked_lstm(5, 3, stage, 2, seed=1)),
        disturbed(build_stacked_lstm(5, 3, stage, 2, seed=1, loop=loop)),
    ):
        with tf.GradientTape() as tape:
            logits.append(model(windows))
            loss = tf.reduce_mean(logits[-1] ** 2) + tf.add_n(model.losses)
        gradients.append(tape.gradient(loss, model.trainable_variables))

    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)
    for found, expected in zip(*reversed(gradients), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=80)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    lookback=st.integers(1, 7),
    block=st.integers(1, 40),
    flatten=st.booleans(),
    both=st.booleans(),
    projection=st.sampled_from([None, 2]),
    data=st.data(),
)
def test_any_windows_in_any_order_and_any_block_give_the_logits_of_their_own_values(
    lengths, lookback, block, flatten, both, projection, data
):
    steps = lookback if flatten else 1
    network = draw_variant(3, (4, 2), both=both, head_steps=steps, projection=projection)
    windows = draw_windows(lengths, channels=3, lookback=lookback)
    chosen = data.draw(st.lists(st.integers(0, len(windows) - 1), max_size=20))
    part = windows.take(np.array(chosen, np.int64))

    logits = forward(network, part, block=block)

    np.testing.assert_allclose(logits, forward(network, windows)[chosen], atol=1e-5)
    alone = [forward_values(network, values[None])[0] for values in part.gather()]
    np.testing.assert_allclose(logits, np.reshape(alone, logits.shape), atol=1e-5)


def test_one_unit_each_way_equals_numbers_worked_out_by_hand():
    # All gates 1/2 but the candidate tanh(x): c_t = c_{t-1} / 2 + tanh(x_t) / 2, h = tanh(c) / 2.
    # Rows ln 2, 0 (tanh 0.6, 0).  Forward: c = 0.3, then 0.15.  Reverse: c = 0, then 0.3.
    #   forward ends at the last row with tanh(0.15) / 2 = 0.0744425
    #   reverse ends at the first row with tanh(0.3) / 2 = 0.1456563
    layer = LSTMLayer(
        np.array([[0, 0, 1, 0]], np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.float32)
    )
    head = np.array([[100.0], [1.0]], np.float32), np.zeros(1, np.float32)
    network = Network(None, (layer,), None, *head, reverse=(layer,))
    rows = np.array([[np.log(2)], [0]], np.float32)
    windows = Windows(rows, np.array([0]), np.array([1]), lookback=2)

    (seen,) = gates(network, windows)

    assert forward(network, windows)[0, 0] == pytest.approx(7.44425 + 0.1456563, abs=1e-5)
    np.testing.assert_allclose(seen.state[0], [[0.3, 0.3], [0.15, 0.0]], atol=1e-6)


def test_a_flattened_head_weighs_each_step_by_its_own_rows_of_the_kernel():
    network = draw_variant(3, (4, 2), head_steps=3)
    windows = draw_windows([9], channels=3, lookback=3)

    last = gates(network, windows)[-1]

    read = last.hidden.reshape(len(windows), -1) @ network.head_kernel + network.head_bias
    read += windows.rows[windows.ends] @ network.skip
    np.testing.assert_allclose(forward(network, windows), read, atol=1e-6)


def test_gates_of_both_directions_give_the_logits_and_hold_the_cells_equation():
    network = draw_variant(4, (5, 3), both=True, projection=3)
    windows = draw_windows([7, 20], channels=4, lookback=6).take(np.array([20, 3, 26, 0, 20]))

    _, last = gates(network, windows)

    assert last.state.shape == (5, 6, 6)
    ends = np.concatenate([last.hidden[:, -1, :3], last.hidden[:, 0, 3:]], axis=1)
    logits = ends @ network.head_kernel + network.head_bias
    logits += windows.rows[windows.ends] @ network.skip
    np.testing.assert_allclose(logits, forward(network, windows), atol=1e-6)
    later = np.concatenate([last.state[:, 1:, 3:], np.zeros((5, 1, 3))], axis=1)
    moved_on = last.forget[..., 3:] * later + last.input[..., 3:] * last.candidate[..., 3:]
    np.testing.assert_allclose(last.state[..., 3:], moved_on, atol=1e-6)


def test_both_directions_stay_within_memory_at_long_lookbacks(monkeypatch):
    network = draw_variant(3, (4, 2), both=True)
    windows = draw_windows([200], channels=3, lookback=50)
    whole = forward(network, windows)
    # 50 steps of eight outputs and a row of ones, for seven windows.
    monkeypatch.setattr("rareevent.lstm.both_ways._MOST_KEPT", 50 * 9 * 7 + 449)

    assert BothWays(network).most_windows(50, wanted=2048) == 7
    assert BothWays(network).most_windows(50_000, wanted=2048) == 1
    np.testing.assert_allclose(forward(network, windows), whole, atol=1e-6)


def test_every_activation_and_initialiser_of_a_pipeline_file_is_known():
    assert get_args(Activation) == ACTIVATIONS
    for name in get_args(Initializer):
        stage = ModelStage(**SMALL, kernel_initializer=name, recurrent_initializer=name)
        assert network_from_keras(build_stacked_lstm(1, 2, stage, 1, seed=0)).layers


def test_a_flattened_head_refuses_windows_of_another_lookback():
    network = draw_variant(3, (4, 2), head_steps=4)

    with pytest.raises(ModelError, match="reads windows of 4 rows; received a lookback of 5"):
        forward(network, draw_windows([9], channels=3, lookback=5))


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 7), (2, 0, 3)])
def test_values_that_are_no_windows_are_refused(shape):
    with pytest.raises(ModelError, match="received"):
        forward_values(draw_variant(3, (4, 2)), np.zeros(shape, np.float32))


def arrays_of_both_ways():
    return draw_variant(3, (4, 2), both=True, head_steps=5).to_arrays()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lstm_2_reverse.kernel": None}, r"unknown arrays \['lstm_2_reverse.bias'"),
        ({"lstm_1_reverse.bias": None}, r"lacks the array 'lstm_1_reverse.bias'"),
        ({"lstm_2.kernel": np.zeros((4, 8))}, r"'lstm_2.kernel' must have shape \(8, 8\)"),
        ({"head.kernel": np.zeros((21, 1))}, r"'head.kernel' must have shape \(20, 1\)"),
        ({"head.kernel": np.zeros((3, 1))}, r"'head.kernel' must have shape \(4, 1\)"),
        ({"head.kernel": np.zeros((0, 1))}, r"'head.kernel' is empty"),
        ({"lstm_2_reverse.recurrent": np.float32(1)}, r"'lstm_2_reverse.recurrent' is empty"),
    ],
)
def test_arrays_of_both_directions_that_do_not_fit_are_refused_by_name(change, message):
    arrays = {n: a for n, a in (arrays_of_both_ways() | change).items() if a is not None}

    with pytest.raises(ModelError, match=message):
        Network.from_arrays(arrays)


def test_a_reverse_layer_too_few_is_refused():
    arrays = arrays_of_both_ways()
    left = {n: a for n, a in arrays.items() if not n.startswith("lstm_2_reverse")}

    with pytest.raises(ModelError, match="has 2 layers but 1 that read from the last row"):
        Network.from_arrays(left)


def test_input_dropout_takes_whole_channels_from_the_recurrence_and_none_from_the_skip():
    tf, keras = import_keras()
    stage = ModelStage(units=(3, 2), projection=None, input_dropout=0.5)
    model = build_stacked_lstm(6, 40, stage, 1, seed=0)
    named = {layer.name: layer for layer in model.layers}
    seen = keras.Model(model.inputs, [named["channels"].output, named["last_row"].output])

    channels, last_row = seen(tf.ones([8, 6, 40]), training=True)

    assert (np.ptp(channels.numpy(), axis=1) == 0).all()
    assert set(np.unique(channels.numpy()).tolist()) == {0.0, 2.0}
    assert (last_row.numpy() == 1).all()


def test_recurrent_dropout_changes_what_is_trained_and_not_what_is_scored():
    tf, _ = import_keras()
    windows = tf.constant(draw_windows([30], channels=3, lookback=5).gather())
    stage = ModelStage(units=(6, 5), projection=None, skip=False, recurrent_dropout=0.5)
    model = build_stacked_lstm(5, 3, stage, 1, seed=0)
    plain = build_stacked_lstm(5, 3, stage.model_copy(update={"recurrent_dropout": 0.0}), 1, seed=0)

    np.testing.assert_allclose(model(windows), plain(windows), atol=1e-6)
    assert not np.allclose(model(windows, training=True), plain(windows, training=True))


def test_penalties_lie_on_every_kernel_but_the_skips_and_on_no_bias():
    stage = ModelStage(units=(3, 2), projection=2, bidirectional=True, l1=0.5, l2=0.25)
    model = disturbed(build_stacked_lstm(4, 3, stage, 1, seed=0))
    network = network_from_keras(model)
    kernels = [network.projection[0], network.head_kernel]
    for layer in network.layers + network.reverse:
        kernels += [layer.kernel, layer.recurrent]

    expected = sum(0.5 * np.abs(k).sum() + 0.25 * (k**2).sum() for k in kernels)

    assert float(sum(model.losses)) == pytest.approx(float(expected), rel=1e-5)


def test_initialisers_and_forget_bias_are_what_they_say():
    def recurrence(**settings):
        stage = ModelStage(units=(40, 30), projection=None, bidirectional=True, **settings)
        network = network_from_keras(build_stacked_lstm(3, 50, stage, 1, seed=2))
        return network.layers + network.reverse

    for layer in recurrence(recurrent_initializer="identity", forget_bias=2.5):
        np.testing.assert_array_equal(layer.recurrent, np.tile(np.eye(layer.units), 4))
        expected = np.repeat([0, 2.5, 0, 0], layer.units)
        np.testing.assert_array_equal(layer.bias, expected.astype(np.float32))
    for layer in recurrence(kernel_initializer="he_normal"):
        assert layer.kernel.std() == pytest.approx(np.sqrt(2 / len(layer.kernel)), rel=0.1)
    for layer in recurrence(recurrent_initializer="lecun_uniform"):
        assert layer.recurrent.std() == pytest.approx(np.sqrt(1 / layer.units), rel=0.1)
    for layer in recurrence(kernel_initializer="orthogonal"):
        unit = layer.kernel @ layer.kernel.T
        np.testing.assert_allclose(unit, np.eye(len(unit)), atol=1e-5)


def test_the_two_directions_start_from_weights_of_their_own():
    stage = ModelStage(units=(4, 3), projection=None, bidirectional=True)
    network = network_from_keras(build_stacked_lstm(3, 5, stage, 1, seed=2))
    alone = replace(network, reverse=())
    plain = stage.model_copy(update={"bidirectional": False})

    assert not np.array_equal(network.layers[0].kernel, network.reverse[0].kernel)
    np.testing.assert_array_equal(
        alone.layers[0].kernel,
        network_from_keras(build_stacked_lstm(3, 5, plain, 1, seed=2)).layers[0].kernel,
    )


@pytest.mark.parametrize(
    ("initializer", "spread"),
    [("glorot_normal", 2 / (16 + 4 * 12)), ("he_normal", 2 / 4), ("orthogonal", 1 / 48)],
)
def test_weights_of_read_channels_are_as_large_as_if_there_were_no_others(initializer, spread):
    # 16 channels of 64 are read by 12 units each way; He's rule is tried on 4 of them.
    reads = np.arange(64) < (4 if initializer == "he_normal" else 16)
    stage = ModelStage(
        units=(12, 2), projection=None, skip=False, bidirectional=True,
        kernel_initializer=initializer,
    )  # fmt: skip
    model = build_stacked_lstm(3, 64, stage, 1, seed=0)

    set_start(model, reads, None, None)

    network = network_from_keras(model)
    for layer in network.layers[:1] + network.reverse[:1]:
        assert not layer.kernel[~reads].any()
        found = (layer.kernel[reads] ** 2).mean()
        assert found == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize(
    "variant",
    [
        {"bidirectional": True, "head": "flatten", "projection": None, "input_dropout": 0.2},
        {"recurrent_dropout": 0.2, "dropout": 0.2, "projection": 3, "activation": "silu"},
    ],
    ids=["both-flat", "recurrent-dropout"],
)
def test_a_variant_is_fitted_reads_only_screened_channels_and_repeats_itself(variant):
    windows, target = planted(lookback=4)
    model = ModelStage(units=(4, 3), l2=1e-3, skip_start="zero", **variant)
    targets = target[:, None]
    start = replace(find_start(windows, targets, model), reads=np.isin(np.arange(8), [2, 5]))

    fits = [
        fit_lstm(windows, targets, model, TrainStage(), seed=1, epochs=2, start=start)
        for _ in range(2)
    ]

    network = fits[0].network
    entries = [network.projection[0]] if network.projection else []
    if not entries:
        entries = [layer.kernel for layer in network.layers[:1] + network.reverse[:1]]
    for entry in entries:
        assert np.flatnonzero(entry.any(axis=1)).tolist() == [2, 5]
    for name, array in network.to_arrays().items():
        np.testing.assert_array_equal(array, fits[1].network.to_arrays()[name])
    some = windows.take(np.arange(0, 900, 3))
    expected = fits[0].keras_model(some.gather()).numpy()
    np.testing.assert_allclose(forward(network, some), expected, atol=1e-5)
    assert fits[0].history[1].loss < fits[0].history[0].loss


def test_a_saved_variant_loads_in_safe_mode(tmp_path):
    _, keras = import_keras()
    stage = ModelStage(
        units=(3, 2), bidirectional=True, head="flatten", recurrent_initializer="identity",
        forget_bias=0.5, **DROPPED,
    )  # fmt: skip
    model = disturbed(build_stacked_lstm(4, 5, stage, 3, seed=0))
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)

    windows = draw_windows([9], channels=5, lookback=4).gather()
    np.testing.assert_array_equal(loaded(windows), model(windows))


def test_the_log_names_everything_that_leaves_cudnn(monkeypatch, caplog):
    monkeypatch.setattr("rareevent.lstm.build.has_gpu", lambda: True)
    fits = ModelStage(bidirectional=True, head="flatten", input_dropout=0.1, l1=1e-3)
    beyond = ModelStage(activation="relu", recurrent_dropout=0.25)

    with caplog.at_level(logging.WARNING, logger="rareevent"):
        assert training_loop(10, fits) == "keras"
        assert not caplog.records
        assert training_loop(10, beyond) == "keras"

    assert "model.activation is 'relu'" in caplog.text
    assert "model.recurrent_dropout is 0.25" in caplog.text
    assert "leaves the cuDNN path" in caplog.text


def test_a_cpu_does_not_fuse_what_drops_between_steps(monkeypatch):
    monkeypatch.setattr("rareevent.lstm.build.has_gpu", lambda: False)
    dropping = ModelStage(recurrent_dropout=0.1)

    assert training_loop(10, dropping) == "unrolled"
    assert training_loop(200, dropping) == "keras"
    assert training_loop(10, ModelStage(bidirectional=True, head="flatten")) == "fused"
