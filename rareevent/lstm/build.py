"""The stacked LSTM as a Keras model, and back to plain arrays."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from rareevent.config import ModelStage
from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Bool, Float32
from rareevent.lstm.backend import has_gpu, import_keras
from rareevent.lstm.network import LSTMLayer, Network
from rareevent.lstm.parts import Loop, Seeds, linear, recurrence, set_recurrence

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

# Tracing an unrolled loop takes about 0.1 s a step; past this many that is not earned back.
LONGEST_UNROLLED = 32
_ENTRY_LAYERS = ("lstm_1", "lstm_1_reverse")


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

    Input → channel dropout (`model.input_dropout`) → linear projection (`model.projection`) →
    LSTM layers (`model.units`) → dropout → dense head, on the last layer's last output or, with
    `head: flatten`, on all of them. With `bidirectional` a layer `lstm_N_reverse` reads the same
    rows beside each `lstm_N`, from the last to the first. With `model.skip` the last row goes
    straight to the logits too: what is linear need not be learned by the recurrence. With
    `skip_start: logistic` the map is frozen, and `set_start` gives it its weights; with `zero`
    it is learned, through dropout, from zero, and held there by an L2 penalty. Unless `loop` is
    "fused", all layers are Keras' own, so that a saved model loads in safe mode.

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
    seeds = Seeds(seed, len(model.units))
    windows = keras.Input((lookback, channels), name="windows")
    flow = windows
    if model.input_dropout > 0:
        # It drops a channel of a window at all steps, and scales up the others.
        drop = layers.SpatialDropout1D(model.input_dropout, seed=seeds.channels, name="channels")
        flow = drop(flow)
    if model.projection is not None:
        flow = linear(model.projection, model, next(seeds.main), "projection")(flow)
    flow = recurrence(flow, model, seeds, loop)
    if model.head == "flatten":
        flow = layers.Flatten(name="all_steps")(flow)
    if model.dropout > 0:
        flow = layers.Dropout(model.dropout, seed=next(seeds.main), name="dropout")(flow)
    logits = linear(heads, model, next(seeds.main), "head")(flow)
    if model.skip:
        skipped = _skip(windows, model, heads, next(seeds.main))
        logits = layers.Add(name="logits")([logits, skipped])
    stacked = keras.Model(windows, logits, name="stacked_lstm")
    set_recurrence(stacked, model)
    return stacked


def training_loop(lookback: int, model: ModelStage) -> Loop:
    """How the recurrence runs fastest while training on this machine.

    On a GPU Keras' own loop, which is cuDNN's kernel where that knows how; the log says so where
    it does not. On a CPU one fused operation, which knows tanh only, and no dropout between
    steps; else an unrolled loop when the lookback is short.
    """
    beyond = _beyond_cudnn(model)
    if has_gpu():
        if beyond:
            log.warning(
                "%s: this leaves the cuDNN path, and training on the GPU will be several times"
                " slower",
                " and ".join(beyond),
            )
        return "keras"
    if not beyond:
        return "fused"
    return "unrolled" if lookback <= LONGEST_UNROLLED else "keras"


def _beyond_cudnn(model: ModelStage) -> list[str]:
    """What the kernel of cuDNN, and the fused one for CPUs, cannot do; each with the reason."""
    beyond = []
    if model.activation != "tanh":
        beyond.append(f"model.activation is {model.activation!r}, and the kernel knows tanh only")
    if model.recurrent_dropout > 0:
        beyond.append(
            f"model.recurrent_dropout is {model.recurrent_dropout:g}, and the kernel drops nothing"
            " between steps"
        )
    return beyond


def set_start(model: keras.Model, reads: Bool, skip: Float32 | None, bias: Float32 | None) -> None:
    """Blind the recurrence to some channels, and give the linear part its weights; in place.

    Weights of the channels that are read are scaled to what their initialiser would have drawn
    for so many channels. With `skip` the head starts at zero: the model starts as the linear part.

    Parameters
    ----------
    model : made by `build_stacked_lstm`, as yet untrained
    reads : bool [c]
    skip : float32 [c, H], or None to leave skip and head as they were drawn
    bias : float32 [H], of the head; with `skip` only
    """
    named = {layer.name: layer for layer in model.layers}
    for entry, initializer in zip(entry_kernels(model), _entry_initializers(model), strict=True):
        channels, columns = entry.shape
        grow = _growth(initializer, channels, columns, int(reads.sum()))
        entry.assign(entry.numpy() * (reads[:, None] * grow).astype(np.float32))
    if skip is not None:
        named["skip"].set_weights([skip])
        named["head"].set_weights([np.zeros_like(named["head"].get_weights()[0]), bias])


def entry_kernels(model: keras.Model) -> tuple[keras.Variable, ...]:
    """The kernels [c, ...] through which the recurrence reads the channels.

    One, or behind no projection one for each direction.
    """
    named = {layer.name: layer for layer in model.layers}
    if "projection" in named:
        return (named["projection"].kernel,)
    return tuple(named[name].cell.kernel for name in _ENTRY_LAYERS if name in named)


def network_from_keras(model: keras.Model) -> Network:
    """The weights of a model that `build_stacked_lstm` made, copied into plain arrays."""
    named = {layer.name: layer for layer in model.layers}
    projection = named["projection"].get_weights() if "projection" in named else None
    return Network(
        projection=None if projection is None else (projection[0], projection[1]),
        layers=_layers_from_keras(named, "lstm_{}"),
        skip=named["skip"].get_weights()[0] if "skip" in named else None,
        head_kernel=named["head"].get_weights()[0],
        head_bias=named["head"].get_weights()[1],
        reverse=_layers_from_keras(named, "lstm_{}_reverse"),
    )


def _layers_from_keras(named: dict[str, keras.Layer], name: str) -> tuple[LSTMLayer, ...]:
    layers: list[LSTMLayer] = []
    while lstm := named.get(name.format(len(layers) + 1)):
        kernel, recurrent, bias = lstm.get_weights()
        layers.append(LSTMLayer(kernel, recurrent, bias, lstm.activation.__name__))
    return tuple(layers)


def _entry_initializers(model: keras.Model) -> list[str]:
    """Class names of the initialisers of `entry_kernels`, in their order."""
    named = {layer.name: layer for layer in model.layers}
    if "projection" in named:
        return [type(named["projection"].kernel_initializer).__name__]
    cells = [named[name].cell for name in _ENTRY_LAYERS if name in named]
    return [type(cell.kernel_initializer).__name__ for cell in cells]


def _growth(initializer: str, channels: int, columns: int, read: int) -> float:
    """How much larger an initialiser draws for `read` channels than for all of them.

    Glorot's rule goes by what enters and leaves a kernel, He's and LeCun's by what enters, and an
    orthogonal kernel keeps to length 1 whichever of its sides is the shorter.
    """
    if initializer.startswith("Glorot"):
        return float(np.sqrt((channels + columns) / (read + columns)))
    if initializer.startswith("Orthogonal"):
        return float(np.sqrt(max(channels, columns) / max(read, columns)))
    return float(np.sqrt(channels / read))


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
