"""What a stacked LSTM is built of: seeds, initialisers, penalties and layers of Keras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from rareevent.config import ModelStage
from rareevent.lstm.backend import import_keras
from rareevent.lstm.fused import fused_lstm_layer

if TYPE_CHECKING:
    import keras

Loop = Literal["keras", "unrolled", "fused"]


class Seeds:
    """Seeds for all that draws, from one.

    `main` holds those of what every model has; `reverse` and `channels` have seeds of their own,
    so that turning a variant on or off leaves what the others draw alone.
    """

    def __init__(self, seed: int, layers: int) -> None:
        sequence = np.random.SeedSequence(seed)
        self.main = iter(sequence.generate_state(3 * layers + 4).tolist())
        reverse, channels = sequence.spawn(2)
        self.reverse = iter(reverse.generate_state(3 * layers).tolist())
        self.channels = channels.generate_state(1).tolist()[0]


def recurrence(
    flow: keras.KerasTensor, model: ModelStage, seeds: Seeds, loop: Loop
) -> keras.KerasTensor:
    """The LSTM layers over a sequence [batch, lookback, p]: the last one's outputs.

    Returns
    -------
    [batch, o], or [batch, lookback, o] for a head that reads all of them
    """
    _, keras = import_keras()
    for number in range(1, len(model.units) + 1):
        forward = _lstm(number, model, seeds.main, loop)(flow)
        if not model.bidirectional:
            flow = forward
            continue
        reader = _lstm(number, model, seeds.reverse, loop, reverse=True)
        reverse = reader(flow)
        if reader.return_sequences:
            # It gives its outputs as it went, from the last row to the first.
            reverse = keras.ops.flip(reverse, axis=1)
        flow = keras.layers.Concatenate(name=f"both_{number}")([forward, reverse])
    return flow


def _lstm(
    number: int, model: ModelStage, seeds: Iterator[int], loop: Loop, *, reverse: bool = False
) -> keras.layers.LSTM:
    _, keras = import_keras()
    layer = fused_lstm_layer() if loop == "fused" else keras.layers.LSTM
    return layer(
        model.units[number - 1],
        activation=model.activation,
        recurrent_activation=model.recurrent_activation,
        kernel_initializer=_initializer(model.kernel_initializer, next(seeds)),
        recurrent_initializer=_initializer(model.recurrent_initializer, next(seeds)),
        kernel_regularizer=_penalty(model),
        recurrent_regularizer=_penalty(model),
        recurrent_dropout=model.recurrent_dropout,
        seed=next(seeds),
        return_sequences=number < len(model.units) or model.head == "flatten",
        go_backwards=reverse,
        unroll=loop == "unrolled",
        name=f"lstm_{number}_reverse" if reverse else f"lstm_{number}",
    )


def set_recurrence(stacked: keras.Model, model: ModelStage) -> None:
    """Give the layers what Keras' own arguments cannot say: identity per gate, the forget bias.

    Initialisers of our own could not be loaded in safe mode.
    """
    for layer in stacked.layers:
        if not layer.name.startswith("lstm_"):
            continue
        units, cell = layer.units, layer.cell
        if model.recurrent_initializer == "identity":
            cell.recurrent_kernel.assign(np.tile(np.eye(units, dtype=np.float32), 4))
        bias = np.zeros(4 * units, np.float32)
        bias[units : 2 * units] = model.forget_bias
        cell.bias.assign(bias)


def _initializer(name: str, seed: int) -> keras.initializers.Initializer:
    _, keras = import_keras()
    start = keras.initializers
    known = {  # identity is set after building, see `set_recurrence`
        "glorot_uniform": start.GlorotUniform,
        "glorot_normal": start.GlorotNormal,
        "he_uniform": start.HeUniform,
        "he_normal": start.HeNormal,
        "lecun_uniform": start.LecunUniform,
        "lecun_normal": start.LecunNormal,
        "orthogonal": start.Orthogonal,
        "identity": start.Orthogonal,
    }
    return known[name](seed=seed)


def _penalty(model: ModelStage) -> keras.regularizers.Regularizer | None:
    _, keras = import_keras()
    if model.l1 == model.l2 == 0:
        return None
    return keras.regularizers.L1L2(model.l1, model.l2)


def linear(outputs: int, model: ModelStage, seed: int, name: str) -> keras.layers.Dense:
    """A dense layer without activation, by Glorot's rule whatever the layers start from."""
    _, keras = import_keras()
    return keras.layers.Dense(
        outputs,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=_penalty(model),
        name=name,
    )
