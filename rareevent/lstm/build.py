"""The stacked LSTM as a Keras model, and back to plain arrays."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from rareevent.config import ModelStage
from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Bool, Float32
from rareevent.lstm.backend import has_gpu, import_keras
from rareevent.lstm.fused import fused_lstm_layer
from rareevent.lstm.network import LSTMLayer, Network

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

Loop = Literal["keras", "unrolled", "fused"]

# Tracing an unrolled loop takes about 0.1 s a step; past this many that is not earned back.
LONGEST_UNROLLED = 32


def build_stacked_lstm(
    lookback: int,
    channels: int,
    model: ModelStage,
    heads: int,
    *,
    seed: int,
    loop: Loop = "keras",
) -> keras.Model:
    """A stacked LSTM from windows [batch, lookback, channels] to logits [batch, heads].

    Input → linear projection (`model.projection`) → LSTM layers (`model.units`) → dropout →
    dense head. With `model.skip` the last row goes straight to the logits too: what is linear
    need not be learned by the recurrence. With `skip_start: logistic` the map is frozen, and
    `set_start` gives it its weights; with `zero` it is learned, through dropout, from zero, and
    held there by an L2 penalty. Unless `loop` is "fused", all layers are Keras' own, so that
    a saved model loads in safe mode.

    Parameters
    ----------
    lookback, channels, heads : int, at least 1
    model : ModelStage
    seed : decides initial weights and dropout; no global random state is read or changed
    loop : how the recurrence runs, see `training_loop`; the weights are the same in each

    Raises
    ------
    ConfigError
        When `recurrent_activation` is not sigmoid, or there are fewer than two layers.
    """
    _check(model)
    _, keras = import_keras()
    layers = keras.layers
    seeds = iter(np.random.SeedSequence(seed).generate_state(3 * len(model.units) + 4).tolist())
    windows = keras.Input((lookback, channels), name="windows")
    flow = windows
    if model.projection is not None:
        start = keras.initializers.GlorotUniform(next(seeds))
        flow = layers.Dense(model.projection, kernel_initializer=start, name="projection")(flow)
    flow = _recurrence(flow, model, seeds, loop)
    if model.dropout > 0:
        flow = layers.Dropout(model.dropout, seed=next(seeds), name="dropout")(flow)
    start = keras.initializers.GlorotUniform(next(seeds))
    logits = layers.Dense(heads, kernel_initializer=start, name="head")(flow)
    if model.skip:
        skipped = _skip(windows, model, heads, next(seeds))
        logits = layers.Add(name="logits")([logits, skipped])
    return keras.Model(windows, logits, name="stacked_lstm")


def training_loop(lookback: int, model: ModelStage) -> Loop:
    """How the recurrence runs fastest while training on this machine.

    On a GPU Keras' own loop, which is cuDNN's kernel when the activation is tanh; the log says
    so when it is not. On a CPU one fused operation, which knows tanh only; for other activations
    an unrolled loop when the lookback is short.
    """
    if has_gpu():
        if model.activation != "tanh":
            log.warning(
                "activation %r leaves the cuDNN path, which knows tanh only: training on the GPU"
                " will be several times slower",
                model.activation,
            )
        return "keras"
    if model.activation == "tanh":
        return "fused"
    return "unrolled" if lookback <= LONGEST_UNROLLED else "keras"


def set_start(model: keras.Model, reads: Bool, skip: Float32 | None, bias: Float32 | None) -> None:
    """Blind the recurrence to some channels, and give the linear part its weights; in place.

    Weights of the channels that are read are scaled to what Glorot's rule would have drawn for
    so many channels. With `skip` the head starts at zero: the model starts as the linear part.

    Parameters
    ----------
    model : made by `build_stacked_lstm`, as yet untrained
    reads : bool [c]
    skip : float32 [c, H], or None to leave skip and head as they were drawn
    bias : float32 [H], of the head; with `skip` only
    """
    named = {layer.name: layer for layer in model.layers}
    entry = entry_kernel(model)
    grow = np.sqrt(sum(entry.shape) / (reads.sum() + entry.shape[1]))
    entry.assign(entry.numpy() * (reads[:, None] * grow).astype(np.float32))
    if skip is not None:
        named["skip"].set_weights([skip])
        named["head"].set_weights([np.zeros_like(named["head"].get_weights()[0]), bias])


def entry_kernel(model: keras.Model) -> keras.Variable:
    """The kernel [c, ...] through which the recurrence reads the channels."""
    named = {layer.name: layer for layer in model.layers}
    return named["projection"].kernel if "projection" in named else named["lstm_1"].cell.kernel


def network_from_keras(model: keras.Model) -> Network:
    """The weights of a model that `build_stacked_lstm` made, copied into plain arrays."""
    named = {layer.name: layer for layer in model.layers}
    layers = []
    while lstm := named.get(f"lstm_{len(layers) + 1}"):
        layers.append(LSTMLayer(*lstm.get_weights(), lstm.activation.__name__))
    projection = named["projection"].get_weights() if "projection" in named else None
    return Network(
        projection=None if projection is None else (projection[0], projection[1]),
        layers=tuple(layers),
        skip=named["skip"].get_weights()[0] if "skip" in named else None,
        head_kernel=named["head"].get_weights()[0],
        head_bias=named["head"].get_weights()[1],
    )


def _check(model: ModelStage) -> None:
    if model.recurrent_activation != "sigmoid":
        raise ConfigError(
            f"model.recurrent_activation must be 'sigmoid'; received"
            f" {model.recurrent_activation!r}. The gates scale what enters, stays and leaves, so"
            " they have to lie in (0, 1), where 0 forgets and 1 keeps. Only this form also runs"
            " on cuDNN's kernel and in the scorer."
        )
    if len(model.units) < 2:
        raise ConfigError(
            f"model.units must name at least two LSTM layers; received {model.units}: give one"
            " number of units per layer, such as [16, 8]"
        )


def _recurrence(
    flow: keras.KerasTensor, model: ModelStage, seeds: Iterator[int], loop: Loop
) -> keras.KerasTensor:
    _, keras = import_keras()
    layer = fused_lstm_layer() if loop == "fused" else keras.layers.LSTM
    for number, units in enumerate(model.units, start=1):
        flow = layer(
            units,
            activation=model.activation,
            recurrent_activation=model.recurrent_activation,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            seed=next(seeds),
            return_sequences=number < len(model.units),
            unroll=loop == "unrolled",
            name=f"lstm_{number}",
        )(flow)
    return flow


def _skip(
    windows: keras.KerasTensor, model: ModelStage, heads: int, seed: int
) -> keras.KerasTensor:
    _, keras = import_keras()
    layers, lookback = keras.layers, windows.shape[1]
    last = layers.Flatten(name="last_row")(layers.Cropping1D((lookback - 1, 0))(windows))
    learned = model.skip_start == "zero"
    if learned and model.skip_dropout > 0:
        last = layers.Dropout(model.skip_dropout, seed=seed, name="skip_dropout")(last)
    return layers.Dense(
        heads,
        use_bias=False,
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(model.skip_l2) if learned else None,
        trainable=learned,
        name="skip",
    )(last)
