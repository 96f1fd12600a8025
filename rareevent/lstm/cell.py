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
layer's h_t; the logits are the head on the last layer's last h (or, flattened, on its h at all
steps), plus, where there is a skip, a linear map of the window's last row. A network that reads in
both directions has a second set of weights per layer, for which t counts from the window's last
row to its first; both outputs at a row, side by side, are the next layer's input, and the head
reads each direction where it ends. Its layers run one after the other (`both_ways`), those of the
others together, each a step behind the layer below (`loop`).

What makes it fast: the first layer's W x_t (behind the linear projection, where there is one)
is computed once for each row of a block, not once for each window that holds the row; arrays
are feature-major, so that each gate is one contiguous stretch; a sigmoid is
σ(x) = (tanh(x / 2) + 1) / 2 with both halves folded into the weights, so that gates and a
tanh candidate need a single call; buffers are allocated once and written in place; blocks are
shared out over the cores, and since layers move on together a step is a few large calls, for
threads meet wherever a call returns to Python.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32
from rareevent.lstm.activations import ACTIVATIONS
from rareevent.lstm.blocks import WINDOWS_PER_BLOCK, blocks
from rareevent.lstm.both_ways import BothWays
from rareevent.lstm.loop import Loop
from rareevent.lstm.network import LSTMLayer, Network, layer_parameters
from rareevent.lstm.threads import one_blas_thread, share_out
from rareevent.windowing.temporalize import Windows

__all__ = [
    "ACTIVATIONS",
    "Gates",
    "LSTMLayer",
    "Network",
    "as_windows",
    "check_fit",
    "forward",
    "forward_values",
    "gates",
    "layer_parameters",
]


@dataclass(frozen=True)
class Gates:
    """One layer at work: float32 [windows, lookback, m] each, oldest step first.

    Where a network reads in both directions, the m are the forward units, then the reverse ones,
    each at the row that it was reading.
    """

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
        When the rows have another number of columns, or the windows another lookback, than the
        network was trained on.
    """
    check_fit(network, windows.rows.shape[1], windows.lookback)
    windows, order = _by_last_row(windows)
    logits = np.empty((len(windows), network.heads), np.float32)
    # Buffers belong to a loop, so threads have loops of their own, made when none is idle.
    idle = [_loop(network)]
    most = idle[0].most_windows(windows.lookback, block)

    def run(stretch: slice) -> None:
        try:
            loop = idle.pop()
        except IndexError:
            loop = _loop(network)
        mine = logits[stretch]
        for part, layout in blocks(windows.take(stretch), most):
            mine[part] = loop.run(windows.rows, layout)
        idle.append(loop)

    with one_blas_thread():
        share_out(run, len(windows), most)
    if order is None:
        return logits
    out = np.empty_like(logits)
    out[order] = logits
    return out


def forward_values(network: Network, values: Float32) -> Float32:
    """Logits of windows that are given element by element, and need not be rows of any matrix.

    What an explanation asks about: a window with a sensor taken out, or half way to another one.

    Parameters
    ----------
    network : Network
    values : float32 [k, lookback, c]

    Returns
    -------
    float32 [k, heads]

    Raises
    ------
    ModelError
        When the values are no windows of the network.
    """
    return forward(network, as_windows(network, values))


def as_windows(network: Network, values: Float32) -> Windows:
    """Windows [k, lookback, c], given element by element, over a matrix of their own rows.

    Raises
    ------
    ModelError
        When the values are no windows of the network.
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 3 or values.shape[1] == 0:
        raise ModelError(
            f"windows given by value must have shape [k, lookback, {network.channels}]; received"
            f" {values.shape}"
        )
    count, lookback, channels = values.shape
    check_fit(network, channels, lookback)
    starts = np.arange(count, dtype=np.int64) * lookback
    return Windows(values.reshape(-1, channels), starts, starts + lookback - 1, lookback)


def gates(network: Network, windows: Windows) -> tuple[Gates, ...]:
    """What every gate, cell state and output did at every step, one `Gates` per layer.

    Takes 6 · lookback · m · 4 bytes per window and layer: meant for some windows, not for all.

    Raises
    ------
    ModelError
        When the rows have another number of columns, or the windows another lookback, than the
        network was trained on.
    """
    check_fit(network, windows.rows.shape[1], windows.lookback)
    windows, order = _by_last_row(windows)
    order = np.arange(len(windows)) if order is None else order
    shape = (6, len(windows), windows.lookback)
    seen = [np.empty((*shape, outputs), np.float32) for outputs in network.outputs]
    loop = _loop(network)
    with one_blas_thread():
        most = loop.most_windows(windows.lookback, WINDOWS_PER_BLOCK)
        for part, layout in blocks(windows, most):
            for moved in loop.watch(windows.rows, layout):
                target = seen[moved.layer][:, :, moved.step, moved.part]
                target[:, order[part]] = moved.values[:, :, layout.keep].swapaxes(1, 2)
    return tuple(Gates(*arrays) for arrays in seen)


def _loop(network: Network) -> Loop | BothWays:
    return BothWays(network) if network.reverse else Loop(network)


def check_fit(network: Network, channels: int, lookback: int) -> None:
    """Refuse windows that are not the network's.

    Raises
    ------
    ModelError
        When the channels are not those it reads, or a head that reads every step meets another
        number of them.
    """
    if channels != network.channels:
        raise ModelError(
            f"the network reads {network.channels} channels; received rows with"
            f" {channels}: encode them with the encoder of the same bundle"
        )
    if network.head_steps not in (1, lookback):
        raise ModelError(
            f"the network's head reads windows of {network.head_steps} rows; received a lookback of"
            f" {lookback}: use the lookback of the same bundle"
        )


def _by_last_row(windows: Windows) -> tuple[Windows, np.ndarray | None]:
    if np.all(windows.ends[1:] >= windows.ends[:-1]):
        return windows, None
    order = np.argsort(windows.ends, kind="stable")
    return windows.take(order), order
