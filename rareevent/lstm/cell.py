"""The LSTM cell's equations and its forward pass, in NumPy alone.

For a layer of m cells over p inputs, at step t, with input x_t, previous output h_{t-1} and
previous cell state c_{t-1} (zero at the start of a window), σ the sigmoid, φ the layer's
activation (tanh unless chosen otherwise) and ∘ the product by element:

    i_t = σ(W_i x_t + U_i h_{t-1} + b_i)      input gate: how much of the candidate enters
    f_t = σ(W_f x_t + U_f h_{t-1} + b_f)      forget gate: how much of the old state stays
    c̃_t = φ(W_c x_t + U_c h_{t-1} + b_c)      candidate
    o_t = σ(W_o x_t + U_o h_{t-1} + b_o)      output gate: how much of the state is shown
    c_t = f_t ∘ c_{t-1} + i_t ∘ c̃_t           cell state
    h_t = o_t ∘ φ(c_t)                        output

A layer stores W, U, b side by side in Keras' order i, f, c̃, o. The next layer's x_t is this
layer's h_t; the logits are the head on the last layer's last h, plus, where there is a skip, a
linear map of the window's last row.

What makes it fast: the first layer's W x_t (behind the linear projection, where there is one)
is computed once for each row of a block, not once for each window that holds the row; arrays
are feature-major, so that each gate is one contiguous stretch; a sigmoid is
σ(x) = tanh(x / 2) / 2 + 1/2 with the inner half folded into the weights, so that gates and a
tanh candidate need a single call; buffers are allocated once and written in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32
from rareevent.lstm.blocks import WINDOWS_PER_BLOCK, blocks
from rareevent.lstm.loop import Loop
from rareevent.lstm.network import ACTIVATIONS, LSTMLayer, Network, layer_parameters
from rareevent.lstm.threads import one_blas_thread
from rareevent.windowing.temporalize import Windows

__all__ = ["ACTIVATIONS", "Gates", "LSTMLayer", "Network", "forward", "gates", "layer_parameters"]


@dataclass(frozen=True)
class Gates:
    """One layer at work: float32 [windows, lookback, m] each, oldest step first."""

    input: Float32
    forget: Float32
    candidate: Float32
    output: Float32
    state: Float32
    hidden: Float32


def forward(network: Network, windows: Windows, block: int = WINDOWS_PER_BLOCK) -> Float32:
    """Logits of every window.

    Parameters
    ----------
    network : Network
    windows : Windows over rows of `network.channels` columns, in any order
    block : most windows computed at once; changes speed and memory, not results

    Returns
    -------
    float32 [windows, heads]

    Raises
    ------
    ModelError
        When the rows have another number of columns than the network was trained on.
    """
    _check_channels(network, windows)
    windows, order = _by_last_row(windows)
    logits = np.empty((len(windows), network.heads), np.float32)
    loop = Loop(network)
    with one_blas_thread():
        for part, layout in blocks(windows, block):
            for _ in loop.steps(windows.rows, layout):
                pass
            logits[part if order is None else order[part]] = loop.logits(layout)
    return logits


def gates(network: Network, windows: Windows) -> tuple[Gates, ...]:
    """What every gate, cell state and output did at every step, one `Gates` per layer.

    Takes 6 · lookback · m · 4 bytes per window and layer: meant for some windows, not for all.

    Raises
    ------
    ModelError
        When the rows have another number of columns than the network was trained on.
    """
    _check_channels(network, windows)
    windows, order = _by_last_row(windows)
    order = np.arange(len(windows)) if order is None else order
    shape = (6, len(windows), windows.lookback)
    seen = [np.empty((*shape, layer.units), np.float32) for layer in network.layers]
    loop = Loop(network)
    with one_blas_thread():
        for part, layout in blocks(windows):
            for step, number, switches, state, hidden in loop.steps(windows.rows, layout):
                i, f, o, candidate = switches
                for place, array in enumerate((i, f, candidate, o, state, hidden)):
                    seen[number][place, order[part], step] = array[:, layout.keep].T
    return tuple(Gates(*arrays) for arrays in seen)


def _check_channels(network: Network, windows: Windows) -> None:
    if windows.rows.shape[1] != network.channels:
        raise ModelError(
            f"the network reads {network.channels} channels; received rows with"
            f" {windows.rows.shape[1]}: encode them with the encoder of the same bundle"
        )


def _by_last_row(windows: Windows) -> tuple[Windows, np.ndarray | None]:
    if np.all(windows.ends[1:] >= windows.ends[:-1]):
        return windows, None
    order = np.argsort(windows.ends, kind="stable")
    return windows.take(order), order
