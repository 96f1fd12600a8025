"""Networks with drawn weights, and the cell written out plainly to check against."""

from __future__ import annotations

import numpy as np

from rareevent.lstm.cell import LSTMLayer, Network
from rareevent.windowing.temporalize import Windows


def draw_network(channels, units, *, heads=1, projection=None, skip=False, activation="tanh"):
    """A network whose weights come from a normal distribution with a fixed seed."""
    rng = np.random.default_rng(channels + 10 * len(units))

    def draw(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    inputs = projection or channels
    layers = []
    for m in units:
        layers.append(LSTMLayer(draw(inputs, 4 * m), draw(m, 4 * m), draw(4 * m), activation))
        inputs = m
    return Network(
        projection=(draw(channels, projection), draw(projection)) if projection else None,
        layers=tuple(layers),
        skip=draw(channels, heads) if skip else None,
        head_kernel=draw(inputs, heads),
        head_bias=draw(heads),
    )


def draw_variant(channels, units, *, both=False, head_steps=1, projection=None, activation="tanh"):
    """As `draw_network`, reading in both directions, with a head over several steps, or both."""
    one_way = draw_network(channels, units, projection=projection, activation=activation)
    rng = np.random.default_rng(7 * channels + head_steps)

    def draw(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    def layers():
        drawn, inputs = [], projection or channels
        for m in units:
            drawn.append(LSTMLayer(draw(inputs, 4 * m), draw(m, 4 * m), draw(4 * m), activation))
            inputs = 2 * m if both else m
        return tuple(drawn)

    return Network(
        projection=one_way.projection,
        layers=layers(),
        skip=draw(channels, 1),
        head_kernel=draw(head_steps * units[-1] * (2 if both else 1), 1),
        head_bias=draw(1),
        reverse=layers() if both else (),
    )


def disturbed(model):
    """A Keras model with every weight, biases and the skip's zeros too, moved at random."""
    rng = np.random.default_rng(5)
    model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def draw_windows(segment_lengths, channels, lookback, seed=0):
    """A window ending at every row of segments that lie one after the other."""
    lengths = np.asarray(segment_lengths)
    rows = np.random.default_rng(seed).standard_normal((lengths.sum(), channels), np.float32)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Windows(rows, starts, np.arange(len(rows)), lookback)


def plain_tanh_logits(network, windows):
    """Logits window by window in float64, as the equations stand, for tanh layers."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    out = []
    for window in windows.gather().astype(np.float64):
        flow = window
        if network.projection is not None:
            flow = flow @ network.projection[0] + network.projection[1]
        for layer in network.layers:
            hidden = state = np.zeros(layer.units)
            outputs = []
            for x in flow:
                z = x @ layer.kernel + hidden @ layer.recurrent + layer.bias
                i, f, candidate, o = np.split(z, 4)
                state = sigmoid(f) * state + sigmoid(i) * np.tanh(candidate)
                hidden = sigmoid(o) * np.tanh(state)
                outputs.append(hidden)
            flow = np.array(outputs)
        logit = hidden @ network.head_kernel + network.head_bias
        if network.skip is not None:
            logit = logit + window[-1] @ network.skip
        out.append(logit)
    return np.array(out).reshape(len(windows), network.heads)
