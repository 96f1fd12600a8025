"""The Keras model: held to the NumPy cell, its parameters, its loops, its safety."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rareevent.config import ModelStage
from rareevent.errors import ConfigError
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm, network_from_keras, training_loop
from rareevent.lstm.cell import forward, layer_parameters
from tests.lstm.networks import disturbed, draw_windows

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("stage", "lookback", "channels", "heads"),
    [
        (ModelStage(), 10, 7, 3),
        (ModelStage(units=(16, 8), projection=None, skip=False), 20, 61, 1),
        (ModelStage(units=(6, 5, 4), activation="relu"), 5, 4, 2),
        (ModelStage(units=(5, 4, 3, 2), activation="softsign", projection=None), 6, 3, 1),
        (ModelStage(units=(5, 4), activation="elu", skip=False), 6, 3, 1),
        (ModelStage(units=(5, 4), activation="selu", dropout=0.3), 6, 3, 2),
        (ModelStage(units=(5, 4), activation="linear"), 4, 3, 1),
        (ModelStage(units=(5, 4)), 1, 6, 3),
        (ModelStage(units=(5, 4), projection=2), 7, 1, 1),
    ],
)
def test_the_numpy_cell_gives_keras_logits(stage, lookback, channels, heads):
    model = disturbed(build_stacked_lstm(lookback, channels, stage, heads, seed=1))
    windows = draw_windows([30, 3, 1, 50], channels, lookback)

    np.testing.assert_allclose(
        forward(network_from_keras(model), windows),
        model.predict_on_batch(windows.gather()),
        atol=1e-5,
    )


@pytest.mark.parametrize("loop", ["fused", "unrolled"])
def test_every_loop_has_keras_logits_and_gradients(loop):
    tf, _ = import_keras()
    stage = ModelStage(units=(5, 4, 3), skip_dropout=0.0)
    windows = tf.constant(draw_windows([40], channels=3, lookback=6).gather())
    gradients, logits = [], []
    for model in (
        disturbed(build_stacked_lstm(6, 3, stage, 2, seed=1)),
        disturbed(build_stacked_lstm(6, 3, stage, 2, seed=1, loop=loop)),
    ):
        with tf.GradientTape() as tape:
            logits.append(model(windows, training=True))
            loss = tf.reduce_mean(logits[-1] ** 2)
        gradients.append(tape.gradient(loss, model.trainable_variables))

    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)
    for found, expected in zip(*reversed(gradients), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_layer_has_as_many_parameters_as_keras_counts():
    model = build_stacked_lstm(4, 11, ModelStage(units=(16, 8, 3), projection=5), 1, seed=0)

    counted = [model.get_layer(f"lstm_{number}").count_params() for number in (1, 2, 3)]

    assert counted == [layer_parameters(16, 5), layer_parameters(8, 16), layer_parameters(3, 8)]


def test_the_skip_starts_at_zero_and_the_recurrence_does_not():
    model = build_stacked_lstm(4, 5, ModelStage(), 2, seed=0)

    assert not model.get_layer("skip").get_weights()[0].any()
    assert model.get_layer("lstm_1").get_weights()[0].all()


def test_the_seed_decides_the_weights_and_leaves_global_random_state_alone():
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.RandomState(3).random_sample()
    first, again, other = (
        build_stacked_lstm(4, 5, ModelStage(), 2, seed=seed).get_weights() for seed in (1, 1, 2)
    )

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.random.random_sample() == expected  # noqa: NPY002


def test_gates_other_than_sigmoid_are_refused_with_the_reason():
    stage = ModelStage.model_construct(**{**dict(ModelStage()), "recurrent_activation": "tanh"})

    with pytest.raises(ConfigError, match=r"received 'tanh'\. The gates scale .*\. Only this"):
        build_stacked_lstm(4, 5, stage, 1, seed=0)


def test_a_single_layer_is_refused():
    stage = ModelStage.model_construct(**{**dict(ModelStage()), "units": (16,)})

    with pytest.raises(ConfigError, match=r"at least two LSTM layers; received \(16,\)"):
        build_stacked_lstm(4, 5, stage, 1, seed=0)


def test_a_saved_model_loads_in_safe_mode(tmp_path):
    _, keras = import_keras()
    model = disturbed(build_stacked_lstm(4, 5, ModelStage(dropout=0.1), 3, seed=0))
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)

    windows = draw_windows([9], channels=5, lookback=4).gather()
    np.testing.assert_array_equal(loaded.predict_on_batch(windows), model.predict_on_batch(windows))


def test_a_gpu_takes_keras_own_loop_and_the_log_says_when_it_leaves_cudnn(monkeypatch, caplog):
    monkeypatch.setattr("rareevent.lstm.build.has_gpu", lambda: True)

    with caplog.at_level(logging.WARNING, logger="rareevent"):
        assert training_loop(10, ModelStage()) == "keras"
        assert not caplog.records
        assert training_loop(10, ModelStage(activation="relu")) == "keras"

    assert "leaves the cuDNN path" in caplog.text


def test_a_cpu_fuses_tanh_and_unrolls_short_loops_of_anything_else(monkeypatch):
    monkeypatch.setattr("rareevent.lstm.build.has_gpu", lambda: False)

    assert training_loop(200, ModelStage()) == "fused"
    assert training_loop(10, ModelStage(activation="relu")) == "unrolled"
    assert training_loop(200, ModelStage(activation="relu")) == "keras"


def test_tensorflow_says_nothing_while_it_is_imported_and_used():
    code = (
        "from rareevent.lstm.backend import import_keras;"
        "tf, keras = import_keras();"
        "print(float(tf.reduce_sum(tf.ones([2, 2]))), keras.backend.backend())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "4.0 tensorflow\n"
    assert ran.stderr == ""


def test_keras_on_another_backend_is_refused(monkeypatch):
    import_keras()
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")

    with pytest.raises(ConfigError, match="received KERAS_BACKEND='jax': unset it"):
        import_keras()
