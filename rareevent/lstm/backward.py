"""Backpropagation through the cell to its inputs, in NumPy alone: the base of explanations.

With the names of `rareevent.lstm.cell`, let a bar over a quantity mean the derivative of one logit
with respect to it. A layer's h̄_t is what the layer above (or the head) reads of h_t, plus what the
next step does. Going from the last step to the first, with c̄ and h̄ of the next step zero at the
window's end:

    c̄_t  = c̄_{t+1} ∘ f_{t+1} + h̄_t ∘ o_t ∘ φ'(c_t)
    z̄_i  = c̄_t ∘ c̃_t ∘ i_t ∘ (1 - i_t)
    z̄_f  = c̄_t ∘ c_{t-1} ∘ f_t ∘ (1 - f_t)
    z̄_c  = c̄_t ∘ i_t ∘ φ'(z_c)
    z̄_o  = h̄_t ∘ φ(c_t) ∘ o_t ∘ (1 - o_t)
    x̄_t  = Wᵀ z̄            what the layer below, or the input, is told
    h̄_{t-1} gets Uᵀ z̄

where z are the sums inside the gates and W, U, z̄ hold all four side by side (Hochreiter &
Schmidhuber, Long Short-Term Memory, 1997, appendix A.1, here with the forget gate and without its
truncation). A direction that reads the window from its end goes the same way over reversed steps.
Behind a projection the input gets P x̄_t; the skip adds its weights at the last step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.errors import ModelError
from rareevent.ingestion.frame import Float32
from rareevent.lstm.activations import activate, sigmoid, slope
from rareevent.lstm.cell import as_windows, check_fit
from rareevent.lstm.network import LSTMLayer, Network
from rareevent.lstm.threads import one_blas_thread
from rareevent.windowing.temporalize import Windows

# Numbers that a block of windows may keep between its way forward and back: 64 MB.
_MOST_KEPT = 1 << 24


def input_gradients(network: Network, windows: Windows, head: int = 0) -> Float32:
    """Derivative of one logit with respect to every element of every window.

    A window near its segment's start repeats its first row; each repetition is an element of its
    own, with its own gradient. The derivative with respect to the row is their sum.

    Parameters
    ----------
    network : Network
    windows : Windows, m of them, in any order
    head : which logit, from 0; 0 is the pipeline's own horizon

    Returns
    -------
    float32 [m, lookback, c], element j of window i as `Windows.gather` gives it. Besides this
    result, memory stays the same however many windows there are.

    Raises
    ------
    ModelError
        When there is no such head, or the windows do not fit the network.
    """
    check_fit(network, windows.rows.shape[1], windows.lookback)
    if not 0 <= head < network.heads:
        raise ModelError(f"head must be from 0 to {network.heads - 1}; received {head}")
    shape = (len(windows), windows.lookback, network.channels)
    gradients = np.empty(shape, np.float32)
    size = max(1, _MOST_KEPT // (windows.lookback * _numbers_per_step(network)))
    with one_blas_thread():
        for at in range(0, len(windows), size):
            part = slice(at, at + size)
            values = windows.take(part).gather().transpose(1, 0, 2)
            gradients[part] = _gradients(network, values, head).transpose(1, 0, 2)
    return gradients


def value_gradients(network: Network, values: Float32, head: int = 0) -> Float32:
    """`input_gradients` of windows that are given element by element, as for `forward_values`.

    Parameters
    ----------
    values : float32 [k, lookback, c]

    Returns
    -------
    float32 [k, lookback, c]

    Raises
    ------
    ModelError
        When there is no such head, or the values are no windows of the network.
    """
    return input_gradients(network, as_windows(network, values), head)


@dataclass(frozen=True)
class _Trace:
    """What the way back needs of a layer; its arrays have the steps in the order it took them.

    Attributes
    ----------
    gates : float32 [lookback, 4, k, m], the gates i, f, c̃, o
    drive : float32 [lookback, k, m], the candidate's sums z_c
    state : float32 [lookback, k, m]
    """

    layer: LSTMLayer
    gates: Float32
    drive: Float32
    state: Float32


def _numbers_per_step(network: Network) -> int:
    """Numbers kept for a step of a window: eight per cell and direction, inputs and gradients."""
    return 8 * sum(network.outputs) + 4 * network.channels


def _gradients(network: Network, values: Float32, head: int) -> Float32:
    """Gradients of a block, in and out float32 [lookback, k, c]."""
    flow = values
    if network.projection is not None:
        flow = values @ network.projection[0] + network.projection[1]
    traces = []
    for number, layer in enumerate(network.layers):
        trace, hidden = _run(layer, flow)
        below = [trace]
        if network.reverse:
            trace, reverse = _run(network.reverse[number], flow[::-1])
            below.append(trace)
            hidden = np.concatenate([hidden, reverse[::-1]], axis=2)
        traces.append(below)
        flow = hidden
    back = _from_head(network, head, flow.shape)
    for forward, *backward in reversed(traces):
        split = forward.layer.units
        told = _run_back(forward, back[..., :split])
        if backward:
            told += _run_back(backward[0], back[::-1, :, split:])[::-1]
        back = told
    if network.projection is not None:
        back = back @ network.projection[0].T
    if network.skip is not None:
        back[-1] += network.skip[:, head]
    return back


def _from_head(network: Network, head: int, shape: tuple[int, ...]) -> Float32:
    """What the head reads of the last layer's outputs, float32 [lookback, k, o]."""
    weights = network.head_kernel[:, head]
    back = np.zeros(shape, np.float32)
    if network.head_steps > 1:
        back[...] = weights.reshape(shape[0], 1, shape[2])
        return back
    split = network.layers[-1].units
    back[-1, :, :split] = weights[:split]
    back[0, :, split:] = weights[split:]
    return back


def _run(layer: LSTMLayer, inputs: Float32) -> tuple[_Trace, Float32]:
    """A layer forward over float32 [lookback, k, p]: its trace and outputs [lookback, k, m]."""
    lookback, count, _ = inputs.shape
    units = layer.units
    trace = _Trace(
        layer,
        gates=np.empty((lookback, 4, count, units), np.float32),
        drive=np.empty((lookback, count, units), np.float32),
        state=np.empty((lookback, count, units), np.float32),
    )
    outputs = np.empty((lookback, count, units), np.float32)
    hidden = state = np.zeros((count, units), np.float32)
    for step in range(lookback):
        z = inputs[step] @ layer.kernel + hidden @ layer.recurrent + layer.bias
        for gate, place in enumerate(np.split(z, 4, axis=1)):
            trace.gates[step, gate] = place if gate == 2 else sigmoid(place)
        i, f, candidate, o = trace.gates[step]
        trace.drive[step] = candidate
        activate(layer.activation, candidate, out=candidate)
        state = np.add(f * state, i * candidate, out=trace.state[step])
        activate(layer.activation, state, out=outputs[step])
        outputs[step] *= o
        hidden = outputs[step]
    return trace, outputs


def _run_back(trace: _Trace, told: Float32) -> Float32:
    """From h̄ as read above, float32 [lookback, k, m], to x̄, float32 [lookback, k, p]."""
    layer, one = trace.layer, np.float32(1)
    lookback, count, units = told.shape
    inputs = np.empty((lookback, count, len(layer.kernel)), np.float32)
    later_state = later_hidden = np.zeros((count, units), np.float32)
    shown = np.empty((count, units), np.float32)
    for step in reversed(range(lookback)):
        i, f, candidate, o = trace.gates[step]
        state = trace.state[step]
        before = trace.state[step - 1] if step else np.zeros_like(state)
        activate(layer.activation, state, out=shown)
        hidden = told[step] + later_hidden
        carried = later_state + hidden * o * slope(layer.activation, state)
        z = np.concatenate(
            [
                carried * candidate * i * (one - i),
                carried * before * f * (one - f),
                carried * i * slope(layer.activation, trace.drive[step]),
                hidden * shown * o * (one - o),
            ],
            axis=1,
        )
        inputs[step] = z @ layer.kernel.T
        later_hidden = z @ layer.recurrent.T
        later_state = carried * f
    return inputs
